"""Affiliations of scientists, and journals and conferences."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .entity_vocabulary import ACADEMIA, INSTITUTIONS
from .habits import Layout, Source, Spellings, words

_SPELLINGS = Spellings(ACADEMIA.spellings)


class Affiliation(NamedTuple):
    """A unit of a university, or the university alone, in all forms of their names; the country too."""

    unit: tuple[str, ...]
    university: tuple[str, ...]
    city: str
    country: tuple[str, ...]
    postcode: int


def affiliations(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n units of universities in few cities: units of one university, one field at several, and universities alone."""
    layout = Layout(rng, most=rng.choice((3, 6, 12)))
    return layout.write(_draw_affiliations(rng, n), _write_affiliation)


def journals(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n journals and conferences in few fields, in full and abbreviated."""
    return Layout(rng, most=rng.choice((3, 6))).write(_draw_journals(rng, n), _write_journal)


def _draw_affiliations(rng: Random, n: int) -> list[Affiliation]:
    cities = {city: tuple(rng.choice(ACADEMIA.countries)) for city in rng.sample(INSTITUTIONS.places, 3 + min(60, n // 8))}
    found: dict[tuple[str, ...], Affiliation] = {}
    while len(found) < n:
        city, country = rng.choice(list(cities.items()))
        university = tuple(form.format(c=city) for form in rng.choice(ACADEMIA.universities))
        field = rng.choice(ACADEMIA.fields)
        unit = () if rng.random() < 0.12 else tuple(form.format(f=field) for form in rng.choice(ACADEMIA.units))
        affiliation = Affiliation(unit, university, city, country, rng.randint(10000, 99999))
        if found and rng.random() < 0.4:
            other = rng.choice(list(found.values()))
            kind = rng.random()
            affiliation = other._replace(unit=unit) if kind < 0.6 else affiliation._replace(unit=other.unit)
        # "University of X" and "X University" of one city are one, as some forms of the names are.
        # So are an institute of and one for a field.
        parts = (" ".join(affiliation.unit[:1]), affiliation.university[0])
        key = tuple(" ".join(sorted({*words(part)} - {"of", "for"})) for part in parts)
        found.setdefault(key, affiliation)
    return list(found.values())


def _write_affiliation(source: Source, affiliation: Affiliation) -> str:
    university = source.pick(f"university {len(affiliation.university)}", affiliation.university)
    parts = [university]
    if affiliation.unit:
        unit = source.pick(f"unit {len(affiliation.unit)}", affiliation.unit)
        unit = _SPELLINGS.apply(source, unit, "abbreviates", 0.35)
        parts = [university, unit] if source.does("university first", 0.25) else [unit, university]
    if affiliation.city not in university or source.does("names the city", 0.35):
        in_front = source.does("postcode in front", 0.15)
        parts.append(f"{affiliation.postcode} {affiliation.city}" if in_front else affiliation.city)
    if source.does("names the country", 0.5):
        parts.append(source.pick("country", affiliation.country))
    return source.pick("separator", (", ", ", ", "; ", " - ", " ")).join(parts)


def _draw_journals(rng: Random, n: int) -> list[tuple[str, ...]]:
    """Each journal in all forms of its name. Two journals never have the same words but for the kind of the journal."""
    fields = rng.sample(ACADEMIA.fields, min(len(ACADEMIA.fields), 8 + n // 8))
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    while len(found) < n:
        field, other_field = rng.sample([field for field in fields if not field.startswith("Applied")], 2)
        place, society = rng.choice(ACADEMIA.places), rng.choice(ACADEMIA.societies)
        forms = tuple(form.format(f=field, g=other_field, p=place, s=society) for form in rng.choice(ACADEMIA.journals))
        found.setdefault(tuple(sorted(words(forms[0]))), forms)
    return list(found.values())


def _write_journal(source: Source, forms: tuple[str, ...]) -> str:
    name = source.pick(f"form {len(forms)}", forms)
    if "." in name or source.does("abbreviates", 0.3):
        name = _SPELLINGS.apply(source, name, "abbreviates fields", 0.7)
    if source.does("drops dots", 0.15):
        name = name.replace(".", "")
    return f"{name} (Print)" if source.does("names the medium", 0.03) else name
