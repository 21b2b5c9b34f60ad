"""Names of restaurants, cafes, bars and the dining rooms of hotels."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .entity_vocabulary import ADDRESSES, DINING, SITES
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(DINING.spellings)
_CORES = {
    "{owner}'s": 20,
    "{owner} & {other_owner}'s": 3,
    "{owner}": 3,
    "{first} {last}'s": 3,
    "{romance}": 18,
    "{word}": 14,
    "{noun} & {other_noun}": 6,
    "Cafe {word}": 4,
    "Cafe {owner}": 2,
    "{area} {noun}": 3,
    "{word} {cuisine}": 3,
    "House of {noun}": 2,
    "{adjective} {noun}": 20,
    "{noun}": 2,
    "{noun} on {street}": 2,
    "{word} by the {noun}": 1,
    "Hotel {word}": 2,
    "{word} {number}": 2,
    "{number} {street}": 1,
}
"""Templates of names with their frequencies."""


class Venue(NamedTuple):
    """A venue; `article`, `core` and `type` make up its name, each but the core may be empty.

    `descriptor` is what a source may add to a name. `place` is an area or a city. An outlet is a venue called after its hotel.
    Whether the core or the name identify the venue in its table is found out when all of the table are drawn.
    """

    article: str
    core: str
    type: str = ""
    descriptor: str = ""
    place: str = ""
    hotel: str = ""
    is_outlet: bool = False
    core_identifies: bool = False
    name_identifies: bool = False


def dining(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n venues: chains and hotels with several of them, generic names, and names that share words."""
    return Layout(rng, most=3).write(draw_venues(rng, n), write_name)


def draw_venues(rng: Random, n: int) -> list[Venue]:
    """Some n venues, of which chains, outlets of one hotel and names with a word of another one are hard to tell apart."""
    pool = _Pool(rng, n)
    found: list[Venue] = []
    while len(found) < n:
        kind = rng.random()
        if kind < 0.06:
            found += _draw_chain(rng, pool)
        elif kind < 0.1:
            found += _draw_outlets(rng)
        elif kind < 0.14:
            found.append(_draw_generic(rng))
        elif kind < 0.3 and found:
            found.append(_draw_namesake(rng, pool, rng.choice(found)))
        else:
            found.append(pool.draw())
    return _identified(list(dict.fromkeys(found[:n])))


def _identified(venues: list[Venue]) -> list[Venue]:
    """The venues with whether shorter names identify them."""
    full = [join_words(venue.core, venue.type, venue.place, venue.hotel) for venue in venues]
    by_core = identify(full, [venue.core for venue in venues])
    by_name = identify(full, [join_words(venue.core, venue.type) for venue in venues])
    return [
        venue._replace(core_identifies=core, name_identifies=name)
        for venue, core, name in zip(venues, by_core, by_name, strict=True)
    ]


