"""The word lists of products in shops, one typed tuple per section; a file holds the lists of one subject."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from .vocabulary import Variants


class DeviceCategory(NamedTuple):
    """Names of a sort of device that mean the same, first letters of model numbers, sizes {n} and features."""

    names: list[str]
    letters: list[str]
    sizes: list[float]
    size_forms: list[str]
    features: list[str]
    sized_model: bool = False


class Electronics(NamedTuple):
    """Parts of the titles of devices, and of what belongs to a device {x} and is another product."""

    brands: list[str]
    lines: list[str]
    colours: Variants
    suffixes: list[str]
    accessories: list[str]
    bundles: list[str]
    padding: list[str]
    categories: list[DeviceCategory]


class GroceryProduct(NamedTuple):
    """Names of a product that mean the same, its variants, and its sizes in this unit: ml, g or a count of pieces."""

    names: tuple[str, ...]
    variants: tuple[str, ...]
    unit: str
    sizes: tuple[float, ...]


class Groceries(NamedTuple):
    """Brands and products, words that some shops add, and short forms of words on receipts."""

    brands: list[str]
    products: list[GroceryProduct]
    fillers: list[str]
    short: Variants


class Wares(NamedTuple):
    """Products that differ in a few properties {p0}, {p1} and so on, of which each value has several forms.

    Titles are written in one of the formats, with the brand {b}, the line {l}, the name of the item {i} and a code {c}.
    """

    brands: list[str]
    lines: list[str]
    items: Variants
    properties: list[Variants]
    codes: list[str]
    titles: list[str]
    extras: list[str]


class Medicines(NamedTuple):
    """Names of medicines, doses in mg, and forms; those of one inner list mean the same."""

    drugs: Variants
    doses: list[float]
    forms: Variants
    counts: list[int]
    makers: list[str]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def _grocery_product(names: list[str], variants: list[str], unit: str, sizes: list[float]) -> GroceryProduct:
    return GroceryProduct(tuple(names), tuple(variants), unit, tuple(sizes))


_ELECTRONICS = _read("electronics")["electronics"]
ELECTRONICS = Electronics(**_ELECTRONICS | {"categories": [DeviceCategory(**lists) for lists in _ELECTRONICS["categories"]]})

_FOOD = _read("groceries")
GROCERIES = Groceries(
    brands=_FOOD["groceries"]["brands"],
    products=[
        GroceryProduct(*(tuple(part) if isinstance(part, list) else part for part in lists.values()))
        for lists in _FOOD["groceries"]["products"]
    ],
    **_FOOD["groceries"]["habits"],
)
MEDICINES = Medicines(**_FOOD["medicines"])
WARES = {sort: Wares(**lists) for sort, lists in _read("wares").items()}
