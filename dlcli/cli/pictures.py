"""Bars and curves drawn in letters, for cells of a table on a terminal."""

from collections.abc import Sequence

_WIDTH = 10
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


class Sketch(str):
    """A cell that draws what other cells of its row say in figures."""

    __slots__ = ()


def bar(share: float) -> Sketch:
    """A bar of 10 cells for 1, to the eighth of a cell."""
    eighths = round(8 * _WIDTH * min(max(share, 0.0), 1.0))
    whole, rest = divmod(eighths, 8)
    return Sketch("█" * whole + (_EIGHTHS[rest] if rest else ""))


def curve(values: Sequence[float], low: float, high: float) -> Sketch:
    """One letter for each value, from `low` at the bottom to `high` at the top."""
    span = (high - low) or 1.0
    levels = [round((len(_LEVELS) - 1) * min(max((value - low) / span, 0.0), 1.0)) for value in values]
    return Sketch("".join(_LEVELS[level] for level in levels))
