"""Questions of visitors of a site, tickets of customers and titles of bug reports, in wordings that share few words."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from random import Random
from typing import NamedTuple

from .edits import capitalize_first
from .phrasebooks import BUGS, OPENINGS, SITE_QUESTIONS, TICKETS, Families
from .wordings import Wordings


def site_questions(rng: Random, n: int, code: str) -> Iterator[list[str]]:
    """Up to n questions of the list of this code, with those about the same thing or the same wish beside them.

    The code begins with the language. In many English tables some duplicates differ in their beginning alone.
    """
    language = code.partition("-")[0]
    table = Wordings(rng, language)
    reworded = rng.choice((0, 0.5, 1)) if language == "en" else 0
    for wordings in islice(_whole_families(rng, SITE_QUESTIONS[code]), n):
        forms = [form for form in map(partial(_reword, rng), wordings) if form] if rng.random() < reworded else []
        kept = rng.sample(wordings, min(len(wordings), 2)) if forms and rng.random() < 0.5 else wordings
        yield table.draw(list(dict.fromkeys([*kept, *forms])))


def _reword(rng: Random, question: str) -> str:
    """The question with another beginning, or an empty text if it has no beginning of the lists."""
    for openings in OPENINGS:
        for opening in openings:
            if question.startswith(opening):
                return rng.choice([other for other in openings if other != opening]) + question.removeprefix(opening)
    return ""


def _whole_families(rng: Random, families: Families) -> Iterator[list[str]]:
    """All groups, in random order, but with those of a family behind each other."""
    for family in rng.sample(families, len(families)):
        yield from rng.sample(family, len(family))


class Manners(NamedTuple):
    """How often the customers of a table greet and thank, name the number of their order, and write on and on."""

    politeness: float
    numbered: float
    chatty: float


def tickets(rng: Random, n: int) -> Iterator[list[str]]:
    """What customers write about n issues: the first of a list, then the same few problems of many objects."""
    table = Wordings(rng)
    manners = Manners(rng.choice((0, 0, 0.2, 0.6)), rng.choice((0, 0, 0.1, 0.3)), rng.choice((0, 0, 0.3, 0.8)))
    issues = _whole_families(rng, TICKETS.issues)
    for wordings in islice(issues, rng.choice((n // 4, n // 2, n))):
        yield _as_letters(rng, table.draw(wordings), manners)
        n -= 1
    for frame, names in _filled(rng, TICKETS.frames, TICKETS.objects, n):
        wordings = [capitalize_first(form.format(o=rng.choice(names))) for form in frame]
        yield _as_letters(rng, table.draw(wordings), manners)


def _filled(rng: Random, frames: list[list[str]], fillers: list[list[str]], n: int) -> Iterator[tuple[list[str], list[str]]]:
    """Some n pairs of a frame and a filler, none of them twice, of few frames in a small table."""
    frames = rng.sample(frames, min(len(frames), max(3, n // 20)))
    places = rng.sample(range(len(frames) * len(fillers)), min(n, len(frames) * len(fillers)))
    return ((frames[place % len(frames)], fillers[place // len(frames)]) for place in places)


def _as_letters(rng: Random, texts: list[str], manners: Manners) -> list[str]:
    """The texts with greetings, closings and sentences beside the issue, and with one number of the order in some."""
    number = rng.randint(10_000, 9_999_999)
    return [_as_letter(rng, text, manners, number) for text in texts]


def _as_letter(rng: Random, text: str, manners: Manners, number: int) -> str:
    if rng.random() < manners.chatty:
        before, after = rng.sample(TICKETS.context, 2)
        parts = rng.choice(((before, text), (text, after), (before, text, after)))
        text = " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts)
    if rng.random() < manners.numbered:
        text = rng.choice(TICKETS.numbers).format(n=number) + text
    if rng.random() < manners.politeness:
        text = rng.choice(TICKETS.greetings) + text
    if rng.random() < manners.politeness:
        text = text.rstrip(".") + ("" if text.endswith(("?", "!")) else ".") + rng.choice(TICKETS.closings)
    return text


def bugs(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n bug reports: of a list of defects by component, then defects of methods of some classes."""
    table = Wordings(rng, "bugs")
    prefixed, ended = rng.choice((0, 0.3, 0.9)), rng.choice((0, 0.1, 0.4))
    usual = rng.sample(BUGS.prefixes, rng.choice((1, 1, 4)))
    version = f"{rng.randint(1, 12)}.{rng.randint(0, 14)}"
    for component, *wordings in islice(_whole_families(rng, BUGS.defects), rng.choice((n // 4, n // 2, n))):
        ending = rng.choice(BUGS.endings).format(v=f"{version}.{rng.randint(0, 9)}")
        chosen = table.draw(wordings)
        yield [_prefix(rng, usual, component, prefixed) + text + (ending if rng.random() < ended else "") for text in chosen]
        n -= 1
    yield from _method_defects(rng, table, n)


def _prefix(rng: Random, usual: list[str], component: str, rate: float) -> str:
    return rng.choice(usual).format(c=component, C=component.title()) if rng.random() < rate else ""


def _method_defects(rng: Random, table: Wordings, n: int) -> Iterator[list[str]]:
    """Defects of n methods, no two of one kind in one method."""
    classes = rng.sample(BUGS.classes, min(len(BUGS.classes), max(3, n // 8)))
    extension = rng.choice((".java", ".py", ".cs", ".kt"))
    seen = set()
    while len(seen) < n:
        frame, name, method = rng.randrange(len(BUGS.frames)), rng.choice(classes), rng.choice(BUGS.methods)
        if (frame, name, method) in seen:
            continue
        seen.add((frame, name, method))
        words = {
            "c": name,
            "m": method,
            "f": f"{name}{extension}:{rng.randint(12, 980)}",
            "k": rng.choice(BUGS.exceptions),
            "s": rng.choice(BUGS.methods) + rng.choice(("All", "Async", "Safely", "Now")),
            "a": rng.choice(BUGS.actions),
        }
        yield table.draw([capitalize_first(form.format(**words)) for form in BUGS.frames[frame]])
