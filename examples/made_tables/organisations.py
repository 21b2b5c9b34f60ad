"""Names of firms, government units, and organisations with branches."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import acronym, add_noise, add_noise_to_all, join_words, respell, sample_forms
from .people import people
from .vocabulary import NAMES, ORGANISATIONS, PLACES


class Firm(NamedTuple):
    """A firm, the same with an ampersand for "and", and the ways to write its legal form."""

    name: str
    ampersand_name: str
    legal_forms: list[str]


def firms(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n firms: with or without the legal form, "and" or "&", and some by their initials."""
    for _ in range(n):
        firm = _draw_firm(rng)
        forms = [
            firm.name,
            f"{firm.name} {rng.choice(firm.legal_forms)}",
            f"{firm.name}, {rng.choice(firm.legal_forms)}",
            f"{firm.ampersand_name} {firm.legal_forms[0]}",
            f"The {firm.name} {rng.choice(firm.legal_forms)}",
            firm.ampersand_name,
            f"{firm.name} ({rng.choice(firm.legal_forms)})",
        ]
        initials = acronym(firm.name)
        if len(initials) >= 3 and rng.random() < 0.35:
            forms += [initials, f"{initials} {rng.choice(firm.legal_forms)}"]
        yield add_noise_to_all(rng, sample_forms(rng, forms, (1, 1, 2, 3, 4)), typo_rate=0.12)


def _draw_firm(rng: Random) -> Firm:
    """A firm called after its trade, or after two partners."""
    first = rng.choice(ORGANISATIONS.firm_words if rng.random() < 0.5 else NAMES.last)
    trade = rng.choice(ORGANISATIONS.trades)
    second = rng.choice(ORGANISATIONS.firm_words) if rng.random() < 0.3 else ""
    legal_forms = rng.choice(ORGANISATIONS.legal_forms)
    partner = rng.choice(NAMES.last)
    if rng.random() < 0.25:
        return Firm(f"{first} and {partner}", f"{first} & {partner}", legal_forms)
    name = join_words(first, second, trade)
    return Firm(name, name, legal_forms)


def firms_and_people(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n/2 firms and n/2 people; many firms bear the last name of a person."""
    yield from firms(rng, n // 2)
    yield from people(rng, n // 2)


def government_units(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n departments, agencies and so on: with an article, the country or the initials, or abbreviated."""
    for _ in range(n):
        topics, short_topics = _draw_topics(rng)
        unit = rng.choice(ORGANISATIONS.units)
        country = rng.choice(ORGANISATIONS.countries)
        name = unit.format(x=topics)
        forms = [
            name,
            unit.format(x=short_topics),
            f"{name} {country}".strip(),
            f"{topics} {country}" if country else name,
            f"{name}, {country}" if country else name,
            f"the {name}",
            f"{name} ({acronym(name)})",
            respell(name, "Department"),
            respell(name, "National"),
        ]
        yield add_noise_to_all(rng, sample_forms(rng, forms, (1, 1, 2, 3)), typo_rate=0.12)


def _draw_topics(rng: Random) -> tuple[str, str]:
    """One to three topics, the last one after "and", and the same with an ampersand."""
    *others, last = rng.sample(ORGANISATIONS.topics, rng.choices((1, 2, 3), (0.5, 0.4, 0.1))[0])
    before = ", ".join(others)
    return (f"{before} and {last}", f"{before} & {last}") if others else (last, last)


def branches(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of the branches of n/6 organisations, two to eight each, which differ in their place alone."""
    words = ORGANISATIONS.firm_words + NAMES.last
    places = PLACES.streets + NAMES.last + PLACES.cities
    for _ in range(max(1, n // 6)):
        template = rng.choice(ORGANISATIONS.with_branches)
        parent = template.format(a=rng.choice(words), b=rng.choice(ORGANISATIONS.topics + NAMES.last))
        for place in rng.sample(places, rng.choice((2, 3, 5, 8))):
            forms = _forms_of_branch(parent, place + rng.choice(ORGANISATIONS.branch_suffixes))
            yield add_noise_to_all(rng, sample_forms(rng, forms, (1, 1, 2, 3)), typo_rate=0.08)
        if rng.random() < 0.5:
            yield [add_noise(rng, parent, typo_rate=0.05)]


def _forms_of_branch(parent: str, branch: str) -> list[str]:
    name = f"{parent} - {branch}"
    return [
        name,
        name.replace(" - ", " "),
        name.upper(),
        f"{parent} {branch}",
        f"{parent} ({branch})",
        respell(name, "Center"),
        respell(name, "&"),
        f"{parent}, {branch}",
    ]
