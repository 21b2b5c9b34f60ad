"""Names of the sites of providers: child care, schools, clinics, shelters and centres for seniors."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import acronym, join_words
from .entity_vocabulary import ADDRESSES, DINING, SITES
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(SITES.spellings)
_NUMBERS = (("I", "1"), ("II", "2"), ("III", "3"), ("IV", "4"))
_CORES = {
    "{first} {last}": 20,
    "{first} {initial}. {last}": 6,
    "{last}": 26,
    "{saint}": 12,
    "{street}": 10,
    "{area}": 8,
    "{word}": 14,
    "{number} {direction} {street}": 4,
}
"""Templates of the names of sites with their frequency in percent."""


class Site(NamedTuple):
    """A site, and the organisation that runs it, which may be missing as the type may.

    `number` tells sites of one name apart, in each of its forms. `last` is the last name of one that is called after a person.
    What identifies the site is found out when all of the table are drawn.
    """

    parent: str
    core: str
    type: str
    number: tuple[str, ...] = ()
    last: str = ""
    site_identifies: bool = False
    core_identifies: bool = False
    last_identifies: bool = False


def sites(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n sites; most share an organisation with others. The groups of some tables have up to twelve texts."""
    layout = Layout(rng, most=rng.choice((3, 6, 12)))
    return layout.write(_draw_sites(rng, n), _write)


def _draw_sites(rng: Random, n: int) -> list[Site]:
    found: list[Site] = []
    while len(found) < n:
        if rng.random() < 0.3:
            found += _draw_numbered(rng, _draw_site(rng, ""))
            continue
        parent = _draw_parent(rng)
        for _ in range(rng.choice((1, 2, 3, 5, 10, 20))):
            # Organisations also have sites at the same schools and streets as others.
            site = rng.choice(found) if found and rng.random() < 0.12 else _draw_site(rng, parent)
            found += _draw_numbered(rng, site._replace(parent=parent))
    found = list(dict.fromkeys(found[:n]))
    full = [join_words(site.parent, site.core, site.type, *site.number[:1]) for site in found]
    by_site = identify(full, [join_words(site.core, site.type, *site.number[:1]) for site in found])
    by_core = identify(full, [join_words(site.parent, site.core, *site.number[:1]) for site in found])
    by_last = identify(full, [join_words(site.parent, site.last, *site.number[:1]) if site.last else "" for site in found])
    return [
        site._replace(site_identifies=whole, core_identifies=core, last_identifies=last)
        for site, whole, core, last in zip(found, by_site, by_core, by_last, strict=True)
    ]


def _draw_parent(rng: Random) -> str:
    if rng.random() < 0.2:
        return rng.choice(SITES.parents)
    return f"{rng.choice(SITES.parent_words)} {rng.choice(SITES.parent_kinds)}"


def _draw_site(rng: Random, parent: str) -> Site:
    template = rng.choices(list(_CORES), list(_CORES.values()))[0]
    last = rng.choice(SITES.last_names)
    core = template.format(
        first=rng.choice(SITES.first_names),
        initial=rng.choice("ABCDEFGHJLMPRSTW"),
        last=last,
        saint=rng.choice(SITES.saints),
        street=f"{rng.choice(ADDRESSES.streets)} {rng.choice(('Street', 'Avenue', ''))}".strip(),
        area=rng.choice(DINING.areas),
        word=rng.choice(SITES.words),
        number=rng.randint(100, 9999),
        direction=rng.choice(("North", "South", "East", "West")),
    )
    has_type = not parent or rng.random() < 0.55
    return Site(parent, core, rng.choice(SITES.types) if has_type else "", last=last if "{first}" in template else "")


def _draw_numbered(rng: Random, site: Site) -> list[Site]:
    """The site, or in some cases two or three of its name with numbers."""
    if rng.random() > 0.05:
        return [site]
    return [site._replace(number=number) for number in _NUMBERS[: rng.choice((2, 2, 3))]]


def _write(source: Source, site: Site) -> str:
    name = _SPELLINGS.apply(source, _name_site(source, site), "abbreviates", 0.5)
    if site.number:
        name += source.pick("number", (" {0}", " {1}", " #{1}", " No. {1}", "-{0}")).format(*site.number)
    if not site.parent or (site.site_identifies and source.does("drops the parent", 0.25)):
        return name
    forms = ("{p} - {s}", "{p} - {s}", "{p}-{s}", "{p} {s}", "{p}/{s}", "{p}: {s}", "{s} ({p})", "{p} @ {s}")
    return source.pick("parent", forms).format(p=_name_parent(source, site.parent), s=name)


def _name_site(source: Source, site: Site) -> str:
    core = site.core
    if site.last and site.last_identifies and source.does("drops first names", 0.25):
        core = site.last
    elif site.last and source.does("inverts people", 0.1):
        core = f"{site.last}, {core.removesuffix(site.last).strip()}"
    elif site.last_identifies and source.does("abbreviates first names", 0.15):
        core = f"{core[0]}. {site.last}"
    if not site.type or (site.core_identifies and source.does("drops types", 0.25)):
        return core
    return f"{core} {site.type}"


def _name_parent(source: Source, parent: str) -> str:
    if len(parent.split()) > 2 and source.does("acronyms", 0.15):
        return acronym(parent)
    return _SPELLINGS.apply(source, parent, "abbreviates parents", 0.35)
