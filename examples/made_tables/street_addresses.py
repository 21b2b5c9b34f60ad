"""Street addresses as directories write them."""

from random import Random
from typing import NamedTuple

from .entity_vocabulary import ADDRESSES
from .habits import Source


class StreetAddress(NamedTuple):
    """An address; words that have several forms are lists of them, and may be missing.

    `quadrant` follows the street. A note says where on the street it is, `mall` which building it is in.
    """

    number: int
    direction: list[str]
    street: list[str]
    type: list[str]
    quadrant: list[str]
    unit: list[str]
    note: str
    mall: str


def draw_address(rng: Random) -> StreetAddress:
    """An address on a street with a name, on a numbered one, or at a highway."""
    kind = rng.random()
    is_highway = kind < 0.05
    if is_highway:
        highway = rng.randint(1, 420)
        street = [form.format(highway) for form in rng.choice(ADDRESSES.highways)]
    elif kind < 0.3:
        street = _draw_numbered(rng)
    else:
        street = [rng.choice(ADDRESSES.streets)]
    unit = rng.choice(ADDRESSES.units) if rng.random() < 0.1 else []
    unit_number = rng.choice((rng.randint(1, 9) * 100, rng.randint(1, 40)))
    floor = f"{rng.randint(4, 19)}th"
    return StreetAddress(
        number=rng.choice((rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 14999))),
        direction=rng.choice(ADDRESSES.directions) if rng.random() < 0.35 and not is_highway else [],
        street=street,
        type=[] if is_highway else rng.choice(ADDRESSES.types[:6]) if kind < 0.3 else rng.choice(ADDRESSES.types),
        quadrant=rng.choice((["NE", "N.E."], ["NW", "N.W."], ["SE", "S.E."], ["SW", "S.W."])) if rng.random() < 0.05 else [],
        unit=[form.format(floor if "Fl" in form else unit_number) for form in unit],
        note=_draw_note(rng),
        mall=rng.choice(ADDRESSES.malls) if rng.random() < 0.08 else "",
    )


def next_door(rng: Random, address: StreetAddress) -> StreetAddress:
    """An address on the same street."""
    return address._replace(number=address.number + rng.choice((2, 4, 10, 12, 100, 1000)), unit=[], note="", mall="")


def write_address(source: Source, address: StreetAddress, omits: bool = True) -> str:
    """The address as the source writes it: with or without notes, the direction in front, behind or missing, and so on.

    Args:
        source: The source.
        address: The address.
        omits: Whether a source may omit what could tell the address apart from a similar one.

    Returns:
        The street, with its number and so on.

    """
    number = str(address.number) if not (omits and source.does("omits numbers", 0.01)) else ""
    direction = _form(source, "direction", address.direction) if not (omits and source.does("omits directions", 0.1)) else ""
    street = _form(source, "ordinal", address.street)
    street_type = _form(source, "street type", address.type) if not (omits and source.does("omits street types", 0.12)) else ""
    parts = [number, direction, street, street_type]
    if direction and source.does("directions behind", 0.1):
        parts = [number, street, street_type, direction]
    if address.quadrant and not (omits and source.does("omits quadrants", 0.4)):
        parts.append(_form(source, "quadrant", address.quadrant))
    text = " ".join(filter(None, parts))
    if address.unit and not (omits and source.does("omits units", 0.5)):
        text += source.pick("unit", (" {}", ", {}")).format(_form(source, "unit form", address.unit))
    if address.mall and source.does("names buildings", 0.4):
        text = source.pick("building", ("{m}, {a}", "{a}, {m}", "{a} ({m})", "{m} {a}")).format(a=text, m=address.mall)
    elif address.note and source.does("adds notes", 0.45):
        text = source.pick("note", ("{a} {n}", "{a}, {n}", "{a} ({n})")).format(a=text, n=address.note)
    return text


def _form(source: Source, habit: str, forms: list[str]) -> str:
    return source.pick(habit, forms) if forms else ""


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _draw_numbered(rng: Random) -> list[str]:
    """An ordinal; low ones in words too."""
    return rng.choice(ADDRESSES.ordinals) if rng.random() < 0.5 else [_ordinal(rng.randint(13, 120))]


def _draw_note(rng: Random) -> str:
    """Where on its street an address is, in almost half of the addresses."""
    if rng.random() > 0.45:
        return ""
    first = rng.randint(1, 90)
    street = rng.choice(ADDRESSES.streets)
    return rng.choice(
        (
            f"near {street} St.",
            f"at {_ordinal(first)} St.",
            f"at {street}",
            f"corner of {street}",
            f"off {street} Rd.",
            f"{rng.choice(('north', 'south', 'east', 'west'))} of {street}",
        )
    )
