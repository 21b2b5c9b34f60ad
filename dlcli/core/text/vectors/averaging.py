"""Means of word vectors weighted by TF-IDF, for the kinds of vectors that have one vector per word."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.tokens import words
from dlcli.core.text.vectors.weighting import count_features, count_pieces, tf_idf


def weighted_means(keys: list[str], look_up: Callable[[list[str]], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average the word vectors of each text, weighted by TF-IDF, and scale the mean to length 1.

    Args:
        keys: Folded texts.
        look_up: Returns one row per distinct word, (words, dimensions); zeros for an unknown word.

    Returns:
        Unit rows (texts, dimensions). A text without known words gets zeros, so that its cosine with every text is 0.
    """
    occurs, pieces = count_pieces(keys)
    in_piece, vocabulary = count_features(words(piece) for piece in pieces)
    return normalize_rows(tf_idf(occurs @ in_piece) @ look_up(vocabulary))


def normalize_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row scaled to length 1, float32; rows of zeros stay as they are."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return (rows / np.where(length > 0, length, 1)[:, None]).astype(np.float32, copy=False)
