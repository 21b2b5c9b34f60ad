"""Titles of products as shops write them."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import add_noise, join_words
from .vocabulary import PRODUCTS


class Product(NamedTuple):
    """A product; `letters`, `digits` and `suffix` make up its model number if it has one.

    The amount is written in one of the formats of `quantity`. Colour and adjectives may be empty.
    """

    brand: str
    item: str
    letters: str
    digits: int
    suffix: str
    has_model: bool
    quantity: list[str]
    amount: float
    colour: str
    adjectives: str

    @property
    def model(self) -> str:
        """The model number, or an empty text."""
        return f"{self.letters}{self.digits}{self.suffix}" if self.has_model else ""


def products(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n products of a few brands, and of a sibling of about half of them, which is not a duplicate."""
    brands = [rng.choice(PRODUCTS.brands) for _ in range(max(3, n // 5))]
    for _ in range(n):
        product = _draw_product(rng, brands)
        yield [_title(rng, product) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        if rng.random() < 0.5:
            yield [_sibling_title(rng, product)]


def _draw_product(rng: Random, brands: list[str]) -> Product:
    return Product(
        brand=rng.choice(brands),
        item=rng.choice(PRODUCTS.items),
        letters="".join(rng.choices("ABCDEFGHKLMNPRSTVWX", k=rng.choice((1, 2, 3)))),
        digits=rng.randint(10, 9999),
        suffix=rng.choice(PRODUCTS.model_suffixes),
        has_model=rng.random() < 0.65,
        quantity=rng.choice(PRODUCTS.quantities),
        amount=rng.choice(PRODUCTS.amounts),
        colour=rng.choice(PRODUCTS.colours) if rng.random() < 0.5 else "",
        adjectives=" ".join(rng.sample(PRODUCTS.adjectives, rng.choice((0, 1, 2, 3)))),
    )


def _title(rng: Random, product: Product) -> str:
    """The product with any of its parts missing, in the usual order or in another one after the brand."""
    brand = product.brand if rng.random() < 0.92 else ""
    parts = [
        _model_number(rng, product) if rng.random() < 0.9 else "",
        product.item if rng.random() < 0.92 else "",
        _quantity(rng, product) if rng.random() < 0.8 else "",
        product.colour if rng.random() < 0.7 else "",
        product.adjectives if rng.random() < 0.5 else "",
    ]
    if rng.random() < 0.25:
        rng.shuffle(parts)
    title = join_words(brand, *parts)
    if product.has_model and rng.random() < 0.2:
        title += f" - {product.model}"
    return add_noise(rng, title, typo_rate=0.1)


def _model_number(rng: Random, product: Product) -> str:
    """The model number joined, with a hyphen or a space, or in lower case."""
    if not product.has_model:
        return ""
    letters, number = product.letters, f"{product.digits}{product.suffix}"
    return rng.choice([product.model, f"{letters}-{number}", f"{letters} {number}", product.model.lower()])


def _quantity(rng: Random, product: Product) -> str:
    """The amount with its unit; a fraction has a decimal comma at times."""
    form = rng.choice(product.quantity)
    # Drawn for whole numbers too, which have no separator, so that every amount takes the same number of draws.
    separator = "." if rng.random() < 0.9 else ","
    return form.format(n=str(product.amount).replace(".", separator))


def _sibling_title(rng: Random, product: Product) -> str:
    """Another product of the series: the next model, twice the amount or both; some of them in another colour."""
    next_digits = product.digits + rng.choice((1, 5, 10, 100))
    kind = rng.random()
    other_amount = kind >= 0.4 or not product.has_model
    sibling = product._replace(
        digits=next_digits if kind < 0.6 else product.digits,
        amount=product.amount * 2 if other_amount else product.amount,
    )
    quantity = rng.choice(sibling.quantity).format(n=sibling.amount)
    colour = rng.choice(PRODUCTS.colours) if kind > 0.8 else sibling.colour
    return join_words(sibling.brand, sibling.model, sibling.item, quantity, colour)