class _Pool:
    """Words of the names of one table, fewer in a small one; so names share words in small tables too."""

    def __init__(self, rng: Random, n: int) -> None:
        self._rng = rng
        self._adjectives = rng.sample(DINING.adjectives, min(len(DINING.adjectives), 5 + n // 8))
        self._nouns = rng.sample(DINING.nouns, min(len(DINING.nouns), 10 + n // 4))
        self._types = rng.sample(DINING.types, rng.randint(8, len(DINING.types)))

    def draw(self) -> Venue:
        """A venue on its own."""
        rng = self._rng
        core = self._draw_core()
        is_english = core not in DINING.romance
        return Venue(
            "The" if is_english and rng.random() < 0.15 else "",
            core,
            self.draw_type(core) if rng.random() < (0.5 if is_english else 0.12) else "",
            rng.choice(DINING.descriptors),
            rng.choice(DINING.areas),
            rng.choice(DINING.hotels) if rng.random() < 0.1 else "",
        )

    def draw_type(self, core: str) -> str:
        """A type of venue that does not stand in the core, some with a cuisine."""
        kind = self._rng.choice([kind for kind in self._types if kind.split()[0] not in core] or ["Place"])
        has_cuisine = self._rng.random() < 0.15 and core.split()[-1] not in DINING.cuisines
        return f"{self._rng.choice(DINING.cuisines)} {kind}" if has_cuisine else kind

    def _draw_core(self) -> str:
        rng = self._rng
        adjective, (noun, other_noun) = rng.choice(self._adjectives), rng.sample(self._nouns, 2)
        owner, other_owner = rng.sample(DINING.owners, 2)
        return rng.choices(list(_CORES), list(_CORES.values()))[0].format(
            owner=owner,
            other_owner=other_owner,
            noun=noun,
            other_noun=other_noun,
            adjective=adjective,
            romance=rng.choice(DINING.romance),
            word=rng.choice(DINING.single_words),
            area=rng.choice(DINING.areas),
            cuisine=rng.choice(DINING.cuisines),
            street=rng.choice(ADDRESSES.streets),
            first=rng.choice(SITES.first_names),
            last=rng.choice(SITES.last_names),
            number=rng.randint(2, 199),
        )


def _draw_generic(rng: Random) -> Venue:
    """A venue called by its type alone."""
    if rng.random() < 0.4:
        return Venue("", f"{rng.choice(DINING.cuisines)} {rng.choice(('Kitchen', 'Garden', 'House', 'Grill', 'Cafe'))}")
    head = rng.choice(DINING.heads)
    core = head.removeprefix("The ")
    return Venue("The" if core != head else "", core, place=rng.choice(DINING.areas))


def _draw_chain(rng: Random, pool: _Pool) -> list[Venue]:
    """Branches, in different places, of one venue."""
    venue = pool.draw()._replace(hotel="")
    return [venue._replace(place=place) for place in rng.sample(DINING.areas, rng.choice((2, 2, 3, 5)))]


def _draw_outlets(rng: Random) -> list[Venue]:
    """Dining rooms of one hotel."""
    hotel = rng.choice(DINING.hotels)
    return [Venue("", outlet, hotel=hotel, is_outlet=True) for outlet in rng.sample(DINING.outlets, rng.choice((2, 2, 3)))]


def _draw_namesake(rng: Random, pool: _Pool, venue: Venue) -> Venue:
    """Another venue with a part of the name of this one."""
    if venue.is_outlet:
        return venue._replace(core=rng.choice(DINING.outlets))
    head = venue.core.removeprefix("Cafe ").split(" & ")[0]
    return rng.choice(
        (
            venue._replace(type=pool.draw_type(venue.core), place=rng.choice(DINING.areas)),
            venue._replace(core=f"{head} {rng.choice(DINING.nouns)}", type="", place=rng.choice(DINING.areas)),
            venue._replace(core=f"{rng.choice(DINING.adjectives)} {head}", type="", place=rng.choice(DINING.areas)),
            Venue(
                "",
                f"{rng.choice(DINING.owners)}'s",
                venue.type or pool.draw_type(venue.core),
                "Restaurant",
                rng.choice(DINING.areas),
            ),
        )
    )


def write_name(source: Source, venue: Venue, with_place: bool = True) -> str:
    """The name as the source writes it; the place follows where the name alone does not identify the venue.

    Args:
        source: The source.
        venue: The venue.
        with_place: Whether the place may follow; without it, something else must identify the venue.

    Returns:
        The name.

    """
    if venue.is_outlet:
        return _SPELLINGS.apply(source, _name_outlet(source, venue), "respells")
    name = _place_article(source, venue, _SPELLINGS.apply(source, _possessive(source, _name(source, venue)), "respells"))
    if venue.hotel and source.does("names the hotel", 0.4):
        name += source.pick("hotel", (" at the {}", " in the {}", " ({})", ", {}", " - {}")).format(venue.hotel)
    if with_place and venue.place and (not venue.name_identifies or source.does("names the place", 0.25)):
        forms = (" ({})", " - {}", " {}", ", {}", " at {}", " of {}")
        # A place behind an article at the end stands apart.
        name += source.pick("place", forms[:2] if name.endswith((" The", ")")) else forms).format(venue.place)
    return name


def _name(source: Source, venue: Venue) -> str:
    """The core with its type, without it, or with a descriptor in its place."""
    first, _, last = venue.core.partition(" ")
    if first in SITES.first_names and last.endswith("'s") and venue.core_identifies and source.does("drops first names", 0.4):
        return join_words(last, venue.type)
    if venue.core.startswith("Hotel ") and source.does("hotel behind", 0.4):
        return join_words(venue.core.removeprefix("Hotel "), "Hotel", venue.type)
    if venue.type:
        return venue.core if venue.core_identifies and source.does("drops the type", 0.35) else f"{venue.core} {venue.type}"
    if not venue.descriptor or not venue.core_identifies or not source.does("adds a descriptor", 0.3):
        return venue.core
    if venue.descriptor in ("Restaurant", "Ristorante", "Trattoria", "Bistro", "Cafe") and source.does("descriptor first", 0.1):
        return f"{venue.descriptor} {venue.core}"
    return f"{venue.core} {venue.descriptor}"


def _possessive(source: Source, name: str) -> str:
    return name.replace("'s", source.pick("possessive", ("'s", "'s", "'s", "s", "")))


def _place_article(source: Source, venue: Venue, name: str) -> str:
    """The name with its article in front, behind or missing; some sources add one."""
    form = source.pick("article", ("{a} {n}", "{a} {n}", "{n}, {a}", "{n}"))
    if venue.article:
        return form.format(a=venue.article, n=name).strip()
    first, _, rest = name.partition(" ")
    if first in ("Le", "La", "Il", "El", "Les", "Los", "Las") and not form.startswith("{a}") and "{a}" in form:
        return form.format(a=first, n=rest)
    adds = venue.core not in DINING.romance and not venue.core.startswith("Cafe") and source.does("adds an article", 0.06)
    return f"The {name}" if adds else name


def _name_outlet(source: Source, venue: Venue) -> str:
    hotel = venue.hotel
    if source.does("shortens hotels", 0.2):
        hotel = hotel.removeprefix("Hotel ").removesuffix(" Hotel")
    return source.pick("outlet", ("{h} {o}", "{o} at the {h}", "{h} - {o}", "{o} ({h})", "{h} ({o})", "{o}, {h}")).format(
        h=hotel, o=venue.core
    )
