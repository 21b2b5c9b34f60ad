"""Dense vectors of texts that do not change between training and use: whatever depends on the training texts is stored.

An encoder is fitted for a spec of `dlcli.core.text.vectors` and gives dense rows: `tfidf` (hashed to a fixed width),
`word2vec[:DIMENSIONS]` (its table is stored, words by their CRC-32), `spacy:PACKAGE`, `static:FOLDER` and `sentence:PACKAGE`
(loaded again from the package). Where a text is a mean of word vectors, words are weighted by their rarity in the training
texts.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.scoring.rarity import Rarity, word_hash
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
    """Maps texts to dense vectors."""

    @property
    def spec(self) -> str:
        """The kind of vectors, as in `vectors` of a configuration."""

    def encode(self, keys: list[str]) -> Rows:
        """The vectors (n, dimensions) of distinct folded texts."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned from the training texts, by name."""


@dataclass(frozen=True)
class TextEncoder:
    """An encoder that needs no fitting, for `static` and `sentence`: a vector depends on its text alone.

    Attributes:
        spec: The kind of vectors, as in `vectors` of a configuration.
        device: Where vectors are computed, if the kind uses a device; it is not stored.
    """

    spec: str
    device: str = "auto"

    def encode(self, keys: list[str]) -> Rows:
        """Unit vectors (n, dimensions); raises what `make_vectors` raises."""
        return np.asarray(make_vectors(self.spec, keys, self.device), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Empty: nothing is learned."""
        return {}


class WordTable(NamedTuple):
    """Vectors of words: their CRC-32 `hashes`, (words,), sorted, and `rows`, (words, dimensions)."""

    hashes: NDArray[np.int64]
    rows: Rows

    def look_up(self, vocabulary: list[str]) -> Rows:
        """The vectors of words, (words, dimensions), zeros for an unknown word."""
        wanted = np.array([word_hash(word) for word in vocabulary], np.int64)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return np.where((self.hashes[places] == wanted)[:, None], self.rows[places], np.float32(0))


@dataclass(frozen=True)
class MeanWordEncoder:
    """A text as the weighted mean of its word vectors.

    Attributes:
        spec: The kind of vectors, as in `vectors` of a configuration.
        look_up: Gives the vectors of distinct words, (words, dimensions), zeros for an unknown word.
        rarity: Weights of the words; None weights all words alike.
        table: The vectors to store with the encoder, if `look_up` reads them from there.
        unit_length: Whether to scale the means to length 1.
    """

    spec: str
    look_up: Callable[[list[str]], Rows | sp.csr_array]
    rarity: Rarity | None
    table: WordTable | None = None
    unit_length: bool = True

    def encode(self, keys: list[str]) -> Rows:
        """Vectors (n, dimensions), zeros for a text without known words."""
        occurs, pieces = count_pieces(keys)
        in_piece, vocabulary = count_features(words(piece) for piece in pieces)
        inside = sp.csr_array(occurs @ in_piece)
        weights = np.ones(len(vocabulary)) if self.rarity is None else self.rarity.of(vocabulary)
        inside.data = weights[inside.indices].astype(np.float32)
        product = inside @ self.look_up(vocabulary)
        sums = np.asarray(product.toarray() if sp.issparse(product) else product)
        if self.unit_length:
            return normalize_rows(sums.astype(np.float32))
        means: Rows = (sums / np.maximum(inside.sum(axis=1), 1e-9)[:, None]).astype(np.float32)
        return means

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The rarities and the table of word vectors, if there are any."""
        found: dict[str, NDArray[Any]] = {}
        if self.rarity is not None:
            found |= {"rarity.hashes": self.rarity.hashes, "rarity.values": self.rarity.values}
            found["rarity.unseen"] = np.array([self.rarity.unseen])
        if self.table is not None:
            found |= {"table.hashes": self.table.hashes, "table.rows": self.table.rows}
        return found


def fit_encoder(spec: str, keys: list[str], *, weighted: bool = True, unit_length: bool = True) -> Encoder:
    """Fit the encoder for `spec` on texts.

    Args:
        spec: The kind of vectors, NAME or NAME:ARGUMENT.
        keys: Distinct folded texts.
        weighted: Whether to weight words by rarity; only for means of word vectors.
        unit_length: Whether to scale vectors to length 1; only for means of word vectors.

    Returns:
        The fitted encoder.

    Raises:
        DlcliError: Whatever `make_vectors` raises: an unknown kind, a package that is not installed.
    """
    kind, _, argument = spec.partition(":")
    if kind in ("static", "sentence"):
        return TextEncoder(spec)
    rarity = fit_rarity(keys) if weighted else None
    table = word2vec_table(keys, argument) if kind == "word2vec" else None
    return replace(_mean_encoder(spec, rarity, table), unit_length=unit_length)


def load_encoder(spec: str, arrays: Mapping[str, NDArray[Any]], *, unit_length: bool = True) -> Encoder:
    """The encoder whose `arrays()` these are; raises what `make_vectors` raises, and KeyError if an array is missing."""
    kind = spec.partition(":")[0]
    if kind in ("static", "sentence"):
        return TextEncoder(spec)
    rarity = None
    if "rarity.hashes" in arrays:
        rarity = Rarity(arrays["rarity.hashes"], arrays["rarity.values"], float(arrays["rarity.unseen"][0]))
    table = WordTable(arrays["table.hashes"], arrays["table.rows"]) if kind == "word2vec" else None
    return replace(_mean_encoder(spec, rarity, table), unit_length=unit_length)


def _mean_encoder(spec: str, rarity: Rarity | None, table: WordTable | None) -> MeanWordEncoder:
    kind, _, argument = spec.partition(":")
    if kind == "spacy":
        return MeanWordEncoder(spec, spacy.look_up(argument), rarity)
    if table is not None:
        return MeanWordEncoder(spec, table.look_up, rarity, table)
    check_vectors(spec)
    return MeanWordEncoder(spec, _hashed, rarity)


def fit_rarity(keys: list[str]) -> Rarity:
    """Smoothed inverse document frequencies: ln((1 + n) / (1 + df)) + 1 of a word in df of the n keys, as `weighting.tf_idf`.

    A word that is in none of the keys has df 0.
    """
    cut = {piece: words(piece) for key in keys for piece in key.split()}
    counts = Counter(word for key in keys for word in {word for piece in key.split() for word in cut[piece]})
    values = {word_hash(word): np.log((1 + len(keys)) / (1 + n)) + 1 for word, n in counts.items()}
    hashes = np.array(sorted(values), np.int64)
    return Rarity(hashes, np.array([values[k] for k in hashes]), float(np.log(1 + len(keys)) + 1))


def word2vec_table(keys: list[str], argument: str) -> WordTable:
    """The vectors that `word2vec` learns from texts; `argument` is the number of dimensions, "" for its default."""
    vocabulary = sorted({word for key in keys for piece in key.split() for word in words(piece)})
    rows = word2vec.train(keys, argument)(vocabulary)
    hashes, places = np.unique(np.array([word_hash(word) for word in vocabulary], np.int64), return_index=True)
    return WordTable(hashes, rows[places])


def _hashed(vocabulary: list[str]) -> sp.csr_array:
    """Each word and its character trigrams, hashed into `WIDTH` columns with a sign (Weinberger et al. 2009)."""
    cut, grams = count_features([f"w {word}", *ngrams(word, 3, 3)] for word in vocabulary)
    hashes = np.array([word_hash(gram) for gram in grams], np.int64)
    # The column comes from the low bits of the hash and the sign from a high one: colliding grams cancel as often as they add.
    signs = np.where(hashes >> 16 & 1, 1, -1).astype(np.float32)
    projection = sp.csr_array((signs, (np.arange(len(grams)), hashes % WIDTH)), shape=(len(grams), WIDTH))
    return sp.csr_array(cut @ projection)


def word_vectors(spec: str, keys: list[str], vocabulary: list[str]) -> Rows:
    """The vectors of some words of the keys, (words, dimensions), by word2vec or spaCy; zeros for an unknown word.

    Raises UsageError for another spec, and what these raise.
    """
    kind, _, argument = spec.partition(":")
    if kind == "word2vec":
        return word2vec.train(keys, argument)(vocabulary)
    if kind == "spacy":
        return spacy.look_up(argument)(vocabulary)
    raise UsageError(f"`vectors`: {spec} has no vectors of words", hint="choose `vectors=word2vec` or `vectors=spacy:PACKAGE`")
