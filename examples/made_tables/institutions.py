"""Names of universities, hospitals, museums and sports clubs, many of one place."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .entity_vocabulary import INSTITUTIONS, NameForms
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(INSTITUTIONS.spellings)
_CLASSES = tuple(
    [NameForms(**forms) for forms in kind]
    for kind in (INSTITUTIONS.universities, INSTITUTIONS.hospitals, INSTITUTIONS.museums, INSTITUTIONS.clubs)
)
_UNIVERSITIES, _CLUBS = _CLASSES[0], _CLASSES[3]


class Institution(NamedTuple):
    """An institution in all forms of its name, and in a loose one, which may be missing as the part of it may.

    Its place is in most of the forms. What identifies the institution is found out when all of a table are drawn.
    """

    forms: tuple[str, ...]
    loose: str
    place: str
    part: str = ""
    loose_identifies: bool = False
    name_identifies: bool = False


def institutions(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n institutions of one class or of all four, several of each place, and parts of some."""
    return Layout(rng, most=rng.choice((3, 5))).write(_draw_institutions(rng, n), _write)


def _draw_institutions(rng: Random, n: int) -> list[Institution]:
    classes = _CLASSES if rng.random() < 0.3 else (rng.choice(_CLASSES),)
    places = rng.sample(INSTITUTIONS.places, min(len(INSTITUTIONS.places), 5 + n // 3))
    found: list[Institution] = []
    taken: set[tuple[str, ...]] = set()
    # A small class has fewer institutions than a large table has room for.
    for _ in range(20 * n):
        institution = _draw_institution(rng, rng.choice(classes), rng.choice(places))
        key = (institution.forms[0], institution.place, institution.part)
        if key not in taken:
            taken.add(key)
            found.append(institution)
        if len(found) == n:
            break
    full = [join_words(one.forms[0], "" if one.place in one.forms[0] else one.place, one.part) for one in found]
    by_loose = identify(full, [join_words(one.loose, one.part) if one.loose else "" for one in found])
    by_name = identify(full, [join_words(one.forms[0], one.part) for one in found])
    return [
        one._replace(loose_identifies=loose, name_identifies=name)
        for one, loose, name in zip(found, by_loose, by_name, strict=True)
    ]


def _draw_institution(rng: Random, kind: list[NameForms], place: str) -> Institution:
    words = {
        "p": place,
        "a": rng.choice(INSTITUTIONS.areas),
        "l": rng.choice(INSTITUTIONS.people),
        "s": rng.choice(INSTITUTIONS.saints),
        "x": rng.choice(INSTITUTIONS.subjects),
    }
    forms, loose = rng.choice(kind)
    part = ""
    if kind in (_UNIVERSITIES, _CLUBS) and rng.random() < 0.25:
        part = rng.choice(INSTITUTIONS.parts if kind is _UNIVERSITIES else INSTITUTIONS.teams)
    return Institution(tuple(form.format(**words) for form in forms), rng.choice([*loose, ""]).format(**words), place, part)


def _write(source: Source, institution: Institution) -> str:
    if institution.loose_identifies and source.does("is loose", 0.25):
        name = institution.loose
    else:
        name = source.pick(f"form {len(institution.forms)}", institution.forms)
    name = _SPELLINGS.apply(source, name, "abbreviates")
    if institution.part:
        form = source.pick("part", ("{n} {p}", "{n}, {p}", "{n} - {p}", "{n} ({p})"))
        name = form.format(n=name, p=_SPELLINGS.apply(source, institution.part, "abbreviates"))
    is_placed = institution.place in name
    if not is_placed and (not institution.name_identifies or source.does("names the place", 0.2)):
        name += source.pick("place", (", {}", " ({})", " - {}", " {}")).format(institution.place)
    return name
