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


class Sites(NamedTuple):
    """Parts of the names of sites of providers and of the organisations that run them, and other spellings of words in them."""

    parent_words: list[str]
    parent_kinds: list[str]
    parents: list[str]
    types: list[str]
    first_names: list[str]
    last_names: list[str]
    saints: list[str]
    words: list[str]
    spellings: dict[str, list[str]]


class Units(NamedTuple):
    """Parts of the names of organisations of a state, topics and templates in English and French, and other spellings."""

    topics: list[list[str]]
    ministries: list[list[str]]
    agencies: list[list[str]]
    officers: list[str]
    countries: list[str]
    provinces: list[str]
    parts: list[str]
    spellings: dict[str, list[str]]


class Companies(NamedTuple):
    """Parts of the names of companies of any country, and other spellings of words in them."""

    beginnings: list[str]
    ends: list[str]
    words: list[str]
    trades: list[str]
    trading_words: list[str]
    holdings: list[str]
    spellings: dict[str, list[str]]


class Country(NamedTuple):
    """Legal forms of a country, last names and cities, and the ways that its subsidiaries name it."""

    legal_forms: Variants
    names: list[str]
    cities: list[str]
    country: list[str]


class Persons(NamedTuple):
    """What stands beside the names of people, nicknames, and other spellings of names."""

    titles: list[str]
    degrees: list[str]
    generations: Variants
    nicknames: dict[str, list[str]]
    spellings: dict[str, list[str]]


class Origin(NamedTuple):
    """Names of people in one language; those with a second last name may drop it."""

    first: list[str]
    last: list[str]
    has_second: bool = False


class NameForms(NamedTuple):
    """Forms of the name of an institution; the loose ones name it only where no other one has their words."""

    forms: list[str]
    loose: list[str]


class Institutions(NamedTuple):
    """Parts of the names of universities, hospitals, museums and clubs, the forms of each, and other spellings of words."""

    places: list[str]
    areas: list[str]
    people: list[str]
    saints: list[str]
    subjects: list[str]
    parts: list[str]
    teams: list[str]
    universities: list[dict[str, list[str]]]
    hospitals: list[dict[str, list[str]]]
    museums: list[dict[str, list[str]]]
    clubs: list[dict[str, list[str]]]
    spellings: dict[str, list[str]]


class Works(NamedTuple):
    """Parts of the titles of songs and films and of the names of artists, and other spellings of words."""

    adjectives: list[str]
    nouns: list[str]
    places: list[str]
    verbs: list[str]
    names: list[str]
    song_titles: list[str]
    film_titles: list[str]
    subtitles: list[str]
    numbers: list[str]
    artist_words: list[str]
    single_artists: list[str]
    first_names: list[str]
    last_names: list[str]
    spellings: dict[str, list[str]]


class Lodging(NamedTuple):
    """Parts of the names of hotels and of the titles of holiday lets, and other spellings of words in them."""

    lines: list[list[str]]
    qualifiers: list[str]
    cities: list[str]
    names: list[str]
    styles: Variants
    stars: list[str]
    adjectives: list[str]
    homes: Variants
    features: Variants
    settings: Variants
    spellings: dict[str, list[str]]


class Chinese(NamedTuple):
    """Parts of the names of firms and of addresses in Chinese; a city has its province beside it."""

    cities: list[list[str]]
    characters: list[str]
    trades: list[str]
    endings: Variants
    districts: list[str]
    roads: list[str]
    buildings: list[str]
    branch_endings: list[str]


class Japanese(NamedTuple):
    """Parts of the names of firms and of addresses in Japanese; a city has its prefecture in front of it."""

    kanji: list[str]
    katakana: list[str]
    trades: list[str]
    legal_forms: Variants
    offices: list[str]
    prefectures: list[list[str]]
    towns: list[str]
    buildings: list[str]


class PlaceLanguage(NamedTuple):
    """Names of shops and the like in one language, streets with a number, and what stands around a street in an address."""

    first: list[str]
    last: list[str]
    words: list[str]
    names: Variants
    streets: Variants
    cities: list[str]
    numbers: list[str]
    around: list[str]


class Academia(NamedTuple):
    """Parts of affiliations and of the names of journals, each in all its forms, and other spellings of words in them."""

    fields: list[str]
    units: Variants
    countries: Variants
    universities: Variants
    journals: Variants
    places: list[str]
    societies: list[str]
    spellings: dict[str, list[str]]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


_DINING = _read("dining")
DINING = Dining(**_DINING["dining"])
ADDRESSES = Addresses(**_DINING["addresses"])

_PUBLIC = _read("public")
SITES = Sites(**_PUBLIC["sites"])
UNITS = Units(**_PUBLIC["units"])

_COMPANIES = _read("companies")["companies"]
COUNTRIES = [Country(**lists) for lists in _COMPANIES.pop("countries").values()]
COMPANIES = Companies(**_COMPANIES)

_PERSONS = _read("persons")["persons"]
ORIGINS = [Origin(**lists) for lists in _PERSONS.pop("origins").values()]
PERSONS = Persons(**_PERSONS)
INSTITUTIONS = Institutions(**_read("institutions")["institutions"])
WORKS = Works(**_read("works")["works"])
LODGING = Lodging(**_read("lodging")["lodging"])

_EAST_ASIA = _read("east_asia")
CHINESE = Chinese(**_EAST_ASIA["chinese"])
JAPANESE = Japanese(**_EAST_ASIA["japanese"])

PLACE_LANGUAGES = {code: PlaceLanguage(**lists) for code, lists in _read("european")["languages"].items()}
ACADEMIA = Academia(**_read("academia")["academia"])
