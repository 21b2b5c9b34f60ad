"""The word lists of names of entities, one typed tuple per section; a file holds the lists of one subject."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from .vocabulary import Variants


class Dining(NamedTuple):
    """Parts of the names of restaurants, cafes, bars and hotels, and other spellings of words in them."""

    owners: list[str]
    adjectives: list[str]
    nouns: list[str]
    single_words: list[str]
    romance: list[str]
    types: list[str]
    cuisines: list[str]
    descriptors: list[str]
    heads: list[str]
    areas: list[str]
    hotels: list[str]
    outlets: list[str]
    spellings: dict[str, list[str]]


class Addresses(NamedTuple):
    """Parts of street addresses; those of one inner list mean the same."""

    streets: list[str]
    types: Variants
    directions: Variants
    ordinals: Variants
    highways: Variants
    malls: list[str]
    units: Variants


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


_DINING = _read("dining")
DINING = Dining(**_DINING["dining"])
ADDRESSES = Addresses(**_DINING["addresses"])
