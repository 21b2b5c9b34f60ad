"""The part of the page of `dlcli eval --against`: the difference by class and slice, and the examples that changed."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.parts import CardImage, Cell, Fold, Gallery, PageTable, Part, percent_cell
from dlcli.specs.comparison import BROKEN, FIXED, ClassifierComparison, Flip
from dlcli.support.plural import count

_FIRST = 12
_CAPTIONS = {
    BROKEN: "Broken: {n} that only the old one is right on, true → new. The most confident first.",
    FIXED: "Fixed: {n} that only the new one is right on, true → old. The most confident old mistakes first.",
}


def comparison_parts(found: ClassifierComparison, pictures: NDArray[np.floating] | None, unit: str) -> list[Part]:
    """The tables, and pictures of what changed.

    Args:
        found: The comparison.
        pictures: Pictures (m, c, h, w) of its flips; None without pictures.
        unit: What an example is called.
    """
    parts: list[Part] = [_whole(found)]
    for kind, number in ((BROKEN, found.broken), (FIXED, found.fixed)):
        flips = [(k, one) for k, one in enumerate(found.flips) if one.change == kind][:_FIRST]
        if not flips:
            continue
        caption = _CAPTIONS[kind].format(n=count(number, unit))
        if pictures is None:
            parts.append(_table(caption, [one for _, one in flips], unit))
        else:
            parts.append(Gallery(caption, [(_card(pictures[k], one, unit),) for k, one in flips]))
    return [*parts, _by_part(found)]


def _whole(found: ClassifierComparison) -> PageTable:
    rows: list[list[Cell]] = [
        ["new", percent_cell(found.new), ""],
        [f"old: {found.against}", percent_cell(found.old), ""],
        ["new minus old, points", percent_cell(found.difference), f"p {found.p:.2g}"],
    ]
    return PageTable(
        f"New against old: the difference is {found.difference.verdict}", ["classifier", "accuracy, %", ""], rows, strong=2
    )


def _by_part(found: ClassifierComparison) -> Part:
    rows: list[list[Cell]] = [
        [
            f"{one.column}={one.name}",
            percent_cell(one.difference),
            one.status,
            f"{one.fixed:,} / {one.broken:,}",
            percent_cell(one.new),
            percent_cell(one.old),
        ]
        for one in sorted(found.parts, key=lambda one: one.difference.value)
    ]
    heads = ["part", "new minus old, points", "status", "fixed / broken", "new, %", "old, %"]
    caption = "Difference by class and slice, the lowest first"
    if len(rows) <= _FIRST:
        return PageTable(caption, heads, rows)
    return Fold(f"{caption}: all {len(rows)}", [PageTable(caption, heads, rows)])


def _table(caption: str, flips: list[Flip], unit: str) -> PageTable:
    rows: list[list[Cell]] = [[one.file or f"row {one.index + 1:,}", one.true, one.old, one.new, _sure(one)] for one in flips]
    return PageTable(caption, [unit, "true", "old", "new", "probability, %"], rows, words=4)


def _card(image: NDArray[np.floating], one: Flip, unit: str) -> CardImage:
    wrong = one.new if one.change == BROKEN else one.old
    return card_image(image, alt=f"A {unit} of {one.true}, {one.change}", line=f"{one.true} → {wrong}, {_sure(one)}%")


def _sure(one: Flip) -> str:
    """The probability of the wrong prediction."""
    found = one.new_probability if one.change == BROKEN else one.old_probability
    return "–" if found is None else f"{100 * found:.1f}"
