"""The word lists of `words.toml`, one typed tuple per section."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

Variants = list[list[str]]
"""Words or formats; those of one inner list mean the same."""


class Names(NamedTuple):
    """Names of people."""

    first: list[str]
    last: list[str]
    nicknames: dict[str, str]


class Organisations(NamedTuple):
    """Parts of the names of firms, government units, and organisations with branches."""

    firm_words: list[str]
    trades: list[str]
    legal_forms: Variants
    units: list[str]
    topics: list[str]
    countries: list[str]
    with_branches: list[str]
    branch_suffixes: list[str]


class Places(NamedTuple):
    """Parts of addresses and of the names of venues and institutions."""

    streets: list[str]
    street_types: Variants
    directions: Variants
    cities: list[str]
    venue_words: list[str]
    venue_types: list[str]
    institutions: list[str]


class Products(NamedTuple):
    """Parts of the titles of products."""

    brands: list[str]
    items: list[str]
    model_suffixes: list[str]
    quantities: Variants
    amounts: list[float]
    colours: list[str]
    adjectives: list[str]


class Publications(NamedTuple):
    """Formats of the titles of papers, and what they are about."""

    titles: list[str]
    subjects: list[str]
    methods: list[str]
    populations: list[str]
    genera: list[str]
    strain_words: list[str]
    compound_prefixes: list[str]
    compound_stems: list[str]
    compound_suffixes: list[str]
    compound_titles: list[str]
    compound_fragments: list[str]


class Documents(NamedTuple):
    """Parts of the syllables of made-up words, and the words between them."""

    onsets: list[str]
    vowels: list[str]
    codas: list[str]
    function_words: list[str]


class Contrasts(NamedTuple):
    """Verbs and their opposites, sentences and their negations, and sentences about a and b in which the order counts."""

    opposites: list[list[str]]
    negations: list[list[list[str]]]
    directed: list[list[str]]
    things: list[str]


class Language(NamedTuple):
    """Tasks of a language (a verb and an object), and formats of questions and problems about them."""

    verbs: Variants
    objects: Variants
    questions: list[str]
    problems: Sequence[str] = ()


_LISTS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))

NAMES = Names(**_LISTS["names"])
ORGANISATIONS = Organisations(**_LISTS["organisations"])
PLACES = Places(**_LISTS["places"])
PRODUCTS = Products(**_LISTS["products"])
PUBLICATIONS = Publications(**_LISTS["publications"])
DOCUMENTS = Documents(**_LISTS["documents"])
CONTRASTS = Contrasts(**_LISTS["contrasts"])
LANGUAGES = {code: Language(**lists) for code, lists in _LISTS["languages"].items()}
SPELLINGS: dict[str, str] = _LISTS["spellings"]
