"""Postal addresses, and customers with their addresses, telephone numbers and e-mail addresses."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .entity_vocabulary import ADDRESSES, DINING
from .habits import Layout, Source, without_accents
from .persons import Person, draw_persons, write_person
from .street_addresses import StreetAddress, draw_address, next_door, write_address

_STATES = ("CA", "NY", "IL", "TX", "GA", "FL", "MA", "WA", "OR", "CO", "TN", "OH", "PA", "NJ", "AZ")
_PROVIDERS = ("mail.example", "post.example", "web.example", "inbox.example", "home.example")


class PostalAddress(NamedTuple):
    """A street address in a city; others of its house and street say whether its parts may be omitted."""

    street: StreetAddress
    city: str
    state: str
    postcode: int
    is_alone: bool = False


class Customer(NamedTuple):
    """A person, and where to reach the person; members of a household share the address and the telephone."""

    person: Person
    address: PostalAddress
    phone: str
    email: str


def postal_addresses(rng: Random, n: int) -> Iterator[list[str]]:
    """Some n postal addresses; many differ from another one in the house number, the unit, the direction or the street type."""
    return Layout(rng, most=rng.choice((2, 4))).write(_draw_postal_addresses(rng, n), _write_postal_address)


def customers(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n customers with addresses, telephone numbers or both; many live in one household."""
    layout = Layout(rng, most=3)
    has_address, has_phone, has_email = rng.choice(
        ((True, False, False), (True, True, False), (False, True, True), (True, True, True))
    )
    separator = rng.choice((", ", " ", "; ", " | "))

    def write(source: Source, customer: Customer) -> str:
        parts = [write_person(source, customer.person)]
        if has_address:
            parts.append(_write_postal_address(source, customer.address))
        if has_phone and not source.does("has no telephone", 0.2):
            parts.append(_write_phone(source, customer.phone))
        if has_email and not source.does("has no e-mail", 0.3):
            parts.append(customer.email)
        return separator.join(parts)

    return layout.write(_draw_customers(rng, n), write)


def _draw_postal_address(rng: Random, cities: list[tuple[str, str]]) -> PostalAddress:
    city, state = rng.choice(cities)
    street = draw_address(rng)._replace(note="", mall="")
    return PostalAddress(street, city, state, rng.randint(10000, 98999))


def _draw_cities(rng: Random) -> list[tuple[str, str]]:
    return [(city, rng.choice(_STATES)) for city in rng.sample(DINING.areas, rng.choice((1, 4, 30)))]


def _draw_postal_addresses(rng: Random, n: int) -> list[PostalAddress]:
    cities = _draw_cities(rng)
    found: dict[tuple[object, ...], PostalAddress] = {}
    while len(found) < n:
        address = _draw_postal_address(rng, cities)
        if found and rng.random() < 0.4:
            address = _draw_similar(rng, rng.choice(list(found.values())))
        street = address.street
        key = (
            street.number,
            *street.street[:1],
            *street.type[:1],
            *street.direction[:1],
            *street.unit[:1],
            *street.quadrant[:1],
        )
        found.setdefault((*key, address.city), address)
    houses = Counter((address.street.number, *address.street.street) for address in found.values())
    return [address._replace(is_alone=houses[address.street.number, *address.street.street] == 1) for address in found.values()]


def _draw_similar(rng: Random, address: PostalAddress) -> PostalAddress:
    """Another address on the street, another unit of the house, or one that differs in the direction or the street type."""
    street = address.street
    kind = rng.random()
    if kind < 0.4:
        return address._replace(street=next_door(rng, street))
    if kind < 0.65:
        form = rng.choice(("Apt. {0}|Apt {0}|#{0}", "Unit {0}|#{0}", "Suite {0}|Ste. {0}|Ste {0}"))
        unit = form.format(rng.choice((rng.randint(1, 40), rng.randint(101, 520), f"{rng.randint(1, 9)}{rng.choice('ABCD')}")))
        return address._replace(street=street._replace(unit=unit.split("|")))
    if kind < 0.85:
        return address._replace(street=street._replace(direction=rng.choice(ADDRESSES.directions)))
    return address._replace(street=street._replace(type=rng.choice(ADDRESSES.types) if street.type else []))


def _write_postal_address(source: Source, address: PostalAddress) -> str:
    text = write_address(source, address.street, omits=address.is_alone)
    if str(address.street.number) not in text:
        text = f"{address.street.number} {text}"
    text += source.pick("before the city", (", ", ", ", " ")) + address.city
    if source.does("names the state", 0.6):
        text += f", {address.state}"
    return f"{text} {address.postcode}" if source.does("has the postcode", 0.5) else text


def _draw_customers(rng: Random, n: int) -> list[Customer]:
    cities = _draw_cities(rng)
    of_family: dict[str, Customer] = {}
    found = []
    for person in draw_persons(rng, n):
        name = without_accents(f"{person.first}.{person.last}").casefold().replace(" ", "").replace("'", "")
        email = f"{rng.choice((name, name[0] + name.partition('.')[2]))}{rng.randint(1, 99)}@{rng.choice(_PROVIDERS)}"
        phone = f"{rng.randint(201, 989)}{rng.randint(200, 999)}{rng.randint(0, 9999):04}"
        customer = Customer(person, _draw_postal_address(rng, cities)._replace(is_alone=True), phone, email)
        family = of_family.setdefault(person.last, customer)
        if rng.random() < 0.6:
            customer = customer._replace(address=family.address, phone=family.phone)
        found.append(customer)
    return found


def _write_phone(source: Source, phone: str) -> str:
    forms = ("({}) {}-{}", "{}-{}-{}", "{}/{}-{}", "{}.{}.{}", "+1 {} {} {}", "{}{}{}", "1-{}-{}-{}", "{} {} {}")
    return source.pick("telephone", forms).format(phone[:3], phone[3:6], phone[6:])
