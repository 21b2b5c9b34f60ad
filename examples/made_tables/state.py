"""Names of the organisations of a state: ministries, agencies, offices of officers, and parts of them."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import acronym, join_words
from .entity_vocabulary import UNITS
from .habits import Layout, Source, Spellings, identify, words

_SPELLINGS = Spellings(UNITS.spellings)
_INVERTED = ("Department of ", "Ministry of ", "Office of the ", "Office of ", "Bureau of ", "Institute of ", "Commission on ")


class Unit(NamedTuple):
    """An organisation of a jurisdiction; `topics` are what its names of English and French are about, in each of them.

    An office has an officer and no topics. `part` is a branch of the organisation, if it is one.
    Whether the topics, the initials and the name without the jurisdiction identify it is found out when all are drawn.
    """

    jurisdiction: str
    template: tuple[str, str]
    topics: tuple[tuple[str, str], ...] = ()
    officer: str = ""
    part: str = ""
    topics_identify: bool = False
    initials_identify: bool = False
    name_identifies: bool = False

    @property
    def topic(self) -> str:
        """The topics as a list in English, or the officer."""
        return self.officer or _listed([english for english, _ in self.topics], "and")

    @property
    def name(self) -> str:
        """The name in English, without the jurisdiction and the part."""
        return self.template[0].format(x=self.topic)


def state_organisations(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n organisations of one country, or of several provinces or countries, and parts of some.

    The groups of some tables have up to twenty texts.
    """
    layout = Layout(rng, most=rng.choice((3, 6, 20)))
    return layout.write(_draw_units(rng, n), _write)


def _draw_units(rng: Random, n: int) -> list[Unit]:
    count = rng.choice((1, 1, 2, 5, 10))
    jurisdictions = rng.sample(UNITS.countries if rng.random() < 0.4 else UNITS.provinces, count)
    found: list[Unit] = []
    taken: set[tuple[str, ...]] = set()
    while len(found) < n:
        is_sibling = found and rng.random() < 0.45
        unit = (
            _draw_sibling(rng, rng.choice(found), jurisdictions) if is_sibling else _draw_unit(rng, rng.choice(jurisdictions))
        )
        key = (unit.jurisdiction, unit.part, *sorted(words(unit.name)))
        if key not in taken:
            found.append(unit)
            taken.add(key)
    full = [join_words(unit.jurisdiction, unit.name, unit.part) for unit in found]
    by_topics = identify(full, [join_words(unit.topic, unit.part) for unit in found])
    by_name = identify(full, [join_words(unit.name, unit.part) for unit in found])
    initials = [acronym(unit.name) for unit in found]
    return [
        unit._replace(
            topics_identify=topics and len(words(unit.topic)) > 1,
            initials_identify=len(letters) > 2 and initials.count(letters) == 1 and not unit.part,
            name_identifies=name,
        )
        for unit, topics, name, letters in zip(found, by_topics, by_name, initials, strict=True)
    ]


def _draw_unit(rng: Random, jurisdiction: str) -> Unit:
    kind = rng.random()
    if kind < 0.12:
        return Unit(jurisdiction, ("Office of the {x}", "Office of the {x}"), officer=rng.choice(UNITS.officers))
    english, french = rng.choice(UNITS.ministries if kind < 0.5 else UNITS.agencies)
    most = (1, 1, 2, 2, 2, 3) if kind < 0.5 else (1, 1, 1, 1, 2)
    topics = tuple((english, french) for english, french in rng.sample(UNITS.topics, rng.choice(most)))
    return Unit(jurisdiction, (english, french), topics)


def _draw_sibling(rng: Random, unit: Unit, jurisdictions: list[str]) -> Unit:
    """A part of the organisation, or another one with another kind of unit, a topic more or in another jurisdiction."""
    kind = rng.random()
    if unit.part or kind < 0.35:
        return unit._replace(part=rng.choice(UNITS.parts))
    other = _draw_unit(rng, unit.jurisdiction)
    if unit.officer or kind < 0.55:
        return unit._replace(jurisdiction=rng.choice(jurisdictions))
    if kind < 0.8 or not other.topics:
        template = rng.choice(UNITS.agencies)
        return unit._replace(template=(template[0], template[1]))
    return unit._replace(topics=tuple(dict.fromkeys((*unit.topics, other.topics[0]))))


def _write(source: Source, unit: Unit) -> str:
    if unit.initials_identify and source.does("initials alone", 0.06):
        return acronym(unit.name)
    name = _french(unit) if unit.topics and source.does("is French", 0.05) else _english(source, unit)
    name = _add_jurisdiction(source, unit, name)
    if unit.part:
        form = source.pick("part", ("{n} - {p}", "{n}, {p}", "{n}. {p}", "{n} ({p})", "{p}, {n}", "{n} / {p}", "{n} {p}"))
        name = form.format(n=name, p=_SPELLINGS.apply(source, unit.part, "abbreviates"))
    elif unit.initials_identify and source.does("adds initials", 0.15):
        name += source.pick("initials", (" ({})", " - {}", ", {}")).format(acronym(unit.name))
    return name


def _english(source: Source, unit: Unit) -> str:
    name = unit.name
    has_only_topics = unit.topics_identify and source.does("topics alone", 0.12 if unit.topics else 0.3)
    if has_only_topics:
        name = unit.topic
    elif name.startswith(_INVERTED) and source.does("inverts", 0.15):
        head = next(head for head in _INVERTED if name.startswith(head))
        name = source.pick("inverted", ("{x}, {h}", "{x}, {h}", "{x} ({h})", "{x} - {h}")).format(x=unit.topic, h=head.strip())
    elif (
        unit.topics_identify and name.startswith(("Department of", "Ministry of")) and source.does("confuses ministries", 0.07)
    ):
        name = name.replace(*_other_ministry(name))
    elif name.startswith("Department of ") and len(unit.topics) == 1 and source.does("department behind", 0.12):
        name = f"{unit.topic} Department"
    if source.does("drops the last and", 0.05):
        name = name.replace(" and ", ", ")
    name = _SPELLINGS.apply(source, name, "abbreviates")
    return f"The {name}" if not has_only_topics and source.does("adds an article", 0.06) else name


def _other_ministry(name: str) -> tuple[str, str]:
    """The kind of ministry that the name has, and the other one."""
    return ("Department", "Ministry") if name.startswith("Department") else ("Ministry", "Department")


def _french(unit: Unit) -> str:
    return unit.template[1].format(x=_listed([french for _, french in unit.topics], "et"))


def _add_jurisdiction(source: Source, unit: Unit, name: str) -> str:
    if unit.name_identifies and not source.does("names the jurisdiction", 0.3):
        return name
    forms = (
        "{j} {n}",
        "{n}, {j}",
        "{n} ({j})",
        "{j}. {n}",
        "{j} - {n}",
        "{n} of {j}",
        "Government of {j}, {n}",
        "{j}, {n}",
        "{n} {j}",
    )
    form = source.pick("jurisdiction", forms)
    if form == "{n} of {j}" and name.endswith(("of", "of)", "on", "the")):
        form = "{n}, {j}"
    return form.format(n=name.removeprefix("The "), j=unit.jurisdiction)


def _listed(topics: list[str], conjunction: str) -> str:
    *others, last = topics
    return f"{', '.join(others)} {conjunction} {last}" if others else last
