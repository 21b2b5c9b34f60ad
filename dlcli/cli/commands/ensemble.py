"""`dlcli ensemble` at the shell."""

from dlcli.cli.command import Command, TerminalTable, run_folder
from dlcli.cli.commands.mask_ensemble_table import mask_ensemble_answer, mask_ensemble_table
from dlcli.cli.commands.score_ensemble_table import score_ensemble_answer, score_ensemble_table
from dlcli.cli.pictures import bar
from dlcli.specs.ensemble import Diversity, EnsembleConfig, EnsembleResult, EnsembleRow
from dlcli.specs.figures import percent, points, scaled
from dlcli.specs.mask_ensemble import MaskEnsembleResult
from dlcli.specs.score_ensemble import ScoreEnsembleResult
from dlcli.support.plural import count

_MEMBERS = "mean of members"
_BY_NUMBER = {_MEMBERS: _MEMBERS, "mean rule": "mean", "max rule": "max", "vote rule": "vote"}
"""Columns of the table by the number of members."""
_MOST_NUMBERS = 12


def _table(result: EnsembleResult | ScoreEnsembleResult | MaskEnsembleResult) -> TerminalTable:
    """A row for each number of members: the rule that was asked for, its gain, and other rules beside it."""
    if isinstance(result, ScoreEnsembleResult):
        return score_ensemble_table(result)
    if isinstance(result, MaskEnsembleResult):
        return mask_ensemble_table(result)
    asked = f"{result.rule} rule"
    numbers = sorted({row.members for row in result.rows})
    found = {(row.members, row.classifier): row for row in result.rows}
    others = {name: label for name, label in _BY_NUMBER.items() if name != asked}
    rows = tuple(_row(found, n, asked, list(others)) for n in numbers)
    title = (
        f"{result.model} on {result.data}, accuracy in % on "
        f"{count(result.n_test, f'test {result.unit}')} by the number of members"
    )
    columns = ("members", f"{result.rule} rule", "", "gain over mean of members", *others.values())
    notes = (*(_diverse(one, result.unit) for one in result.diversity[-1:]), *result.notes)
    details = (_classifiers(result, numbers[-1]),) if numbers else ()
    return TerminalTable(
        title,
        columns,
        rows,
        frozenset({len(rows) - 1}),
        notes,
        _answer(result),
        most=_MOST_NUMBERS,
        rest="more numbers of members",
        details=details,
    )


def _row(found: dict[tuple[int, str], EnsembleRow], n: int, asked: str, others: list[str]) -> tuple[str, ...]:
    own = found[n, asked]
    gain = percent(own.gain) if n > 1 else ""
    values = (f"{100 * found[n, name].accuracy.value:.1f}" for name in others)
    return str(n), percent(own.accuracy), bar(own.accuracy.value), gain, *values


def _classifiers(result: EnsembleResult, members: int) -> TerminalTable:
    """Every classifier of all members, with its interval and its calibration."""
    rows = [_cells(row) for row in result.rows if row.members == members]
    columns = ("classifier", "accuracy, %", "gain over mean of members", "ECE, %", "NLL")
    return TerminalTable(f"every classifier of {count(members, 'member')}", columns, tuple(rows))


def _cells(row: EnsembleRow) -> tuple[str, ...]:
    return row.classifier, percent(row.accuracy), percent(row.gain), percent(row.ece), scaled(row.nll, decimals=2)


def _diverse(found: Diversity, unit: str) -> str:
    correlation = scaled(found.error_correlation, decimals=2)
    errors = f", and their errors correlate by {correlation}" if correlation else ""
    share = percent(found.disagreement, "%")
    return f"Two of {count(found.members, 'member')} predict different classes for {share} of the {unit}s{errors}."


def _answer(result: EnsembleResult | ScoreEnsembleResult | MaskEnsembleResult) -> str:
    if isinstance(result, ScoreEnsembleResult):
        return score_ensemble_answer(result)
    if isinstance(result, MaskEnsembleResult):
        return mask_ensemble_answer(result)
    row = result.headline
    if row is None:
        return f"stopped with {count(len(result.members), 'member')} trained; continue with --resume"
    reused = sum(one.reused for one in result.members)
    kept = f", {reused} of them trained before" if reused else ""
    right = f"{percent(row.accuracy, '%')} of {count(row.accuracy.n, f'test {result.unit}')} right"
    verdict = "" if row.gain is None else f", {'established' if row.gain.established else 'not established'}"
    gain = f"; {points(row.gain)} over the mean of members" if row.gain else ""
    return f"{row.classifier} of {count(row.members, 'member')}{kept}: {right}{gain}{verdict}"


COMMAND = Command(
    name="ensemble",
    config=EnsembleConfig,
    engine="dlcli.engines.ensemble",
    examples=(
        "dlcli ensemble --members 10 -o runs/e10",
        "dlcli ensemble --data mnist.npz --members 50 --bootstrap 0.1 -o runs/e50",
        "dlcli ensemble --members 0 --add runs/a --add runs/b --rule max",
        "dlcli ensemble --data photos/ --task score --rule median -o runs/liked5",
        "dlcli ensemble --data digits --task sequence --members 5 -o runs/tcn5",
        "dlcli attack --model runs/e50 --ensemble max --data mnist.npz",
    ),
    table=_table,
    answer=_answer,
    adjust=lambda values: run_folder(values, "-ensemble"),
)
