"""`tfidf`: words and character trigrams within words, weighted by rarity; needs no download."""

import numpy as np
import scipy.sparse as sp

from dlcli.core.text.tokens import ngrams, words
from dlcli.core.text.vectors.weighting import count_features, count_pieces, sort_rare_first, tf_idf
from dlcli.support.errors import UsageError

CANDIDATE_COSINE = 0.75
DEPENDS_ON = "table"
N = 3
WORD_SHARE = 0.2
"""The share of the words in the score; the trigrams have the rest. Both were chosen on one half of the Quora pairs."""


def check(argument: str) -> None:
    """Raise UsageError: there is nothing to choose here."""
    if argument:
        raise UsageError(f"--vectors: tfidf takes no ':{argument}'", hint="--vectors tfidf")


def vectors(keys: list[str], argument: str = "") -> sp.csr_array:
    """Unit vectors whose dot product is the mean of two TF-IDF cosines: words (`WORD_SHARE`) and trigrams (the rest).

    Each distinct piece of text is cut once: texts x features is (texts x pieces) times (pieces x features).
    """
    check(argument)
    occurs, pieces = count_pieces(keys)
    parts = [count_features(map(words, pieces))[0], count_features(ngrams(piece, N, N) for piece in pieces)[0]]
    within = occurs @ sp.csr_array(sp.hstack(parts, format="csr"))
    part = np.repeat(np.arange(len(parts)), [each.shape[1] for each in parts])
    return tf_idf(within, part[sort_rare_first(within)], (WORD_SHARE, 1 - WORD_SHARE))
