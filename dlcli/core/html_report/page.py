"""One self-contained HTML page: a title, facts, tables, pictures and notes; nothing to fetch, no foreign script."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dlcli.specs.estimates import Difference, Estimate

Cell = str | tuple[str, str]
"""The text of a cell, or its text and a smaller line under it (an interval, a qualification)."""


def figure_cell(found: Estimate | Difference | None) -> Cell:
    """A figure with its interval in smaller type; a dash for none."""
    if found is None:
        return "–"
    value, _, interval = str(found).partition(" ")
    return value, interval


@dataclass(frozen=True)
class PageTable:
    """A table; the first cells of a row, `words` of them, are text, the others figures. Row number `strong` is set off."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    strong: int | None = None
    words: int = 1


@dataclass(frozen=True)
class Picture:
    """A PNG file's bytes, what to say to those who cannot see it, and the line under it."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Page:
    """What stands on the page, from top to bottom; `facts` are pairs of a name and a value. All is plain text.

    `details` are the tables that are looked up rather than read.
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
        parts = [f"<h1>{escape(self.title)}</h1>", f'<p class="lead">{escape(self.lead)}</p>', _facts(self.facts)]
        parts += [_table(table) for table in self.tables]
        parts += [_picture(picture) for picture in self.pictures]
        parts += [_table(table) for table in self.details]
        parts += [_notes(self.notes)]
        return frame(self.title, "\n".join(part for part in parts if part))


def frame(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """A whole page around `body`, which is HTML: in the look of all pages and then `style`, with `script` at its end.

    The page forbids the browser to fetch anything, and to run anything but this very script.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        script = f"\n{script.strip()}\n"
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
        body += f"\n<script>{script}</script>"
    return _FRAME.format(title=escape(title), policy=policy, style=_STYLE + style, body=body)


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
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
    return f'<figure><div class="wide">{image}</div><figcaption>{escape(picture.caption)}</figcaption></figure>'


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if items else ""


_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --soft: #5a5d66; --line: #d5d7de; --mark: #eef3fb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e8ec; --paper: #17181c; --soft: #a3a7b3; --line: #3b3e47; --mark: #222b3a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.25rem 1rem 3rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.lead { font-size: 1.05rem; margin: 0 0 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 0 1.5rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1.5rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { text-align: right; padding: .35rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, .words { text-align: left; }
tbody th { font-weight: 400; }
thead th { color: var(--soft); font-weight: 600; }
.strong th, .strong td { background: var(--mark); font-weight: 600; }
small { display: block; color: var(--soft); font-size: .78rem; font-weight: 400; white-space: nowrap; }
figure { margin: 1.5rem 0; }
img { display: block; height: auto; max-width: max(100%, 34rem); background: #ffffff; border-radius: .4rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
li { margin: .25rem 0; }
@media (max-width: 30rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin: 0 0 .4rem; }
  th, td { padding: .3rem .2rem; font-size: .83rem; }
  small { font-size: .64rem; }
}
"""

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
