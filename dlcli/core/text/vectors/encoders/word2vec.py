"""`word2vec[:DIMENSIONS]`: means, weighted by TF-IDF, of word vectors trained on the texts themselves; needs no download.

Skip-gram with negative sampling (Mikolov et al. 2013, "Distributed representations of words and phrases") by gensim.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.tokens import words
from dlcli.core.text.vectors.averaging import normalize_rows, weighted_means
from dlcli.core.text.vectors.installed import require
from dlcli.support.errors import UsageError

CANDIDATE_COSINE = 0.96
DEPENDS_ON = "run"
SCORED = False
DEVICE = "search"
DIMENSIONS = 100
WINDOW = 5
WORDS_READ = 3_000_000
PASSES = (10, 300)
"""Fewest and most epochs; between them, as many as read `WORDS_READ` words. All were chosen on 60,000 of the Quora pairs: with
too few epochs all vectors point the same way, and more do not separate duplicates from other pairs any better."""
_SEED = 0


def check(argument: str) -> None:
    """Raise UsageError if the argument is not a number of dimensions, MissingExtraError without gensim."""
    _dimensions(argument)
    require("gensim", "word2vec", "word2vec")


def vectors(keys: list[str], argument: str = "") -> NDArray[np.float32]:
    """Unit rows (texts, dimensions): means of word vectors, weighted by TF-IDF.

    Deterministic to the byte for the same set of texts in any order: one thread, a fixed seed, and texts sorted before they
    are shuffled. Zeros if the texts have only one distinct word. Raises what `check` raises.
    """
    check(argument)
    if not keys:
        return np.empty((0, _dimensions(argument)), np.float32)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ordered = [keys[k] for k in order]
    found = np.empty((len(keys), _dimensions(argument)), np.float32)
    found[order] = weighted_means(ordered, train(ordered, argument))
    return found


def train(keys: list[str], argument: str = "") -> Callable[[list[str]], NDArray[np.float32]]:
    """Train on the keys; returns a function from words of the keys to their vectors, (words, dimensions).

    Raises what `check` raises.
    """
    check(argument)
    table = _train(sorted(keys), _dimensions(argument))
    return lambda vocabulary: _look_up(table, vocabulary)


def _dimensions(argument: str) -> int:
    if not argument:
        return DIMENSIONS
    if not (argument.isdecimal() and 2 <= int(argument) <= 1000):
        hint = f"such as `vectors=word2vec:{DIMENSIONS}`"
        raise UsageError(f"`vectors`: word2vec takes 2 to 1000 dimensions, not '{argument}'", hint=hint)
    return int(argument)


def _train(ordered: list[str], dimensions: int) -> Any:
    """Train gensim's Word2Vec. It learns least from what it reads last, so the sorted texts are shuffled first."""
    from gensim.models import Word2Vec

    cut = {piece: words(piece) for key in ordered for piece in key.split()}
    shuffled = np.random.default_rng(_SEED).permutation(len(ordered))
    texts = [[word for piece in ordered[k].split() for word in cut[piece]] for k in shuffled]
    passes = np.clip(WORDS_READ // max(1, sum(map(len, texts))), *PASSES)
    # min_count=1: rare words distinguish two questions of the same form.
    how = {"sg": 1, "vector_size": dimensions, "window": WINDOW, "min_count": 1, "epochs": int(passes)}
    return Word2Vec(texts, seed=_SEED, workers=1, **how).wv


def _look_up(table: Any, vocabulary: list[str]) -> NDArray[np.float32]:
    """One unit row per word, after subtracting the mean vector (Mu and Viswanath 2018, "All-but-the-top", step 1)."""
    found = table.vectors[[table.key_to_index[word] for word in vocabulary]]
    return normalize_rows(found - found.mean(axis=0))
