"""How `dlcli eval --against` is drawn: the difference in a sentence, then by class and slice."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.comparison import ClassifierComparison, ComparedPart
from dlcli.specs.eval import EvalResult
from dlcli.specs.figures import percent, points
from dlcli.support.plural import count

_SHOWN = 12


def comparison_answer(result: EvalResult, found: ClassifierComparison) -> str:
    """The paired difference, and how many examples changed."""
    of = count(found.difference.n, f"{result.split} {result.unit}".strip())
    changed = f"{found.fixed:,} fixed, {found.broken:,} broken of {of}"
    return f"{result.model} against {found.against}: accuracy {points(found.difference)}, {found.difference.verdict}; {changed}"


def comparison_table(result: EvalResult, found: ClassifierComparison) -> TerminalTable:
    """A row for each class and slice, the lowest difference first, and all examples last."""
    ordered = sorted(found.parts, key=lambda one: one.difference.value)
    rows = [_row(f"{one.column}={one.name}", one, one.status) for one in ordered]
    rows.append(_row("all", found, found.difference.verdict))
    strong = {k for k, one in enumerate(ordered) if one.status == "worse"} | {len(rows) - 1}
    most = None if len(rows) <= _SHOWN + 2 else _SHOWN
    return TerminalTable(
        f"{result.model} (new) against {found.against} (old), the lowest difference first",
        ("part", "new minus old, points", "status", "new, %", "old, %", "fixed", "broken"),
        tuple(rows),
        frozenset(strong),
        result.notes,
        comparison_answer(result, found),
        most=most,
        rest=f"{len(rows) - _SHOWN} more rows",
    )


def _row(name: str, one: ComparedPart | ClassifierComparison, status: str) -> tuple[str, ...]:
    shown = (percent(figure).partition(" ")[0] for figure in (one.new, one.old))
    return name, percent(one.difference), status, *shown, f"{one.fixed:,}", f"{one.broken:,}"
