"""Long documents of made-up words, and near-duplicates of them that differ in a few words."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import add_typos
from .vocabulary import DOCUMENTS

_SYLLABLES = [onset + vowel + coda for onset in DOCUMENTS.onsets for vowel in DOCUMENTS.vowels for coda in DOCUMENTS.codas]
_MOST = 24
"""Most documents of a table, however large: one has up to 3,000 words."""


class UnigramModel(NamedTuple):
    """A language whose words are independent of each other, with their unnormalised probabilities."""

    words: list[str]
    weights: list[float]

    def draw(self, rng: Random, count: int) -> list[str]:
        """This many words at random, with replacement."""
        return rng.choices(self.words, self.weights, k=count)


def documents(rng: Random, n: int) -> Iterator[list[str]]:
    """Up to `_MOST` documents of equal length that begin with the same boilerplate, and edited copies of some."""
    model = _draw_model(rng)
    size = rng.choice((120, 300, 800, 2000))
    boilerplate = " ".join(model.draw(rng, rng.choice((0, 0, size // 8, size // 2))))
    for _ in range(min(n, _MOST)):
        body = _draw_body(rng, model, size)
        copies = [_edit(rng, body, model.words) for _ in range(rng.choice((0, 0, 1, 2)))]
        yield [" ".join([boilerplate, *words]) for words in (body, *copies)]


def _draw_model(rng: Random) -> UnigramModel:
    """A few function words, then distinct words of one to four syllables, with Zipf-Mandelbrot weights by rank."""
    count = rng.choice((800, 3000, 15000))
    made = ("".join(rng.choices(_SYLLABLES, k=rng.choice([1, 2, 2, 3, 3, 4]))) for _ in range(count))
    words = list(dict.fromkeys([*DOCUMENTS.function_words, *made]))
    return UnigramModel(words, [1 / (rank + 10) for rank in range(len(words))])


def _draw_body(rng: Random, model: UnigramModel, size: int) -> list[str]:
    """Words of the model, about one in eight of which is of the topic of the document."""
    topic = rng.sample(model.words, min(len(model.words), 60))
    return [rng.choice(topic) if rng.random() < 0.12 else word for word in model.draw(rng, size)]


def _edit(rng: Random, body: list[str], words: list[str]) -> list[str]:
    """A copy with 1% to 10% of its words replaced, misspelt or preceded by another, and some without their last tenth."""
    edited = list(body)
    share = rng.choice((0.01, 0.02, 0.05, 0.1))
    for _ in range(max(1, int(share * len(body)))):
        kind = rng.random()
        place = rng.randrange(len(edited))
        if kind < 0.6:
            edited[place] = rng.choice(words)
        elif kind < 0.8:
            edited[place] = add_typos(rng, edited[place])
        else:
            edited.insert(place, rng.choice(words))
    return edited[: int(len(edited) * 0.9)] if rng.random() < 0.2 else edited
