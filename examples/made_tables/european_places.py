"""Shops, practices, schools and inns in German, French and Spanish, with or without their addresses."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .entity_vocabulary import PLACE_LANGUAGES, PlaceLanguage
from .habits import Layout, Source, identify


class Shop(NamedTuple):
    """A shop or the like in all forms of its name and of its street; whether the name identifies it is found out later."""

    forms: tuple[str, ...]
    street: tuple[str, ...]
    number: str
    city: str
    postcode: str
    name_identifies: bool = False


def european_places(rng: Random, n: int, code: str) -> Iterator[list[str]]:
    """Names of n shops in the language of this code, in two of three tables with addresses; many have a name in common.

    Args:
        rng: The generator of the table.
        n: How many shops.
        code: A key of `PLACE_LANGUAGES`.

    Returns:
        Groups of texts.

    """
    language = PLACE_LANGUAGES[code]
    has_addresses = rng.random() < 0.67
    separator = rng.choice((", ", " - ", " ", "; "))

    def write(source: Source, shop: Shop) -> str:
        name = source.pick(f"form {len(shop.forms)}", shop.forms)
        if has_addresses:
            return name + separator + _write_address(source, shop, language)
        if not shop.name_identifies or source.does("names the city", 0.3):
            name += source.pick("city", (" {}", ", {}", " ({})", " - {}")).format(shop.city)
        return name

    return Layout(rng, most=3).write(_draw_shops(rng, n, language, has_addresses), write)


def _write_address(source: Source, shop: Shop, language: PlaceLanguage) -> str:
    street = source.pick(f"street {len(shop.street)}", shop.street).format(n=shop.number)
    return source.pick("around", language.around).format(s=street, p=shop.postcode, c=shop.city)


def _draw_shops(rng: Random, n: int, language: PlaceLanguage, has_addresses: bool) -> list[Shop]:
    """Shops, of which no two of one name are in one city, nor at one address, where these would be the same."""
    cities = rng.sample(
        language.cities, rng.choice((1, 4, len(language.cities)) if has_addresses else (8, len(language.cities)))
    )
    found: dict[tuple[str, ...], Shop] = {}
    for _ in range(20 * n):
        shop = _draw_shop(rng, language, rng.choice(cities))
        if found and rng.random() < 0.35:
            shop = _draw_similar(rng, shop, rng.choice(list(found.values())))
        place = (shop.street[0], shop.number) if has_addresses else ()
        found.setdefault((shop.forms[0], shop.city, *place), shop)
        if len(found) == n:
            break
    chosen = list(found.values())
    by_name = identify([f"{shop.forms[0]} {shop.city}" for shop in chosen], [shop.forms[0] for shop in chosen])
    return [shop._replace(name_identifies=found) for shop, found in zip(chosen, by_name, strict=True)]


def _draw_shop(rng: Random, language: PlaceLanguage, city: str) -> Shop:
    named = {"l": rng.choice(language.last), "f": rng.choice(language.first), "x": rng.choice(language.words)}
    elsewhere = rng.choice(language.cities)
    on_street = {"l": rng.choice(language.last), "f": rng.choice(language.first), "x": rng.choice(language.words), "n": "{n}"}
    return Shop(
        tuple(form.format(**named) for form in rng.choice(language.names)),
        tuple(form.format(c=elsewhere, **on_street) for form in rng.choice(language.streets)),
        rng.choice(language.numbers).format(n=rng.randint(1, rng.choice((20, 60, 250)))),
        city,
        f"{rng.randint(10, 98)}{rng.randint(0, 999):03}",
    )


def _draw_similar(rng: Random, shop: Shop, other: Shop) -> Shop:
    """The shop with the name of the other one elsewhere, on its street, or at its address."""
    kind = rng.random()
    if kind < 0.4:
        return shop._replace(forms=other.forms)
    near = shop._replace(street=other.street, city=other.city, postcode=other.postcode)
    # Names of one form, such as two bakeries, could be one shop at one address.
    is_other_trade = len({shop.forms[0].split()[0], other.forms[0].split()[0]}) == 2
    return near._replace(number=other.number) if kind < 0.65 and is_other_trade else near
