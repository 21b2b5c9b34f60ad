"""The parts of a report page: tables, bars, charts and galleries of images. Each gives its HTML; every text is escaped."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple, Protocol

from dlcli.specs import figures
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.plural import count

MOST_COLUMNS = 6
"""A table with more columns shows these, and all of them in a fold."""
_MOST_BARS = 15
_CODE = re.compile(r"`([^`\n]+)`")

Cell = str | tuple[str, str]
"""The text of a cell, or its text and a smaller line under it (an interval, a qualification)."""


class Part(Protocol):
    """What a page is made of."""

    def html(self) -> str:
        """The part as HTML."""


def figure_cell(found: Estimate | PointEstimate | Difference | None, *, decimals: int = 3) -> Cell:
    """A figure with its interval in smaller type, as on the terminal; a dash for none."""
    if found is None:
        return "–"
    value, _, interval = figures.scaled(found, decimals=decimals).partition(" ")
    return value, interval


def units_cell(found: Estimate | PointEstimate | Difference | None) -> Cell:
    """A figure in the units of the data with its interval in smaller type, as on the terminal; a dash for none."""
    return "–" if found is None else text_cell(figures.in_units(found))


def text_cell(text: str) -> Cell:
    """A figure that is written already, what follows its value in smaller type."""
    value, _, interval = text.partition(" ")
    return value, interval


def percent_cell(found: Estimate | PointEstimate | Difference | None) -> Cell:
    """A share, or a difference of shares, in percent, with its interval in smaller type; a dash for none."""
    return "–" if found is None else percent(found)


class Percent(NamedTuple):
    """A figure in percent and its interval, or why it has none, as texts."""

    value: str
    interval: str


def percent(found: Estimate | PointEstimate | Difference) -> Percent:
    """A share, or with a sign a difference of shares, in percent to one decimal, as on the terminal."""
    value, _, interval = figures.percent(found).partition(" ")
    return Percent(value, interval)


def prose(text: str) -> str:
    """Escaped text, with what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


