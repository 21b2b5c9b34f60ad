"""Lines of logs with numbers, identifiers and times masked: a template with another state is another message."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from .wordings import SHARES


class LogWords(NamedTuple):
    """Templates of lines with their states in double brackets, and what fills the rest."""

    templates: list[str]
    services: list[str]
    users: list[str]
    hosts: list[str]
    paths: list[str]
    levels: list[str]


_LISTS = tomllib.loads(Path(__file__).with_name("log_lines.toml").read_text(encoding="utf-8"))["log_lines"]
_WORDS = LogWords(**_LISTS | {"templates": _LISTS["templates"].strip().splitlines()})
_PARTS = ("n", "ip", "id", "t", "svc", "user", "host", "path")
_MASKS = tuple(
    dict(zip(_PARTS, masks.split(), strict=True))
    for masks in (
        "<*> <*> <*> <*> <*> <*> <*> <*>",
        "<NUM> <IP> <ID> <DUR> <NAME> <USER> <HOST> <PATH>",
        "# #.#.#.# XXXX #ms * * * /*/*",
        "0 x.x.x.x 00000000 0s app user host /path",
        "[num] [ip] [hex] [time] [str] [str] [str] [path]",
    )
)
"""What stands for a number, a name and so on in logs that were masked."""
_STATES = re.compile(r"\[\[(.*?)\]\]")


def log_templates(rng: Random, n: int) -> Iterator[list[str]]:
    """Lines of n messages at most, all of whose names are masked: a template in another state is another message."""
    style = _draw_style(rng)
    messages = [(template, message) for template in _WORDS.templates for message in _states(template)]
    for template, message in rng.sample(messages, min(n, len(messages))):
        yield _lines(rng, style, style.heads[template], message, {})


def log_names(rng: Random, n: int) -> Iterator[list[str]]:
    """Lines of n messages at most: of few templates in one state each, with names, paths and hosts that tell them apart."""
    style = _draw_style(rng)
    named = [template for template in _WORDS.templates if re.search(r"\{(path|host|user|svc)\}", template)]
    templates = rng.sample(named, min(len(named), max(6, n // 8)))
    seen: set[str] = set()
    # Templates with one name have few lines each.
    for _ in range(20 * n):
        if len(seen) == n:
            return
        template, names = rng.choice(templates), _draw_names(rng)
        message = rng.choice(_states(template))
        key = message.format(n="", ip="", id="", t="", **names)
        if key not in seen:
            seen.add(key)
            yield _lines(rng, style, style.heads[template], message, names)


class LogStyle(NamedTuple):
    """The masks of a table, the usual one twice; its share of messages with several lines; and the heads of each template."""

    masks: list[dict[str, str]]
    share: float
    heads: dict[str, list[str]]


def _draw_style(rng: Random) -> LogStyle:
    usual, other = rng.sample(_MASKS, 2)
    prefix = rng.choice(("", "level", "component"))
    heads = {template: [_head(rng, prefix), _head(rng, prefix), ""] for template in _WORDS.templates}
    return LogStyle([usual, usual, other], rng.choice(SHARES), heads)


def _lines(rng: Random, style: LogStyle, heads: list[str], message: str, names: dict[str, str]) -> list[str]:
    """One line of a message, or several that differ in the masks, in the head or in the case."""
    count = rng.choice((2, 3, 5)) if rng.random() < style.share else 1
    lines = (rng.choice(heads[:1] * 3 + heads) + _fill_line(rng, message, style.masks, names) for _ in range(count))
    return list({line.casefold(): line for line in lines}.values())


def _states(template: str) -> list[str]:
    """The messages of a template, one for each of its states."""
    found = _STATES.search(template)
    return (
        [_STATES.sub(lambda _, state=state: state, template, count=1) for state in found[1].split("|")] if found else [template]
    )


def _draw_names(rng: Random) -> dict[str, str]:
    lists = {"svc": _WORDS.services, "user": _WORDS.users, "host": _WORDS.hosts, "path": _WORDS.paths}
    return {name: rng.choice(words) for name, words in lists.items()}


def _head(rng: Random, prefix: str) -> str:
    """What stands before a message: the level, or the component with it."""
    if not prefix:
        return ""
    level = rng.choice(_WORDS.levels)
    return f"{level} " if prefix == "level" else f"{level} {rng.choice(_WORDS.services)}: "


def _fill_line(rng: Random, message: str, masks: list[dict[str, str]], names: dict[str, str]) -> str:
    """The message with its names, and masks for all other parts; some lines end in a full stop or are in lower case."""
    mask = rng.choice(masks)
    line = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], mask[found[1]]), message)
    kind = rng.random()
    return f"{line}." if kind < 0.08 else line.lower() if kind < 0.12 else line
