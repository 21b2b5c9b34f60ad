"""Vectors of texts that stay the same from training to use: what is learned from the training texts is kept.

An encoder is fitted for a spec of `dlcli.core.text.vectors` and gives dense rows: `tfidf` (hashed to a fixed width),
`word2vec[:DIMENSIONS]` (its table is kept, words by CRC-32), `spacy:PACKAGE`, `static:FOLDER` and `sentence:PACKAGE` (read
again from the package). Where a text is a mean of word vectors, the rarity of the words is that in the training texts.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.scoring.features import Rarity, word_hash
from dlcli.core.text.tokens import ngrams, words
from dlcli.core.text.vectors import check_vectors, make_vectors
from dlcli.core.text.vectors.averaging import normalize_rows
from dlcli.core.text.vectors.encoders import spacy, word2vec
from dlcli.core.text.vectors.weighting import count_features, count_pieces
from dlcli.support.errors import UsageError

WIDTH = 512
"""Columns of the hashed `tfidf`."""
Rows = NDArray[np.float32]


class Encoder(Protocol):
    """Texts to dense rows."""

    @property
    def spec(self) -> str:
        """The kind of vectors, as given to --vectors."""

    def encode(self, keys: list[str]) -> Rows:
        """The rows (n, dimensions) of distinct folded texts."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned from the training texts."""