@dataclass(frozen=True)
class PageTable:
    """A table. Of more than `MOST_COLUMNS` columns the first are shown, and below all of them in a fold.

    Attributes:
        caption: The line above it.
        headers: Names of the columns; the answer belongs in the second, which no screen cuts off.
        rows: Their cells.
        strong: Index of the row that is highlighted.
        words: Number of leading columns that hold text, aligned left; the others hold figures.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    strong: int | None = None
    words: int = 1

    def html(self) -> str:
        """The table in a box that scrolls sideways by itself."""
        if len(self.headers) <= MOST_COLUMNS:
            return self._drawn(len(self.headers))
        folded = (
            f"<details><summary>All {count(len(self.headers), 'column')}</summary>{self._drawn(len(self.headers))}</details>"
        )
        return self._drawn(MOST_COLUMNS) + folded

    def _drawn(self, columns: int) -> str:
        heads = enumerate(self.headers[:columns])
        head = "".join(f'<th scope="col"{self._side(k)}>{escape(header)}</th>' for k, header in heads)
        rows = "\n".join(self._row(row[:columns], strong=k == self.strong) for k, row in enumerate(self.rows))
        caption = f"<caption>{escape(self.caption)}</caption>"
        return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'

    def _row(self, row: Sequence[Cell], *, strong: bool) -> str:
        first = f'<th scope="row">{_cell(row[0])}</th>'
        rest = "".join(f"<td{self._side(k)}>{_cell(cell)}</td>" for k, cell in enumerate(row[1:], start=1))
        opening = '<tr class="strong">' if strong else "<tr>"
        return f"{opening}{first}{rest}</tr>"

    def _side(self, column: int) -> str:
        return ' class="words"' if 0 < column < self.words else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    text, small = cell
    return f"{escape(text)} <small>{escape(small)}</small>"


@dataclass(frozen=True)
class Bar:
    """A row of `Bars`: shares by the names of the series, and a few words beside them."""

    name: str
    shares: Sequence[Estimate | None]
    note: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Bars:
    """Shares as bars with their intervals as whiskers; of many rows the first are shown and the others are in a fold.

    Attributes:
        caption: The line above them.
        series: Names of the shares of a row, in the order in which they are drawn.
        bars: The rows.
    """

    caption: str
    series: Sequence[str]
    bars: Sequence[Bar]

    def html(self) -> str:
        """A list with a line for each share; texts do not shrink on a narrow screen."""
        keys = "".join(f'<span class="key s{k}">{escape(name)}</span>' for k, name in enumerate(self.series))
        legend = f'<p class="keys">{keys}</p>' if len(self.series) > 1 else ""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>"
        few, more = self.bars[:_MOST_BARS], self.bars[_MOST_BARS:]
        folded = f"<details><summary>{len(more):,} more</summary>{_bars(more, self.series)}</details>" if more else ""
        return f'<figure class="bars">{caption}{legend}{_bars(few, self.series)}{folded}</figure>'


def _bars(bars: Sequence[Bar], series: Sequence[str]) -> str:
    return f"<ul>{''.join(_bar(bar, series) for bar in bars)}</ul>"


def _bar(bar: Bar, series: Sequence[str]) -> str:
    note = f'<span class="note">{escape(bar.note)}</span>' if bar.note else ""
    lines = "".join(
        _line(name, found, k) for k, (name, found) in enumerate(zip(series, bar.shares, strict=True)) if found is not None
    )
    opening = '<li class="strong">' if bar.strong else "<li>"
    return f'{opening}<span class="name">{escape(bar.name)}</span><span class="lines">{lines}</span>{note}</li>'


def _line(name: str, found: Estimate, series: int) -> str:
    value, interval = percent(found)
    whisker = f'<b style="left:{100 * found.low:.2f}%;width:{100 * (found.high - found.low):.2f}%"></b>'
    track = f'<span class="track" aria-hidden="true"><i style="width:{100 * found.value:.2f}%"></i>{whisker}</span>'
    said = f'<span class="value">{value}% <small>{interval}</small></span>'
    return f'<span class="line s{series}" title="{escape(name)}">{said}{track}</span>'


@dataclass(frozen=True)
class Chart:
    """A figure as `figures.svg` makes it, and the line under it."""

    svg: str
    caption: str

    def html(self) -> str:
        """The figure in the width there is."""
        return f'<figure class="chart">{self.svg}<figcaption>{prose(self.caption)}</figcaption></figure>'


@dataclass(frozen=True)
class CardImage:
    """An image on a card: the bytes of a PNG file, what it shows, and the line under it.

    `alt` is read aloud in its place; `small` is whether its pixels are so few that they are drawn as squares.
    """

    png: bytes
    alt: str
    line: str
    small: bool = True


@dataclass(frozen=True)
class Gallery:
    """Cards in rows as wide as the screen, each with images one below the other.

    Attributes:
        caption: The line under the cards.
        cards: The images of each card.
    """

    caption: str
    cards: Sequence[Sequence[CardImage]]

    def html(self) -> str:
        """The cards, which wrap."""
        cards = "".join(f"<div>{''.join(map(_card_image, card))}</div>" for card in self.cards)
        return f'<figure><div class="cards">{cards}</div><figcaption>{prose(self.caption)}</figcaption></figure>'


def _card_image(image: CardImage) -> str:
    data = base64.b64encode(image.png).decode("ascii")
    shown = ' class="pixels"' if image.small else ""
    return f'<img{shown} alt="{escape(image.alt)}" src="data:image/png;base64,{data}"><p>{escape(image.line)}</p>'


@dataclass(frozen=True)
class Beside:
    """Parts side by side, or one below the other on a narrow screen."""

    parts: Sequence[Part]

    def html(self) -> str:
        """The parts in a row that wraps."""
        return f'<div class="beside">{"".join(f"<div>{part.html()}</div>" for part in self.parts)}</div>'


@dataclass(frozen=True)
class Fold:
    """Parts that are shown once their summary is clicked, and in print."""

    summary: str
    parts: Sequence[Part]

    def html(self) -> str:
        """The fold, closed."""
        return f"<details><summary>{escape(self.summary)}</summary>{''.join(part.html() for part in self.parts)}</details>"
