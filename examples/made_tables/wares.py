"""Titles of clothes, tools, parts of cars and software, which differ from their siblings in one property or in the code."""

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .habits import Layout, Source
from .shop_vocabulary import WARES, Wares


class Ware(NamedTuple):
    """A product: its brand, line, names of its sort, the forms of each of its properties, and a code or an empty text."""

    brand: str
    line: str
    item: tuple[str, ...]
    properties: tuple[tuple[str, ...], ...]
    code: str
    extra: str
    alone: bool


def wares(rng: Random, n: int, sort: str) -> Iterator[list[str]]:
    """Titles of n products of this sort, most of which have siblings with another value of a property or another code."""
    return Layout(rng).write(_draw_wares(rng, n, WARES[sort]), lambda source, ware: _ware_title(source, ware, WARES[sort]))


def _draw_wares(rng: Random, n: int, lists: Wares) -> list[Ware]:
    brands = rng.sample(lists.brands, min(len(lists.brands), max(4, n // 12)))
    coded = rng.random() < 0.5
    found: dict[tuple[object, ...], Ware] = {}
    while len(found) < n:
        first = Ware(
            brand=rng.choice(brands),
            line=rng.choice(lists.lines) if rng.random() < 0.6 else "",
            item=tuple(rng.choice(lists.items)),
            properties=tuple(tuple(rng.choice(values)) for values in lists.properties),
            code=_draw_code(rng, lists) if coded else "",
            extra=rng.choice(lists.extras),
            alone=rng.random() < 0.3,
        )
        siblings = [] if first.alone else [_sibling(rng, first, lists) for _ in range(rng.choice((1, 1, 2, 4)))]
        for ware in (first, *siblings):
            found.setdefault(ware[:5], ware)
    return list(found.values())[:n]


def _draw_code(rng: Random, lists: Wares) -> str:
    """A code in which {L} stands for a letter and {d3} for three digits."""
    code = re.sub(r"\{L\}", lambda _: rng.choice("ABCDGHKLMPRSTVWX"), rng.choice(lists.codes))
    return re.sub(r"\{d(\d)\}", lambda found: "".join(rng.choices("0123456789", k=int(found[1]))), code)


def _sibling(rng: Random, ware: Ware, lists: Wares) -> Ware:
    """The product with another value of a property, and with the next code; some are of another line or sort."""
    code = _next_code(rng, ware.code)
    kind = rng.random()
    if kind < 0.1:
        return ware._replace(item=tuple(rng.choice(lists.items)), code=code)
    if kind < 0.2 and len(lists.lines) > 1:
        return ware._replace(line=rng.choice(lists.lines), code=code)
    place = rng.randrange(len(ware.properties))
    values = [tuple(forms) for forms in lists.properties[place]]
    value = rng.choice([forms for forms in values if forms != ware.properties[place]])
    return ware._replace(properties=(*ware.properties[:place], value, *ware.properties[place + 1 :]), code=code)


def _next_code(rng: Random, code: str) -> str:
    """The code with another last digit."""
    places = [place for place, letter in enumerate(code) if letter.isdigit()]
    if not places:
        return code
    place = rng.choice(places[-2:])
    digit = rng.choice([digit for digit in "0123456789" if digit != code[place]])
    return code[:place] + digit + code[place + 1 :]


def _ware_title(source: Source, ware: Ware, lists: Wares) -> str:
    """The title as a source writes it; properties of a product without siblings are dropped at times."""
    properties = [source.pick(f"property {place}", forms) for place, forms in enumerate(ware.properties)]
    if ware.alone and source.does("drops a property", 0.4):
        properties[source.rng.randrange(len(properties))] = ""
    code = ware.code if source.does("codes", 0.7) else ""
    item = source.pick("item", ware.item) if source.does("other names", 0.4) else ware.item[0]
    words = {f"p{place}": text for place, text in enumerate(properties)}
    title = source.pick("title", lists.titles).format(b=ware.brand, l=ware.line, i=item, c=code, **words)
    if code and code not in title and source.does("codes behind", 0.5):
        title = f"{title} {code}"
    if source.does("extras", 0.2):
        title = f"{title} {ware.extra.format(b=ware.brand)}"
    return _tidy(title.replace("-", "") if source.does("drops hyphens", 0.1) else title)


def _tidy(text: str) -> str:
    """The text without the marks around parts that are empty."""
    text = re.sub(r"([(\[])\(([^()]*)\)", r"\1\2", text)
    text = re.sub(r"\(\s*[,\s]*\)|\[\s*\]|\((?=,)", "", text)
    text = re.sub(r"(?:\s*,){2,}", ",", text)
    text = re.sub(r"(?:\s+-)+(?=\s+-|\s*$)", "", " ".join(text.split()))
    return re.sub(r"\s+,", ",", re.sub(r",\s*\)", ")", text)).strip(" ,-")
