"""One self-contained HTML page: a title, facts, tables, pictures and notes. It fetches nothing and runs no foreign script."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from dlcli.specs.estimates import Difference, Estimate, PointEstimate

_CODE = re.compile(r"`([^`\n]+)`")

Cell = str | tuple[str, str]
"""The text of a cell, or its text and a smaller line under it (an interval, a qualification)."""


def figure_cell(found: Estimate | PointEstimate | Difference | None) -> Cell:
    """A figure with its interval in smaller type; a dash for none."""
    if found is None:
        return "–"
    value, _, interval = str(found).partition(" ")
    return value, interval


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        caption: The line above it.
        headers: Names of the columns.
        rows: Their cells.
        strong: Index of the row that is highlighted.
        words: Number of leading columns that hold text, aligned left; the others hold figures.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    strong: int | None = None
    words: int = 1


@dataclass(frozen=True)
class Picture:
    """The bytes of a PNG file, its alternative text, and the line under it."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Page:
    """The content of a page in its order, as plain text, in which `text in backticks` is shown as code.

    Attributes:
        title: The heading.
        lead: The result in a sentence.
        facts: Pairs of a name and a value.
        tables: What most readers want.
        pictures: Below the tables.
        details: Tables to look things up in.
        notes: Sentences at the end.
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[PageTable] = ()
    pictures: Sequence[Picture] = ()
    details: Sequence[PageTable] = ()
    notes: Sequence[str] = ()

    def html(self) -> str:
        """The page as HTML; every text is escaped."""
        parts = [f"<h1>{escape(self.title)}</h1>", f'<p class="lead">{_prose(self.lead)}</p>', _facts(self.facts)]
        parts += [_table(table) for table in self.tables]
        parts += [_picture(picture) for picture in self.pictures]
        parts += [_table(table) for table in self.details]
        parts += [_notes(self.notes)]
        return frame(self.title, "\n".join(part for part in parts if part))


def frame(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Wrap HTML in a whole page, which forbids the browser to fetch anything and to run anything but `script`.

    Args:
        title: Plain text.
        body: HTML.
        style: CSS, after that of all pages.
        script: JavaScript, at the end of the page.

    Returns:
        The page as HTML.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        script = f"\n{script.strip()}\n"
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
        body += f"\n<script>{script}</script>"
    return _FRAME.format(title=escape(title), policy=policy, style=_style() + style, body=body)


@cache
def _style() -> str:
    return "\n" + files("dlcli.core.html_report").joinpath("report.css").read_text(encoding="utf-8")


def _prose(text: str) -> str:
    """Escaped text, with what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{_prose(value)}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>" if rows else ""


def _table(table: PageTable) -> str:
    head = "".join(f'<th scope="col"{_side(k, table)}>{escape(header)}</th>' for k, header in enumerate(table.headers))
    rows = "\n".join(_row(row, table, strong=k == table.strong) for k, row in enumerate(table.rows))
    caption = f"<caption>{escape(table.caption)}</caption>"
    return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'


def _row(row: Sequence[Cell], table: PageTable, *, strong: bool) -> str:
    first = f'<th scope="row">{_cell(row[0])}</th>'
    rest = "".join(f"<td{_side(k, table)}>{_cell(cell)}</td>" for k, cell in enumerate(row[1:], start=1))
    opening = '<tr class="strong">' if strong else "<tr>"
    return f"{opening}{first}{rest}</tr>"


def _side(column: int, table: PageTable) -> str:
    return ' class="words"' if 0 < column < table.words else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    text, small = cell
    return f"{escape(text)} <small>{escape(small)}</small>"


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    image = f'<img alt="{escape(picture.alt)}" src="data:image/png;base64,{data}">'
    return f'<figure><div class="wide">{image}</div><figcaption>{_prose(picture.caption)}</figcaption></figure>'


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{_prose(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if items else ""


_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
