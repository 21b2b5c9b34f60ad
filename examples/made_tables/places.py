"""Addresses, and the names of venues and institutions at them."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from .edits import add_noise, add_typos, join_words, respell, sample_forms
from .vocabulary import NAMES, PLACES


class Place(NamedTuple):
    """A venue or an institution at an address; words that have several forms are lists of them."""

    number: int
    street: str
    street_type: list[str]
    direction: list[str] | None
    city: str
    postcode: int
    venue_words: str
    venue_type: str
    institution: str
    is_venue: bool


def addresses(rng: Random, n: int) -> Iterator[list[str]]:
    """Addresses of n places, with or without the city and the postcode."""
    return _forms_of_places(rng, n, _address)


def names_of_places(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n venues and institutions."""
    return _forms_of_places(rng, n, _name)


def places(rng: Random, n: int) -> Iterator[list[str]]:
    """Names and addresses of n venues and institutions."""
    return _forms_of_places(rng, n, _name_and_address)


def _forms_of_places(rng: Random, n: int, write: Callable[[Random, Place], str]) -> Iterator[list[str]]:
    for _ in range(n):
        place = _draw_place(rng)
        count = rng.choice((1, 1, 2, 3))
        yield [add_noise(rng, write(rng, place), typo_rate=0.12) for _ in range(count)]


def _draw_place(rng: Random) -> Place:
    number = rng.randint(1, 9999)
    street = rng.choice(PLACES.streets) if rng.random() < 0.8 else f"{rng.randint(1, 120)}th"
    street_type = rng.choice(PLACES.street_types)
    direction = rng.choice(PLACES.directions) if rng.random() < 0.5 else None
    city = rng.choice(PLACES.cities)
    postcode = rng.randint(10000, 99999)
    first_word, second_word = rng.choice(PLACES.venue_words), rng.choice(PLACES.venue_words + NAMES.last)
    venue_type = rng.choice(PLACES.venue_types)
    institution = rng.choice(PLACES.institutions).format(v=second_word, f=rng.choice(NAMES.first))
    return Place(
        number,
        street,
        street_type,
        direction,
        city,
        postcode,
        f"{first_word} {second_word}",
        venue_type,
        institution,
        is_venue=rng.random() < 0.5,
    )


def _name(rng: Random, place: Place) -> str:
    return _venue_name(rng, place) if place.is_venue else _institution_name(rng, place.institution)


def _venue_name(rng: Random, place: Place) -> str:
    words, name = place.venue_words, f"{place.venue_words} {place.venue_type}"
    forms = [
        name,
        f"The {name}",
        words,
        f"{name} & Bar" if rng.random() < 0.2 else name,
        f"{words}'s {place.venue_type}" if rng.random() < 0.2 else name,
        f"{name} (The)",
    ]
    return rng.choice(forms)


def _institution_name(rng: Random, name: str) -> str:
    numbered = f"{name} {rng.choice(('I', 'II', '#2'))}" if rng.random() < 0.03 else name
    return rng.choice([name, respell(name, "School"), respell(name, "Center"), respell(name, "St."), numbered])


def _street_address(rng: Random, place: Place) -> str:
    direction = rng.choice(place.direction) if place.direction and rng.random() < 0.85 else ""
    street_type = rng.choice(place.street_type) if rng.random() < 0.9 else ""
    return join_words(str(place.number), direction, place.street, street_type)


def _address(rng: Random, place: Place) -> str:
    street = _street_address(rng, place)
    return street + rng.choice(["", f", {place.city}", f" {place.city}", f" {place.city} {place.postcode}"])


def _name_and_address(rng: Random, place: Place) -> str:
    name = _name(rng, place)
    separator = rng.choice((" ", ", ", " - "))
    return name + separator + _address(rng, place)


def neighbours(rng: Random, n: int) -> Iterator[list[str]]:
    """Names and addresses of venues on n/4 streets: other names at the same address, and similar names next door."""
    for _ in range(max(1, n // 4)):
        number, street = rng.randint(1, 9999), rng.choice(PLACES.streets)
        street_type, city = rng.choice(PLACES.street_types), rng.choice(PLACES.cities)
        shared_word = rng.choice(PLACES.venue_words)
        for _ in range(rng.choice((2, 3, 4))):
            first_word = shared_word if rng.random() < 0.5 else rng.choice(PLACES.venue_words)
            name = f"{first_word} {rng.choice(PLACES.venue_words + NAMES.last + PLACES.venue_types)}".lower()
            venue_type = rng.choice(PLACES.venue_types)
            forms = [
                f"{name} {number} {street} {rng.choice(street_type)}".lower(),
                f"{name} {venue_type} {number} {street} {rng.choice(street_type)} {city}".lower(),
                f"{name}  the {number} {street} {rng.choice(street_type)}".lower(),
                f"{name.title()}, {number} {street} {rng.choice(street_type)}",
            ]
            yield sample_forms(rng, forms, (1, 1, 2))
            number += rng.choice((0, 0, 2, 10))


def venue_names(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n venues, of one or two words: with an article, the type of venue or the city, or misspelt."""
    for _ in range(n):
        word = rng.choice(PLACES.venue_words + NAMES.last)
        second_word = rng.choice(PLACES.venue_words + PLACES.venue_types + NAMES.last)
        name = word if rng.random() < 0.2 else f"{word} {second_word}"
        forms = [
            name,
            name.lower(),
            f"{name}  the",
            f"the {name}",
            f"{name} {rng.choice(PLACES.venue_types)}" if rng.random() < 0.3 else name,
            f"{name} ({rng.choice(PLACES.cities)})" if rng.random() < 0.3 else name,
            # A typo in a short name often gives the name of another venue.
            add_typos(rng, name) if len(name) > 8 else name,
        ]
        yield sample_forms(rng, forms, (1, 1, 1, 2))
