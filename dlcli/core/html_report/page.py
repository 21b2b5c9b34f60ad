"""One self-contained HTML page: the result, pictures, tables and notes. It fetches nothing and runs no foreign script."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from dlcli.core.html_report.parts import Part, prose
from dlcli.specs.figures import EXPLAINED


@dataclass(frozen=True)
class Page:
    """The content of a page in its order, as plain text, in which `text in backticks` is shown as code.

    Attributes:
        title: The heading.
        number: The result as a figure or a word, large.
        interval: Beside it, in smaller type.
        lead: The result in a sentence.
        parts: Pictures first, then tables.
        notes: Sentences below them.
        facts: Pairs of a name and a value at the foot: what was run, and on what.
    """

    title: str
    number: str
    lead: str
    interval: str = ""
    parts: Sequence[Part] = ()
    notes: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()

    def html(self) -> str:
        """The page as HTML; every text is escaped."""
        small = f" <small>{escape(self.interval)}</small>" if self.interval else ""
        head = f'<h1>{escape(self.title)}</h1>\n<p class="headline"><strong>{escape(self.number)}</strong>{small}</p>'
        head += f'\n<p class="lead">{prose(self.lead)}</p>'
        body = "\n".join(part for part in (head, *(part.html() for part in self.parts), _notes(self.notes)) if part)
        foot = _facts(self.facts, EXPLAINED if "95%" in body else "")
        return frame(self.title, f"{body}\n{foot}" if foot else body)


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


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{prose(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if items else ""


def _facts(facts: Sequence[tuple[str, str]], more: str) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{prose(value)}</dd>" for name, value in facts)
    line = f"<p>{escape(more)}</p>" if more else ""
    return f"<footer><dl>{rows}</dl>{line}</footer>" if rows else ""


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
