"""Figures of matplotlib as SVG inside a page, in the page's colours and type, so that they follow its light and dark look."""

import hashlib
import io
import re
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from dlcli.core.html_report.figures import any_script

THEMED = {
    "#000000": "ink",
    "#ffffff": "paper",
    "#70707a": "soft",
    "#b0b0b0": "line",
    "#0072b2": "c1",
    "#d55e00": "c2",
    "#009e73": "c3",
    "#cc79a7": "c4",
    "#e69f00": "c5",
    "#56b4e9": "c6",
    "#f0e442": "c7",
    "#7a0019": "c8",
    "#c8c8c8": "c9",
    "#40404a": "edge",
}
"""The colours of figures that a page replaces by its own, and the names of these in report.css."""

_ASIDE = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", re.DOTALL)
_OPENING = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', re.DOTALL)
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")
_FONT = re.compile(r"(font: (?:\w+ )*?[\d.]+px|font-family:) [^;\"]*")
_NAMED = re.compile(r' id="([^"]*)"')
_GROWN = 1.5


def svg(figure: Figure, *, alt: str) -> str:
    """The figure as an SVG element of a page.

    The same figure gives the same bytes. Black, white and the colours of `THEMED` become those of the page, and texts stay
    texts in its font. Names of the figure's own parts are made from its content, so that those of two figures do not clash.

    Args:
        figure: What to draw.
        alt: What it shows, for those who do not see it.

    Returns:
        The element; it takes the width it is given, up to one and a half times the figure's own.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlcli"}), any_script():
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawn = buffer.getvalue()
    drawn = _ASIDE.sub("", drawn[drawn.index("<svg") :]).replace("xlink:href", "href")
    width, height = next(_OPENING.finditer(drawn)).groups()
    opening = f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}"'
    drawn = _OPENING.sub(f'{opening} style="max-width:{_GROWN * float(width):.0f}px">', drawn, count=1)
    return _renamed(_FONT.sub(rf"\1 {_own('font')}", _COLOUR.sub(_themed, drawn))).strip()


def _themed(found: re.Match[str]) -> str:
    name = THEMED.get(found[2])
    return f"{found[1]}: {_own(name)}" if name else found[0]


def _own(name: str) -> str:
    """The page's own value of that name."""
    return f"var(--{name})"


def _renamed(drawn: str) -> str:
    """The figure with only those names that it refers to, made its own."""
    own = f"f{hashlib.sha256(drawn.encode()).hexdigest()[:8]}"
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', drawn))
    drawn = _NAMED.sub(lambda found: f' id="{own}-{found[1]}"' if found[1] in used else "", drawn)
    return re.sub(r'(url\(|href=")#', rf"\1#{own}-", drawn)
