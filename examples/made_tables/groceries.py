"""Names of groceries, household goods and medicines, beside the other flavour, size, pack, dose and form."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .habits import Layout, Source
from .shop_vocabulary import GROCERIES, MEDICINES, GroceryProduct


class Grocery(NamedTuple):
    """A product of a brand in one variant, of one size, and the number of pieces in its pack."""

    brand: str
    product: GroceryProduct
    variant: str
    size: float
    pack: int
    filler: str


def groceries(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n groceries, most of which have siblings: another variant, size, pack or brand."""
    return Layout(rng).write(_draw_groceries(rng, n), _grocery_name)


def _draw_groceries(rng: Random, n: int) -> list[Grocery]:
    brands = rng.sample(GROCERIES.brands, min(len(GROCERIES.brands), max(4, n // 10)))
    found: dict[Grocery, None] = {}
    while len(found) < n:
        product = rng.choice(GROCERIES.products)
        first = Grocery(
            brand=rng.choice(brands),
            product=product,
            variant=rng.choice(product.variants) if rng.random() < 0.75 else "",
            size=rng.choice(product.sizes),
            pack=rng.choice((1, 1, 1, 1, 2, 4, 6, 12)) if product.unit != "count" else 1,
            filler=rng.choice(GROCERIES.fillers),
        )
        siblings = [make(rng, first) for make in rng.sample(_SIBLINGS, rng.choice((0, 1, 2, 3)))]
        found |= dict.fromkeys([first, *siblings])
    return list(found)[:n]


def _other_variant(rng: Random, one: Grocery) -> Grocery:
    return one._replace(variant=rng.choice([variant for variant in one.product.variants if variant != one.variant]))


def _other_size(rng: Random, one: Grocery) -> Grocery:
    return one._replace(size=rng.choice([size for size in one.product.sizes if size != one.size]))


def _other_pack(rng: Random, one: Grocery) -> Grocery:
    return one._replace(pack=rng.choice([pack for pack in (1, 2, 3, 4, 6, 8, 12, 24) if pack != one.pack]))


def _other_brand(rng: Random, one: Grocery) -> Grocery:
    return one._replace(brand=rng.choice([brand for brand in GROCERIES.brands if brand != one.brand]))


_SIBLINGS: list[Callable[[Random, Grocery], Grocery]] = [_other_variant, _other_variant, _other_size, _other_pack, _other_brand]


def _grocery_name(source: Source, one: Grocery) -> str:
    name = source.pick("name", one.product.names) if source.does("other names", 0.3) else one.product.names[0]
    quantity = _quantity(source, one)
    filler = one.filler if source.does("fillers", 0.12) else ""
    brand = source.pick("brand", (one.brand, one.brand, one.brand.replace("'", "").replace("&", "and")))
    forms = (
        f"{brand} {one.variant} {name} {filler} {quantity}",
        f"{brand} {name} {one.variant} {quantity}",
        f"{brand} {filler} {name} - {one.variant} - {quantity}" if one.variant else f"{brand} {name} - {quantity}",
        f"{brand} {name} {quantity} ({one.variant})" if one.variant else f"{brand} {name} {quantity}",
        f"{name}, {one.variant}, {quantity}, {brand}" if one.variant else f"{name}, {quantity}, {brand}",
        f"{quantity} {brand} {one.variant} {name}",
    )
    text = source.pick("order", forms)
    if source.does("short words", 0.2):
        for word, short in GROCERIES.short:
            text = text.replace(word, short)
    return " ".join(text.split())


def _quantity(source: Source, one: Grocery) -> str:
    """The size in small or large units, or in ounces, with the number of pieces if there are several."""
    if one.product.unit == "count":
        counts = ("{n} pack", "{n} ct", "x{n}", "{n}s", "pack of {n}", "{n} count", "{n}pk")
        return source.pick("count", counts).format(n=f"{one.size:g}")
    small, large, ounces = {"ml": ("ml", "L", "fl oz"), "g": ("g", "kg", "oz")}[one.product.unit]
    space = source.pick("space", ("", "", " "))
    if source.does("ounces", 0.12):
        size = f"{one.size / (29.57 if small == 'ml' else 28.35):.1f}{space}{ounces}"
    elif one.size >= 500 and source.does("large units", 0.45):
        size = f"{one.size / 1000:g}{space}{source.pick('large', (large, large, 'Litre' if small == 'ml' else 'Kg'))}"
    else:
        size = f"{one.size:g}{space}{source.pick('small', (small, small, small.upper()))}"
    if one.pack == 1:
        return size
    forms = ("{p} x {s}", "{p}x{s}", "{s} x {p}", "{s} (pack of {p})", "{s}, {p} pack", "{p} pack {s}")
    return source.pick("pack", forms).format(p=one.pack, s=size)


class Medicine(NamedTuple):
    """A medicine: its names, dose in mg, form, number of pieces and maker, which may be empty."""

    drug: list[str]
    dose: float
    form: list[str]
    count: int
    maker: str


def medicines(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n medicines, most of which stand in several doses, forms and sizes of pack."""
    with_count, with_maker = rng.random() < 0.5, rng.random() < 0.3
    found: dict[tuple[str, ...], Medicine] = {}
    while len(found) < n:
        drug, form, dose = rng.choice(MEDICINES.drugs), _draw_form(rng), rng.choice(MEDICINES.doses)
        first = Medicine(drug, dose, form, 0, "")
        doses = [first, *(first._replace(dose=dose) for dose in rng.sample(MEDICINES.doses, rng.choice((0, 1, 2))))]
        forms = [first._replace(form=_draw_form(rng)) for _ in range(rng.choice((0, 0, 1)))]
        for one in (*doses, *forms):
            count = rng.choice(MEDICINES.counts) if with_count else 0
            maker = rng.choice(MEDICINES.makers) if with_maker else ""
            key = (one.drug[0], str(one.dose), one.form[0], str(count), maker)
            found.setdefault(key, one._replace(count=count, maker=maker))
    return Layout(rng).write(list(found.values())[:n], _medicine_name)


def _draw_form(rng: Random) -> list[str]:
    """Mostly tablets or capsules, which come first."""
    return rng.choice(MEDICINES.forms[:3] if rng.random() < 0.65 else MEDICINES.forms)


def _medicine_name(source: Source, one: Medicine) -> str:
    name = source.pick("drug", one.drug) if source.does("other names", 0.2) else one.drug[0]
    form = source.pick("form", one.form)
    grams = one.dose >= 1000 and source.does("grams", 0.4)
    amount = f"{one.dose / 1000:g}" if grams else f"{one.dose:g}"
    dose = amount + source.pick("unit", (" g", "g") if grams else (" mg", "mg", "mg", "MG", " milligrams"))
    count = ""
    if one.count:
        count = source.pick("count", ("{n} {f}", "x{n}", "({n})", "pack of {n}", "{n}s", "N{n}")).format(n=one.count, f=form)
    if form in count:
        return join_words(one.maker, name, dose, count)
    forms = (
        (name, dose, form, count, one.maker),
        (one.maker, name, dose, form, count),
        (name, form, dose, count, one.maker),
        (name, f"({dose})", form, count, one.maker),
        (form.lower(), name, dose, count, one.maker),
    )
    return join_words(*source.pick("order", forms))
