"""The word lists of questions, tickets and bug titles that were written by hand, one typed tuple per section.

Each line of the TOML files is one question or issue. Its wordings are separated by "|"; lines between blank lines are similar.
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

Families = list[list[list[str]]]
"""Groups of similar questions or issues: each is a list of its wordings."""


class Tickets(NamedTuple):
    """Issues of customers; the words around them; and frames of issues that many objects have."""

    greetings: list[str]
    closings: list[str]
    context: list[str]
    numbers: list[str]
    issues: Families
    frames: list[list[str]]
    objects: list[list[str]]


class Bugs(NamedTuple):
    """Defects, the first wording of each preceded by its component; frames of defects of a method, and what fills them."""

    prefixes: list[str]
    endings: list[str]
    defects: Families
    frames: list[list[str]]
    classes: list[str]
    methods: list[str]
    exceptions: list[str]
    actions: list[str]


def split_families(text: str) -> Families:
    """The wordings of each line of each paragraph."""
    return [[_split_line(line) for line in part.strip().splitlines()] for part in text.strip().split("\n\n")]


def _split_line(line: str) -> list[str]:
    return [wording.strip() for wording in line.split(" | ")]


def read_lists(name: str) -> dict[str, dict[str, Any]]:
    """The sections of a TOML file beside this module."""
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


_TICKETS = read_lists("tickets.toml")["tickets"]
_BUGS = read_lists("bugs.toml")["bugs"]

TICKETS = Tickets(**_TICKETS | {"issues": split_families(_TICKETS["issues"]), "frames": split_families(_TICKETS["frames"])[0]})
BUGS = Bugs(**_BUGS | {"defects": split_families(_BUGS["defects"]), "frames": split_families(_BUGS["frames"])[0]})
OPENINGS: list[list[str]] = read_lists("faq.toml")["faq"]["openings"]
"""Beginnings of English questions; those of one list mean the same."""
SITE_QUESTIONS: dict[str, Families] = {
    "en": split_families(read_lists("faq.toml")["faq"]["questions"]),
    **{code: split_families(lists["questions"]) for code, lists in read_lists("howto.toml").items()},
    **{code: split_families(lists["questions"]) for code, lists in read_lists("languages.toml").items()},
}
