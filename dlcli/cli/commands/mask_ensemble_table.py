"""Table and answer of `dlcli ensemble --task segment`."""

from dlcli.cli.command import TerminalTable
from dlcli.cli.pictures import bar
from dlcli.specs.figures import percent, points
from dlcli.specs.mask_ensemble import MaskEnsembleResult, MaskEnsembleRow
from dlcli.support.plural import count

_MEMBERS = "mean of members"
_MOST_NUMBERS = 12


def mask_ensemble_table(result: MaskEnsembleResult) -> TerminalTable:
    """A row for each number of members: the mIoU of the rule, its gain, and the pixel accuracy."""
    asked = f"{result.rule} rule"
    found = {(row.members, row.classifier): row for row in result.rows}
    rows = tuple(_row(found, n, asked) for n in sorted({row.members for row in result.rows}))
    columns = ("members", f"mIoU, {asked}", "", "gain over mean of members", _MEMBERS, "pixel accuracy", "gain")
    title = f"{result.model} on {result.data}, in % on {count(result.n_test, f'test {result.unit}')} by the number of members"
    strong = frozenset({len(rows) - 1})
    answer = mask_ensemble_answer(result)
    return TerminalTable(title, columns, rows, strong, result.notes, answer, _MOST_NUMBERS, "more numbers of members")


def _row(found: dict[tuple[int, str], MaskEnsembleRow], n: int, asked: str) -> tuple[str, ...]:
    own, mean = found[n, asked], f"{100 * found[n, _MEMBERS].miou.value:.1f}"
    gains = [percent(gain) if n > 1 else "" for gain in (own.gain, own.pixel_gain)]
    return str(n), percent(own.miou), bar(own.miou.value), gains[0], mean, percent(own.pixel_accuracy), gains[1]


def mask_ensemble_answer(result: MaskEnsembleResult) -> str:
    """The mIoU of the rule, and what it gains over the mean of its members."""
    row = result.headline
    if row is None:
        return f"stopped with {count(len(result.members), 'member')} trained; continue with --resume"
    reused = sum(one.reused for one in result.members)
    kept = f", {reused} of them trained before" if reused else ""
    verdict = "" if row.gain is None else f", {'established' if row.gain.established else 'not established'}"
    gain = "" if row.gain is None else f"; {points(row.gain)} over the mean of members"
    shown = f"mIoU {percent(row.miou, '%')}, pixel accuracy {percent(row.pixel_accuracy, '%')}"
    return (
        f"{row.classifier} of {count(row.members, 'member')}{kept}: {shown} of "
        f"{count(result.n_test, f'test {result.unit}')}{gain}{verdict}"
    )
