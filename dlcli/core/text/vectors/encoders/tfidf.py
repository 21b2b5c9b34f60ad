"""`tfidf`: TF-IDF of words and of character trigrams within words; needs no download."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from dlcli.core.text.tokens import ngrams, words
from dlcli.core.text.vectors.weighting import PiecesOfKeys, count_features, weighed_products
from dlcli.support.errors import UsageError

CANDIDATE_COSINE = 0.75
DEPENDS_ON = "table"
SCORED = False
DEVICE = ""
N = 3
WORD_SHARE = 0.2
"""Weight of the word cosine; the trigram cosine has the rest. Chosen, as `N`, on one half of the Quora pairs."""


def check(argument: str) -> None:
    """Raise UsageError if there is an argument: tfidf takes none."""
    if argument:
        raise UsageError(f"`vectors`: tfidf takes no ':{argument}'", hint="`vectors=tfidf`")


def vectors(keys: Sequence[str], argument: str = "") -> sp.csr_array:
    """Unit rows whose dot product is the weighted mean of two TF-IDF cosines: words (`WORD_SHARE`) and trigrams (the rest).

    Each distinct piece of text is tokenized once: texts x features is (texts x pieces) times (pieces x features).
    """
    check(argument)
    occurs = PiecesOfKeys(keys)
    found = (count_features(map(words, occurs.pieces)), count_features(ngrams(piece, N, N) for piece in occurs.pieces))
    within = sp.csr_array(sp.hstack([each.counts for each in found], format="csr"))
    part = np.repeat(np.arange(len(found)), [each.counts.shape[1] for each in found])
    return weighed_products(occurs, within, part, (WORD_SHARE, 1 - WORD_SHARE))
