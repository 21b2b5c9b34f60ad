"""`word2vec[:DIMENSIONS]`: means of word vectors trained on the texts themselves, weighted by TF-IDF; needs no download.

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
DIMENSIONS = 100
WINDOW = 5
WORDS_READ = 3_000_000
PASSES = (10, 300)
"""Words are read this often in all, within these numbers of passes. Chosen, as the others, on 60,000 of the Quora pairs:
with too few, all vectors point the same way; beyond, duplicates and the rest are told apart no better."""
_SEED = 0


def check(argument: str) -> None:
    """Raise UsageError if the argument is no number of dimensions, MissingExtraError without gensim."""
    _dimensions(argument)
    require("gensim", "word2vec", "word2vec")


def vectors(keys: list[str], argument: str = "") -> NDArray[np.float32]:
    """Unit vectors (n, dimensions): the mean of a text's word vectors, weighted by TF-IDF, scaled to length 1.

    The same bytes for the same texts in any order, run after run: one thread, one seed, texts in an order of their own. Zeros
    if there is but one word. Raises as `check`.
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
    """What gives a vector for each of some words of the keys, (words, dimensions), once trained on them; raises as `check`."""
    check(argument)
    table = _train(sorted(keys), _dimensions(argument))
    return lambda vocabulary: _look_up(table, vocabulary)


def _dimensions(argument: str) -> int:
    if not argument:
        return DIMENSIONS
    if not (argument.isdecimal() and 2 <= int(argument) <= 1000):
        raise UsageError(
            f"--vectors: word2vec takes 2 to 1000 dimensions, not '{argument}'", hint=f"--vectors word2vec:{DIMENSIONS}"
        )
    return int(argument)


def _train(ordered: list[str], dimensions: int) -> Any:
    """The table of vectors that gensim learns. It learns less from what it reads last: not always from Z."""
    from gensim.models import Word2Vec

    cut = {piece: words(piece) for key in ordered for piece in key.split()}
    shuffled = np.random.default_rng(_SEED).permutation(len(ordered))
    texts = [[word for piece in ordered[k].split() for word in cut[piece]] for k in shuffled]
    passes = np.clip(WORDS_READ // max(1, sum(map(len, texts))), *PASSES)
    # Every word has a vector: the rare ones are what tells two questions of one form apart.
    how = {"sg": 1, "vector_size": dimensions, "window": WINDOW, "min_count": 1, "epochs": int(passes)}
    return Word2Vec(texts, seed=_SEED, workers=1, **how).wv


def _look_up(table: Any, vocabulary: list[str]) -> NDArray[np.float32]:
    """A unit row a word, less what all words have in common (Mu and Viswanath 2018, "All-but-the-top", step 1)."""
    found = table.vectors[[table.key_to_index[word] for word in vocabulary]]
    return normalize_rows(found - found.mean(axis=0))
