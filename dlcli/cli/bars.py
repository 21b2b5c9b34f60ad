"""Progress bars on a terminal, each on one line. Imports Rich, so that only what draws one imports this file."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

MOST_CELLS = 80
"""Width of a line at most, on wider terminals too."""
_BAR, _SHORTEST_BAR = 20, 5


class Widths(NamedTuple):
    """Cells of the parts of a line; a part with none is not drawn."""

    label: int
    bar: int
    done: int
    left: int
    status: int


def fit(natural: Widths, cells: int) -> Widths:
    """The widths with which a line fits into `cells`, with a blank between its parts, if the counts do.

    The bar is shortened first. Then the time left is dropped, then the status and the label are cut, and at last the bar goes.
    """
    found = natural
    for narrower in (natural, natural._replace(left=0)):
        found = narrower._replace(bar=max(_SHORTEST_BAR, natural.bar - max(0, _excess(narrower, cells))))
        if _excess(found, cells) <= 0:
            return found
    for part in ("status", "label", "bar"):
        width = getattr(found, part)
        found = found._replace(**{part: max(0, width - max(0, _excess(found, cells)))})
    return found


def _excess(widths: Widths, cells: int) -> int:
    shown = [one for one in widths if one]
    return sum(shown) + len(shown) - 1 - cells


class ProgressBars(Progress):
    """Bars with a label, counts, the time left and a status, which a task has as its field `status`."""

    def __init__(self, console: Console) -> None:
        label, status = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[status]}"))
        self._parts = (label, BarColumn(_BAR), MofNCompleteColumn(separator=" of "), TimeRemainingColumn(), status)
        self._screen = console  # Rich draws before it has one of its own
        super().__init__(*self._parts, console=console, transient=True)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """The visible tasks, one per line; called by Rich whenever it draws."""
        shown = [task for task in tasks if task.visible]
        natural = Widths(*(max((_width(part, task) for task in shown), default=0) for part in self._parts))
        widths = fit(natural, min(MOST_CELLS, self._screen.width))
        drawn = [(part, width) for part, width in zip(self._parts, widths, strict=True) if width]
        table = Table.grid(*(Column(no_wrap=True, overflow="ellipsis", width=width) for _, width in drawn), padding=(0, 1))
        for task in shown:
            table.add_row(*(self._draw(part, width, task) for part, width in drawn))
        return table

    def _draw(self, part: ProgressColumn, width: int, task: Task) -> RenderableType:
        return BarColumn(width).render(task) if isinstance(part, BarColumn) else part(task)


def _width(part: ProgressColumn, task: Task) -> int:
    return _BAR if isinstance(part, BarColumn) else cell_len(str(part(task)))