@dataclass(frozen=True)
class Whole:
    """Vectors that depend on nothing but the text: `static` and `sentence`."""

    spec: str

    def encode(self, keys: list[str]) -> Rows:
        """Unit rows (n, dimensions); raises what `make_vectors` raises."""
        return np.asarray(make_vectors(self.spec, keys), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Nothing is learned."""
        return {}


@dataclass(frozen=True)
class Means:
    """The mean of a text's word vectors, weighted by the `rarity` of each distinct word, or all alike without it.

    `look_up` gives a row for each of the distinct words, zeros for one that it does not know; `unit_length` scales the means.
    """

    spec: str
    look_up: Callable[[list[str]], Rows | sp.csr_array]
    rarity: Rarity | None
    table: tuple[NDArray[np.int64], Rows] | None = None
    unit_length: bool = True

    def encode(self, keys: list[str]) -> Rows:
        """Rows (n, dimensions), of length 1 or 0 if `unit_length`."""
        occurs, pieces = count_pieces(keys)
        in_piece, vocabulary = count_features(words(piece) for piece in pieces)
        inside = sp.csr_array(occurs @ in_piece)
        weights = np.ones(len(vocabulary)) if self.rarity is None else self.rarity.of(vocabulary)
        inside.data = weights[inside.indices].astype(np.float32)
        sums = inside @ self.look_up(vocabulary)
        sums = sums.toarray() if sp.issparse(sums) else np.asarray(sums)
        if self.unit_length:
            return normalize_rows(sums.astype(np.float32))
        return (sums / np.maximum(inside.sum(axis=1), 1e-9)[:, None]).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The rarities and the table, if there are any."""
        found: dict[str, NDArray[Any]] = {}
        if self.rarity is not None:
            found |= {"rarity.hashes": self.rarity.hashes, "rarity.values": self.rarity.values}
            found["rarity.unseen"] = np.array([self.rarity.unseen])
        if self.table is not None:
            found |= {"table.hashes": self.table[0], "table.rows": self.table[1]}
        return found


def fit_encoder(spec: str, keys: list[str], *, weighted: bool = True, unit_length: bool = True) -> Encoder:
    """The encoder for `spec`, NAME or NAME:ARGUMENT, fitted on the distinct folded texts `keys`.

    `weighted` and `unit_length` are for the kinds that are means of word vectors; the others are as they come. Raises what
    `make_vectors` raises.
    """
    kind, _, argument = spec.partition(":")
    if kind in ("static", "sentence"):
        return Whole(spec)
    rarity = rarity_of(keys) if weighted else None
    table = word2vec_table(keys, argument) if kind == "word2vec" else None
    return replace(_means(spec, rarity, table), unit_length=unit_length)


def read_encoder(spec: str, arrays: Mapping[str, NDArray[Any]], *, unit_length: bool = True) -> Encoder:
    """The encoder whose `arrays()` these are; raises what `make_vectors` raises, KeyError if one is missing."""
    kind = spec.partition(":")[0]
    if kind in ("static", "sentence"):
        return Whole(spec)
    rarity = None
    if "rarity.hashes" in arrays:
        rarity = Rarity(arrays["rarity.hashes"], arrays["rarity.values"], float(arrays["rarity.unseen"][0]))
    table = (arrays["table.hashes"], arrays["table.rows"]) if kind == "word2vec" else None
    return replace(_means(spec, rarity, table), unit_length=unit_length)


def _means(spec: str, rarity: Rarity | None, table: tuple[NDArray[np.int64], Rows] | None) -> Means:
    kind, _, argument = spec.partition(":")
    if kind == "spacy":
        return Means(spec, spacy.look_up(argument), rarity)
    if table is not None:
        return Means(spec, lambda vocabulary: _rows_of(table, vocabulary), rarity, table)
    check_vectors(spec)
    return Means(spec, _hashed, rarity)


def rarity_of(keys: list[str]) -> Rarity:
    """ln((1 + n) / (1 + df)) + 1 for each word in df of the n keys, and for one that is in none (as `vectors.base.tf_idf`)."""
    cut = {piece: words(piece) for key in keys for piece in key.split()}
    known = Counter(word for key in keys for word in {word for piece in key.split() for word in cut[piece]})
    values = {word_hash(word): np.log((1 + len(keys)) / (1 + n)) + 1 for word, n in known.items()}
    hashes = np.array(sorted(values), np.int64)
    return Rarity(hashes, np.array([values[k] for k in hashes]), float(np.log(1 + len(keys)) + 1))


def word2vec_table(keys: list[str], argument: str) -> tuple[NDArray[np.int64], Rows]:
    """The words of the texts by CRC-32, sorted, and their vectors as `word2vec` trains them."""
    vocabulary = sorted({word for key in keys for piece in key.split() for word in words(piece)})
    rows = word2vec.train(keys, argument)(vocabulary)
    hashes, places = np.unique(np.array([word_hash(word) for word in vocabulary], np.int64), return_index=True)
    return hashes, rows[places]


def _rows_of(table: tuple[NDArray[np.int64], Rows], vocabulary: list[str]) -> Rows:
    hashes, rows = table
    wanted = np.array([word_hash(word) for word in vocabulary], np.int64)
    places = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
    return np.where((hashes[places] == wanted)[:, None], rows[places], np.float32(0))


def _hashed(vocabulary: list[str]) -> sp.csr_array:
    """Each word and its character trigrams, thrown into `WIDTH` columns with a sign (Weinberger et al. 2009)."""
    cut, grams = count_features([f"w {word}", *ngrams(word, 3, 3)] for word in vocabulary)
    hashes = np.array([word_hash(gram) for gram in grams], np.int64)
    signs = np.where(hashes >> 16 & 1, 1, -1).astype(np.float32)
    throw = sp.csr_array((signs, (np.arange(len(grams)), hashes % WIDTH)), shape=(len(grams), WIDTH))
    return sp.csr_array(cut @ throw)


def rows_of_words(spec: str, keys: list[str], vocabulary: list[str]) -> Rows:
    """A vector for each of some words of the keys, (words, dimensions), zeros where there is none, by word2vec or spacy.

    Raises UsageError for another spec, and what these raise.
    """
    kind, _, argument = spec.partition(":")
    if kind == "word2vec":
        return word2vec.train(keys, argument)(vocabulary)
    if kind == "spacy":
        return spacy.look_up(argument)(vocabulary)
    raise UsageError(f"--vectors: {spec} has no vectors of words", hint="--vectors word2vec or spacy:PACKAGE")
