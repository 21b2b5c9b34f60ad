"""Names of hotels, and titles of holiday lets."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import capitalize_first, join_words
from .entity_vocabulary import LODGING
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(LODGING.spellings)


class Hotel(NamedTuple):
    """A hotel: one of a line, with a qualifier that tells it apart in its city, or one of its own in all forms of its name."""

    forms: tuple[str, ...]
    city: str
    qualifier: str = ""
    group: str = ""
    stars: str = ""
    name_identifies: bool = False
    without_qualifier: bool = False


class HolidayLet(NamedTuple):
    """A room or house to let, each of its parts in all ways to write it."""

    adjective: str
    bedrooms: int
    home: tuple[str, ...]
    features: tuple[tuple[str, ...], ...]
    setting: tuple[str, ...]
    city: str


def hotels(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n hotels: several lines in one city, several hotels of one line and city, and hotels of one name."""
    return Layout(rng, most=rng.choice((3, 6))).write(_draw_hotels(rng, n), _write_hotel)


def holiday_lets(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n holiday lets in few cities; many have the same features as others but one."""
    return Layout(rng, most=rng.choice((2, 3))).write(_draw_lets(rng, n), _write_let)


def _draw_hotels(rng: Random, n: int) -> list[Hotel]:
    cities = rng.sample(LODGING.cities, min(len(LODGING.cities), 3 + n // 10))
    found: dict[tuple[str, str, str], Hotel] = {}
    while len(found) < n:
        city = rng.choice(cities)
        hotel = _draw_own(rng, city) if rng.random() < 0.45 else _draw_of_line(rng, city)
        found[hotel.forms[0], hotel.city, hotel.qualifier] = hotel
    chosen = list(found.values())
    full = [join_words(hotel.forms[0], hotel.city, hotel.qualifier) for hotel in chosen]
    by_name = identify(full, [hotel.forms[0] for hotel in chosen])
    by_city = identify(full, [join_words(hotel.forms[0], hotel.city) for hotel in chosen])
    return [
        hotel._replace(name_identifies=name, without_qualifier=city)
        for hotel, name, city in zip(chosen, by_name, by_city, strict=True)
    ]


def _draw_own(rng: Random, city: str) -> Hotel:
    name = rng.choice(LODGING.names)
    if rng.random() < 0.3:
        name = f"{name} {rng.choice(('Palace', 'Garden', 'Park', 'House', 'Mansion', 'Towers', 'Bay', 'Plaza', 'Superior'))}"
    forms = tuple(form.format(n=name, c=city) for form in rng.choice(LODGING.styles))
    return Hotel(forms, city, stars=rng.choice(LODGING.stars) if rng.random() < 0.3 else "")


def _draw_of_line(rng: Random, city: str) -> Hotel:
    line, group = rng.choice(LODGING.lines)
    return Hotel((line,), city, rng.choice(LODGING.qualifiers) if rng.random() < 0.65 else "", group if group != line else "")


def _write_hotel(source: Source, hotel: Hotel) -> str:
    if len(hotel.forms) == 1:
        return _SPELLINGS.apply(source, _write_of_line(source, hotel), "abbreviates", 0.25)
    name = source.pick(f"form {len(hotel.forms)}", hotel.forms)
    is_bare = not name.startswith(("Hotel", "Grand", "Boutique")) and len(name.split()) < 2
    if hotel.city not in name and (is_bare or not hotel.name_identifies or source.does("names the city", 0.25)):
        name += source.pick("city", (" {}", ", {}", " ({})", " - {}")).format(hotel.city)
    if hotel.stars and source.does("names the stars", 0.3):
        name += f" {hotel.stars}"
    return _SPELLINGS.apply(source, name, "abbreviates", 0.15)


def _write_of_line(source: Source, hotel: Hotel) -> str:
    """The line, the city and the qualifier, in one of their orders, and at times the group behind or in front."""
    qualifier = hotel.qualifier
    if hotel.without_qualifier and source.does("drops qualifiers", 0.15):
        qualifier = ""
    if qualifier:
        forms = ("{l} {c} {q}", "{l} {c}-{q}", "{l} {c} - {q}", "{l} {q} {c}", "{l} {c}/{q}", "{l}, {c} ({q})", "{c} {q} {l}")
    else:
        forms = ("{l} {c}", "{l} {c}", "{l}, {c}", "{l} - {c}", "{l} {c}", "{l} ({c})", "{c} {l}")
    name = source.pick("order", forms).format(l=hotel.forms[0], c=hotel.city, q=qualifier)
    if hotel.group and not name.startswith(hotel.group) and source.does("names the group", 0.3):
        form = source.pick("group", ("{n} by {g}", "{n} by {g}", "{n} ({g})", "{g} {n}", "{n} - {g}", "{n}, by {g}"))
        name = form.format(n=name, g=hotel.group)
    return f"Hotel {name}" if "Hotel" not in name and source.does("adds what it is", 0.05) else name


def _draw_lets(rng: Random, n: int) -> list[HolidayLet]:
    cities = rng.sample(LODGING.cities, rng.choice((1, 3, 8)))
    found: list[HolidayLet] = []
    for _ in range(n):
        let = HolidayLet(
            rng.choice(LODGING.adjectives),
            rng.choice((1, 1, 2, 2, 3, 4)),
            tuple(rng.choice(LODGING.homes)),
            tuple(tuple(forms) for forms in rng.sample(LODGING.features, rng.choice((1, 2, 2, 3)))),
            tuple(rng.choice(LODGING.settings)),
            rng.choice(cities),
        )
        found.append(_draw_neighbour(rng, rng.choice(found), let) if found and rng.random() < 0.3 else let)
    distinct = {(let.bedrooms, let.home, let.city, let.setting, frozenset(let.features)): let for let in found}
    return list(distinct.values())


def _draw_neighbour(rng: Random, let: HolidayLet, other: HolidayLet) -> HolidayLet:
    """The let with one thing different, as several lets of one owner are."""
    return rng.choice(
        (
            let._replace(bedrooms=let.bedrooms + 1),
            let._replace(features=other.features),
            let._replace(setting=other.setting, city=other.city),
            let._replace(home=other.home),
        )
    )


def _write_let(source: Source, let: HolidayLet) -> str:
    """All that tells lets apart, in other words and in another order; the adjective and the city may be missing."""
    adjective = "" if source.does("drops adjectives", 0.3) else let.adjective
    features = [source.pick(forms[0], forms) for forms in let.features]
    if source.does("reverses features", 0.4):
        features.reverse()
    # A studio or a room has no bedrooms, so guests are counted.
    has_bedrooms = let.home[0] not in ("studio", "room")
    counts = (
        ("{} bedroom", "{}-bedroom", "{} BR", "{}BR", "{} bed", "{}BD")
        if has_bedrooms
        else ("sleeps {}", "for {}", "{} guests")
    )
    bedrooms = source.pick(f"count {has_bedrooms}", counts).format(let.bedrooms)
    home, setting = source.pick(let.home[0], let.home), source.pick(let.setting[0], let.setting)
    where = let.city if source.does("names the city", 0.6) else ""
    form = source.pick(
        "order",
        (
            "{a} {b} {h} with {f} {s}, {c}" if has_bedrooms else "{a} {h} {b} with {f} {s}, {c}",
            "{a} {b} {h} {s} - {f} - {c}" if has_bedrooms else "{a} {h} {s} - {b} - {f} - {c}",
            "{c}: {a} {h} {s}, {b}, {f}",
            "{h} {s}, {b}, {f} {c}",
            "{a} {h} {c} | {b} | {f} | {s}",
        ),
    )
    joined = source.pick("list", (", ", " & ", " and ", " + ")).join(features)
    text = " ".join(form.format(a=adjective, b=bedrooms, h=home, f=joined, s=setting, c=where).split())
    return capitalize_first(text.strip(" ,:-|"))
