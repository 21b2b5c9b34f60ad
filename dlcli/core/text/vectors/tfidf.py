"""`tfidf`: words and character trigrams within words, weighted by rarity; needs no download."""

import numpy as np
import scipy.sparse as sp

from dlcli.core.text.tokens import ngrams, words
from dlcli.core.text.vectors.base import incidence, pieces_of, tf_idf
from dlcli.support.errors import UsageError

CANDIDATES = 0.75
LASTING = "table"
N = 3
WORD_SHARE = 0.2
"""The share of the words in the score; the trigrams have the rest. Both were chosen on one half of the Quora pairs."""


def check(argument: str) -> None:
    """Raise UsageError: there is nothing to choose here."""
    if argument:
        raise UsageError(f"--vectors: tfidf takes no ':{argument}'", hint="--vectors tfidf")


def vectors(keys: list[str], argument: str = "") -> sp.csr_array:
    """Unit vectors whose dot product is the mean of two TF-IDF cosines: words (`WORD_SHARE`) and trigrams (the rest).

    Each distinct piece of text is cut once: texts x words is (texts x pieces) times (pieces x words), and so for trigrams.
    """
    check(argument)
    occurs, pieces = pieces_of(keys)
    by_word = tf_idf(_within(occurs, [words(piece) for piece in pieces]))
    by_ngram = tf_idf(_within(occurs, [ngrams(piece, N, N) for piece in pieces]))
    parts = [by_word * np.float32(WORD_SHARE**0.5), by_ngram * np.float32((1 - WORD_SHARE) ** 0.5)]
    found = sp.csr_array(sp.hstack(parts, format="csr"))
    found.sort_indices()
    return found


def _within(occurs: sp.csr_array, cut: list[list[str]]) -> sp.csr_array:
    return sp.csr_array(occurs @ incidence(cut)[0])
