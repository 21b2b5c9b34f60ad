"""Tables of what `dlcli eval` finds beside its figures: a threshold, calibrations, numbers of images, suspected labels."""

from collections.abc import Iterator

from dlcli.cli.command import TerminalTable
from dlcli.specs.abstention import Abstention
from dlcli.specs.calibration import Calibration
from dlcli.specs.eval import EvalResult
from dlcli.specs.figures import percent, scaled
from dlcli.specs.sample_size import ImagesNeeded
from dlcli.specs.suspects import Suspects

_SHOWN = 10


def further_tables(result: EvalResult) -> Iterator[TerminalTable]:
    """A table for each option that asks for more than figures."""
    if result.abstention is not None:
        yield _abstention(result.abstention, result.unit)
    if result.calibration is not None:
        yield _calibration(result.calibration)
    if result.needed is not None:
        yield _needed(result.needed, result.unit)
    if result.suspects is not None and result.suspects.count:
        yield _suspects(result.suspects)


def _abstention(found: Abstention, unit: str) -> TerminalTable:
    from_on = "none" if found.threshold is None else f"{found.threshold:.4f}"
    row = (f"{100 * found.risk:g}", from_on, percent(found.answered), percent(found.errors))
    columns = ("errors at most, %", "from probability", f"{unit}s answered, %", "errors among these, %")
    return TerminalTable("When to answer", columns, (row,))


def _calibration(found: Calibration) -> TerminalTable:
    rows = [
        (one.name, *(scaled(figure, decimals=3) for figure in (one.before, one.after, one.difference))) for one in found.metrics
    ]
    return TerminalTable(
        f"Before and after calibration by {found.method}", ("metric", "before", "after", "after minus before"), tuple(rows)
    )


def _needed(found: ImagesNeeded, unit: str) -> TerminalTable:
    rows = [(f"{100 * one.share:.3g}", f"{one.images:,}", f"{100 * one.power:.0f}") for one in found.shares]
    columns = ("one of both is right, %", f"{unit}s needed", f"established with {found.n:,}, %")
    return TerminalTable(f"{unit}s that establish a difference of {100 * found.effect:.3g}%".capitalize(), columns, tuple(rows))


def _suspects(found: Suspects) -> TerminalTable:
    shown = found.suspects[:_SHOWN]
    rows = [
        (one.file or str(one.index), one.given, one.suggested, f"{one.probability:.3f}", f"{one.score:+.3f}") for one in shown
    ]
    which = f", the first {len(shown)} of {found.count:,}" if found.count > len(shown) else ""
    columns = ("file" if shown and shown[0].file else "index", "given", "suggested", "probability", "score")
    return TerminalTable(f"Suspected labels{which}", columns, tuple(rows))
