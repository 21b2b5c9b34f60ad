"""Job titles, courses, recipes and events with dates, beside another level, number, ingredient or date."""

import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from .edits import join_words
from .habits import Layout, Source

_LISTS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("listings.toml").read_text(encoding="utf-8"))
_JOBS, _COURSES, _RECIPES, _EVENTS = (_LISTS[name] for name in ("jobs", "courses", "recipes", "events"))
Forms = tuple[str, ...]
"""Ways to write the same."""


class Job(NamedTuple):
    """A job: its level, role, grade, field and place, any of which but the role may be empty."""

    level: Forms
    role: Forms
    grade: Forms
    field: str
    place: str
    note: str


def jobs(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n jobs, with those of another level, grade, field or place beside most of them."""
    with_place = rng.random() < 0.4
    found: dict[tuple[object, ...], Job] = {}
    while len(found) < n:
        first = _draw_job(rng, tuple(rng.choice(_JOBS["roles"])), with_place=with_place)
        siblings = [_draw_job(rng, first.role, with_place=with_place) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        for job in (first, *(_one_changed(rng, first, sibling) for sibling in siblings)):
            found.setdefault(job[:5], job)
    return Layout(rng).write(list(found.values())[:n], _job_title)


def _draw_job(rng: Random, role: Forms, *, with_place: bool) -> Job:
    return Job(
        level=tuple(rng.choice(_JOBS["levels"])),
        role=role,
        grade=tuple(rng.choice(_JOBS["grades"])),
        field=rng.choice(_JOBS["fields"]),
        place=rng.choice(_JOBS["places"]) if with_place else "",
        note=rng.choice(_JOBS["notes"]),
    )


def _one_changed(rng: Random, job: Job, other: Job) -> Job:
    """The job with its level, grade, field or place as in the other one."""
    name = rng.choice(("level", "level", "grade", "field", "place"))
    return job._replace(**{name: getattr(other, name)})


def _job_title(source: Source, job: Job) -> str:
    level, grade = source.pick("level", job.level), source.pick("grade", job.grade)
    role = source.pick("role", job.role) if source.does("short roles", 0.5) else job.role[0]
    core = source.pick(
        "order", (f"{level} {role} {grade}", f"{level} {role} {grade}", f"{role} {grade}, {level}", f"{role} {grade} - {level}")
    )
    if not level:
        core = f"{role} {grade}"
    if job.field:
        core += source.pick("field", (" - {x}", " ({x})", ", {x}", " {x}", " / {x}")).format(x=job.field)
    if job.place:
        core += source.pick("place", (", {x}", " - {x}", " in {x}", " ({x})", " | {x}")).format(x=job.place)
    return join_words(*core.replace(" ,", ",").split(), job.note if source.does("notes", 0.25) else "")


class Course(NamedTuple):
    """A course of a subject, with a level, and in some tables with a code and a term."""

    subject: Forms
    level: Forms
    code: str
    term: str


def courses(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n courses, most of which have another level, a laboratory or another term beside them."""
    coded, dated = rng.random() < 0.5, rng.random() < 0.3
    found: dict[tuple[object, ...], Course] = {}
    while len(found) < n:
        of_language = rng.random() < 0.2
        subject = tuple(rng.choice(_COURSES["languages" if of_language else "subjects"]))
        levels, department = _COURSES["language_levels" if of_language else "levels"], rng.choice(_COURSES["departments"])
        number = rng.choice((101, 110, 201, 210, 301, 305, 401))
        for step, level in enumerate(rng.sample(levels, rng.choice((1, 2, 3, 4)))):
            code = f"{department} {number + step}" if coded else ""
            term = rng.choice(_COURSES["terms"]) if dated else ""
            course = Course(subject, tuple(level), code, term)
            found.setdefault((course.subject, course.level, term), course)
    return Layout(rng).write(list(found.values())[:n], _course_title)


def _course_title(source: Source, course: Course) -> str:
    subject, level = source.pick("subject", course.subject), source.pick("level", course.level)
    name = f"{subject} {level}"
    if level in ("Introduction", "Intro"):
        name = source.pick("introduction", (f"{level} to {subject}", f"{subject}: {level}", f"{subject} - {level}"))
    elif level in ("Intermediate", "Advanced", "Adv."):
        name = source.pick("advanced", (f"{level} {subject}", f"{subject}, {level}", f"{subject} - {level}"))
    if course.code and source.does("codes", 0.7):
        code = source.pick("code", (course.code, course.code.replace(" ", ""), course.code.replace(" ", "-")))
        name = source.pick("place of the code", (f"{code} {name}", f"{code}: {name}", f"{name} ({code})", f"{code} - {name}"))
    return f"{name}{source.pick('term', (', {t}', ' ({t})', ' - {t}')).format(t=course.term)}" if course.term else name


class Recipe(NamedTuple):
    """A dish of one or two ingredients in a style, which may be empty."""

    dish: Forms
    first: Forms
    second: Forms
    style: Forms
    extra: str
    behind: str


def recipes(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n recipes, with another ingredient, dish or style beside most of them."""
    found: dict[tuple[object, ...], Recipe] = {}
    while len(found) < n:
        taste = _RECIPES[rng.choice(("savoury", "savoury", "sweet"))]
        first = _draw_recipe(rng, taste)
        siblings = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            name = rng.choice(("dish", "first", "second", "style"))
            siblings.append(first._replace(**{name: getattr(_draw_recipe(rng, taste), name)}))
        for recipe in (first, *siblings):
            found.setdefault((recipe.dish, frozenset((recipe.first, recipe.second)), recipe.style), recipe)
    return Layout(rng).write(list(found.values())[:n], _recipe_title)


def _draw_recipe(rng: Random, taste: dict[str, list[list[str]]]) -> Recipe:
    first, second = rng.sample(taste["ingredients"], 2)
    return Recipe(
        dish=tuple(rng.choice(taste["dishes"])),
        first=tuple(first),
        second=tuple(second) if rng.random() < 0.7 else ("",),
        style=tuple(rng.choice(taste["styles"])) if rng.random() < 0.6 else ("",),
        extra=rng.choice(_RECIPES["words"]["extras"]),
        behind=rng.choice(_RECIPES["words"]["behind"]),
    )


def _recipe_title(source: Source, recipe: Recipe) -> str:
    dish, first = source.pick("dish", recipe.dish), source.pick("words", recipe.first)
    second, style = source.pick("words", recipe.second), source.pick("style", recipe.style)
    if second:
        forms = (
            f"{first} and {second} {dish}",
            f"{first} & {second} {dish}",
            f"{first} {dish} with {second}",
            f"{second} and {first} {dish}",
            f"{dish} with {first} and {second}",
        )
        name = source.pick("order", forms)
    else:
        name = source.pick("simple", (f"{first} {dish}", f"{first} {dish}", f"{dish} with {first}"))
    name = source.pick("place of the style", (f"{style} {name}", f"{style} {name}", f"{name} ({style})" if style else name))
    before = recipe.extra if source.does("extras", 0.3) else ""
    return join_words(before, *name.split(), recipe.behind if source.does("words behind", 0.25) else "")


class Event(NamedTuple):
    """An event of a kind in a place on a day."""

    kind: Forms
    place: str
    venue: str
    day: date
    note: str


def events(rng: Random, n: int) -> Iterator[list[str]]:
    """Announcements of n events, with those of another day, place or kind beside most of them."""
    start = date(rng.randint(2015, 2024), 1, 1)
    found: dict[tuple[object, ...], Event] = {}
    while len(found) < n:
        first = _draw_event(rng, start)
        siblings = []
        for _ in range(rng.choice((0, 1, 2, 3))):
            name = rng.choice(("day", "day", "place", "kind"))
            siblings.append(first._replace(**{name: getattr(_draw_event(rng, start), name)}))
        if rng.random() < 0.3:
            siblings.append(first._replace(day=first.day + timedelta(days=rng.choice((1, 7, 364)))))
        for event in (first, *siblings):
            found.setdefault(event[:4], event)
    return Layout(rng).write(list(found.values())[:n], _announcement)


def _draw_event(rng: Random, start: date) -> Event:
    return Event(
        kind=tuple(rng.choice(_EVENTS["kinds"])),
        place=rng.choice(_EVENTS["places"]),
        venue=rng.choice(_EVENTS["venues"]) if rng.random() < 0.5 else "",
        day=start + timedelta(days=rng.randrange(700)),
        note=rng.choice(_EVENTS["notes"]),
    )


_MONTHS = "January February March April May June July August September October November December".split()
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def _announcement(source: Source, event: Event) -> str:
    kind = source.pick("kind", event.kind)
    venue = event.venue if source.does("venues", 0.5) else ""
    forms = (f"{event.place} {kind}", f"{kind} {event.place}", f"{kind} in {event.place}", f"{event.place}: {kind}")
    name = join_words(source.pick("name", forms), f"@ {venue}" if venue else "")
    day = _written_day(source, event.day)
    text = source.pick("order", (f"{name}, {day}", f"{name} - {day}", f"{day}: {name}", f"{name} ({day})", f"{day} {name}"))
    return join_words(text, event.note if source.does("notes", 0.2) else "")


def _written_day(source: Source, day: date) -> str:
    month, weekday = _MONTHS[day.month - 1], _WEEKDAYS[day.weekday()]
    year = f" {day.year}" if source.does("years", 0.8) else ""
    forms = (
        f"{day.day} {month}{year}",
        f"{month} {day.day}{year and ',' + year}",
        f"{month[:3]} {day.day}{year}",
        f"{weekday[:3]} {day.day} {month[:3]}{year}",
        f"{day.day:02}.{day.month:02}.{day.year}",
        f"{day.isoformat()}",
        f"{day.day:02}/{day.month:02}/{day.year % 100:02}",
        f"{weekday}, {day.day}. {month}{year}",
    )
    return source.pick("day", forms)
