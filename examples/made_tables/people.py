"""Names of people."""

from collections.abc import Iterator
from random import Random

from .edits import add_noise_to_all, sample_forms
from .vocabulary import NAMES


def people(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n people: with a middle initial, a title or a nickname, reordered, or with an initial for the first name."""
    for _ in range(n):
        first, last = rng.choice(NAMES.first), rng.choice(NAMES.last)
        middle = rng.choice("ABCDEFGHJKLMRSTW")
        forms = [
            f"{first} {last}",
            f"{last}, {first}",
            f"{first} {middle}. {last}",
            f"{first[0]}. {last}",
            f"{last} {first}",
            f"Dr. {first} {last}",
            f"{NAMES.nicknames.get(first, first)} {last}",
            f"Mr {first} {last}",
        ]
        yield add_noise_to_all(rng, sample_forms(rng, forms, (1, 1, 2, 3)), typo_rate=0.15)
