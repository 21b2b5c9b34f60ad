"""Restaurants, cafes, bars and the dining rooms of hotels, each with its address."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .dining import Venue, draw_venues, write_name
from .entity_vocabulary import DINING
from .habits import Layout, Source
from .street_addresses import StreetAddress, draw_address, next_door, write_address


class LocatedVenue(NamedTuple):
    """A venue, where it is, and the city."""

    venue: Venue
    address: StreetAddress
    city: str


def dining_with_addresses(rng: Random, n: int) -> Iterator[list[str]]:
    """Names and addresses of n venues, some at the address of another one or near it, and chains all over the place."""
    layout = Layout(rng, most=3)
    separator = rng.choice((" ", ", ", " - ", "; "))
    cities = rng.sample(DINING.areas, rng.choice((1, 5, 10)))

    def write(source: Source, located: LocatedVenue) -> str:
        name = write_name(source, located.venue, with_place=source.does("place beside the address", 0.1))
        text = name + separator + write_address(source, located.address)
        if len(cities) > 1 and source.does("names the city", 0.6):
            text += source.pick("city", (" {}", ", {}")).format(located.city)
        return text

    return layout.write(_locate(rng, draw_venues(rng, n), cities), write)


def _locate(rng: Random, venues: list[Venue], cities: list[str]) -> list[LocatedVenue]:
    """The venues at addresses; outlets of a hotel, and one venue in ten or so, share the address of another venue."""
    found: list[LocatedVenue] = []
    of_hotel: dict[str, LocatedVenue] = {}
    for venue in venues:
        place = LocatedVenue(venue, draw_address(rng), rng.choice(cities))
        if venue.is_outlet:
            place = of_hotel.setdefault(venue.hotel, place)
        elif found and rng.random() < 0.2:
            place = _near(rng, venue, rng.choice(found[-20:]), place)
        found.append(place._replace(venue=venue))
    return found


def _near(rng: Random, venue: Venue, other: LocatedVenue, elsewhere: LocatedVenue) -> LocatedVenue:
    """At the address of the other venue or on its street; those of one name, which could be one venue, elsewhere."""
    if venue.core == other.venue.core:
        return elsewhere
    address = other.address if rng.random() < 0.5 else next_door(rng, other.address)
    return other._replace(address=address)
