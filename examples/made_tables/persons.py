"""Names of people of many languages, of whom relatives and namesakes are hard to tell apart."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .entity_vocabulary import ORIGINS, PERSONS, Origin
from .habits import Layout, Source, Spellings

_SPELLINGS = Spellings(PERSONS.spellings)


class Person(NamedTuple):
    """A person; each but the first and the last name may be empty. A maiden name may stand beside the last name.

    Whether the first and last name, or the initial and the last name, identify the person is found out when all are drawn.
    """

    first: str
    middle: str
    last: str
    second_last: str = ""
    maiden: str = ""
    generation: tuple[str, ...] = ()
    title: str = ""
    degree: str = ""
    name_identifies: bool = False
    initial_identifies: bool = False

    @property
    def mark(self) -> str:
        """What tells the person apart from one with the same first and last name, if anything does."""
        return self.generation[0] if self.generation else self.middle[:1]


def persons(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n people, about a third of them relatives or namesakes of others."""
    layout = Layout(rng, most=rng.choice((3, 5)))
    return layout.write(draw_persons(rng, n), write_person)


def draw_persons(rng: Random, n: int) -> list[Person]:
    """Some n people, about a third of them relatives or namesakes of others."""
    usual = rng.choice(ORIGINS)
    found: list[Person] = []
    marks: dict[tuple[str, str], list[str]] = {}
    while len(found) < n:
        if found and rng.random() < 0.3:
            drawn = _draw_relatives(rng, rng.choice(found))
        else:
            kind = rng.random()
            drawn = [_draw_person(rng, usual if kind < 0.3 else ORIGINS[0] if kind < 0.6 else rng.choice(ORIGINS))]
        for person in drawn:
            others = marks.setdefault((person.first, person.last), [])
            if not others or ("" not in (*others, person.mark) and person.mark not in others):
                others.append(person.mark)
                found.append(person)
    found = found[:n]
    # A nickname, another spelling and a maiden name have the initial of the name in most cases, or a last name of their own.
    of_name = Counter((person.first, person.last) for person in found)
    of_initial = Counter((person.first[0], person.last) for person in found)
    return [
        person._replace(
            name_identifies=of_name[person.first, person.last] == 1,
            initial_identifies=of_initial[person.first[0], person.last] == 1 and len(person.last) > 4,
        )
        for person in found
    ]


def _draw_person(rng: Random, origin: Origin) -> Person:
    # Names of men and women alternate in most lists.
    first, middle = rng.sample(origin.first[rng.randrange(2) :: 2], 2)
    last, other_last = rng.sample(origin.last, 2)
    is_married = rng.random() < 0.05
    return Person(
        first,
        middle.split("-")[0].split()[0] if rng.random() < 0.55 else "",
        last,
        other_last if origin.has_second and rng.random() < 0.7 else "",
        other_last if is_married and not origin.has_second else "",
        (),
        rng.choice(PERSONS.titles) if rng.random() < 0.25 else "",
        rng.choice(PERSONS.degrees) if rng.random() < 0.1 else "",
    )


def _draw_relatives(rng: Random, person: Person) -> list[Person]:
    """A relative with another first name, one with another middle initial, or a parent and a child of one name."""
    kind = rng.random()
    other = _draw_person(rng, next(origin for origin in ORIGINS if person.last in origin.last))
    alone = person._replace(title="", degree="", maiden="")
    if kind < 0.5:
        return [alone._replace(first=other.first, middle=other.middle, generation=())]
    if kind < 0.85:
        middle = rng.choice([letter for letter in "ABCDEHJKLMRSTW" if letter != person.middle[:1]])
        return [alone._replace(middle=middle)] if person.middle and not person.generation else []
    generations = rng.sample(PERSONS.generations, 2)
    return [other._replace(title="", degree="", maiden="", generation=tuple(forms)) for forms in generations]


def write_person(source: Source, person: Person) -> str:
    """The name as the source writes it."""
    first = _first_names(source, person)
    last = _last_name(source, person)
    generation = source.pick("generation", person.generation) if person.generation else ""
    order = source.pick("order", ("{f} {l}", "{f} {l}", "{f} {l}", "{l}, {f}", "{l}, {f}", "{l} {f}"))
    if order.startswith("{l}") and source.does("last names in capitals", 0.1):
        last = last.upper()
    if generation:
        form = source.pick("generation behind", ("{} {}", "{}, {}"))
        if order == "{f} {l}":
            last = form.format(last, generation)
        else:
            first = form.format(first, generation)
    name = order.format(f=first, l=last)
    if person.title and source.does("titles", 0.25):
        name = (
            f"{name}, {person.title}" if order == "{l}, {f}" and source.does("titles behind", 0.5) else f"{person.title} {name}"
        )
    return f"{name}, {person.degree}" if person.degree and source.does("degrees", 0.4) else name


def _first_names(source: Source, person: Person) -> str:
    """The first name in full, as a nickname or an initial, and the middle name in full, as an initial or dropped."""
    middle = person.middle
    if middle and person.name_identifies and source.does("drops middle names", 0.45):
        middle = ""
    elif middle and source.does("abbreviates middle names", 0.6):
        middle = source.pick("initial", ("{}.", "{}")).format(middle[0])
    if person.initial_identifies and source.does("initials", 0.12):
        initials = [name[0] for name in (person.first, middle) if name]
        return _dotted(source, initials)
    first = person.first
    if person.name_identifies and first in PERSONS.nicknames and source.does("nicknames", 0.2):
        first = source.pick(first, PERSONS.nicknames[first])
        if source.does("nicknames in quotes", 0.1):
            first = f'{person.first} "{first}"'
    elif person.name_identifies:
        first = _SPELLINGS.apply(source, first, "respells", 0.25)
    return join_words(first, middle)


def _dotted(source: Source, initials: list[str]) -> str:
    form = source.pick("initials", ("{}. ", "{}.", "{} ", "{}"))
    return "".join(form.format(initial) for initial in initials).strip()


def _last_name(source: Source, person: Person) -> str:
    last = _SPELLINGS.apply(source, person.last, "respells last names", 0.25) if person.name_identifies else person.last
    if person.second_last and not (person.name_identifies and source.does("drops second names", 0.4)):
        last += source.pick("second", (" ", " ", "-")) + person.second_last
    if person.maiden and person.name_identifies and source.does("maiden names", 0.5):
        forms = ("{l} (née {m})", "{l} (nee {m})", "{m} {l}", "{m}-{l}", "{l}-{m}", "{m}")
        return source.pick("maiden", forms).format(l=last, m=person.maiden)
    return last
