"""Table and answer of `dlcli ensemble --task score`."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import in_units, number_in_units, scaled
from dlcli.specs.score_ensemble import ScoreEnsembleResult, ScoreEnsembleRow
from dlcli.support.plural import count

_MEMBERS = "mean of members"
_MOST_NUMBERS = 12


def score_ensemble_table(result: ScoreEnsembleResult) -> TerminalTable:
    """A row for each number of members: the error of the rule that was asked for, its gain, and the other rule beside it."""
    asked = f"{result.rule} rule"
    found = {(row.members, row.classifier): row for row in result.rows}
    numbers = sorted({row.members for row in result.rows})
    others = [name for name in ("mean rule", "median rule") if name != asked]
    rows = tuple(_row(found, n, asked, others) for n in numbers)
    columns = ("members", f"MAE, {asked}", "gain over mean of members", _MEMBERS, *others, "Spearman")
    title = f"{result.model} on {result.data}, {count(result.n_test, f'test {result.unit}')}, by the number of members"
    details = (_classifiers(result, numbers[-1]),) if numbers else ()
    strong = frozenset({len(rows) - 1})
    answer = score_ensemble_answer(result)
    return TerminalTable(
        title, columns, rows, strong, result.notes, answer, _MOST_NUMBERS, "more numbers of members", details=details
    )


def _row(found: dict[tuple[int, str], ScoreEnsembleRow], n: int, asked: str, others: list[str]) -> tuple[str, ...]:
    own = found[n, asked]
    beside = (number_in_units(found[n, name].mae.value, 3) for name in (_MEMBERS, *others))
    spearman = "–" if own.spearman is None else f"{own.spearman.value:.3f}"
    return str(n), in_units(own.mae), in_units(own.gain) if n > 1 else "", *beside, spearman


def _classifiers(result: ScoreEnsembleResult, members: int) -> TerminalTable:
    """Every classifier of all members, with its intervals."""
    rows = tuple(
        (
            row.classifier,
            in_units(row.mae),
            scaled(row.spearman, decimals=3) or "–",
            in_units(row.gain),
            in_units(row.minus_best),
        )
        for row in result.rows
        if row.members == members
    )
    columns = ("classifier", "MAE", "Spearman", "gain over mean of members", "gain over best member")
    return TerminalTable(f"every classifier of {count(members, 'member')}", columns, rows)


def score_ensemble_answer(result: ScoreEnsembleResult) -> str:
    """The error of the rule, and what it gains over the mean of its members."""
    row = result.headline
    if row is None:
        return f"stopped with {count(len(result.members), 'member')} trained; continue with --resume"
    reused = sum(one.reused for one in result.members)
    kept = f", {reused} of them trained before" if reused else ""
    verdict = "" if row.gain is None else f", {'established' if row.gain.established else 'not established'}"
    gain = "" if row.gain is None else f"; smaller than the mean of members by {in_units(row.gain)}"
    spearman = "" if row.spearman is None else f"Spearman {scaled(row.spearman, decimals=3)}, "
    n = f"{count(result.n_test, f'test {result.unit}')}"
    return f"{row.classifier} of {count(row.members, 'member')}{kept}: {spearman}MAE {in_units(row.mae)}, of {n}{gain}{verdict}"
