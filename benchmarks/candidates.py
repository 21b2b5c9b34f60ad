"""Choose the default `--candidates` of each kind of vectors: what each cosine costs, finds and lets in, on the Quora pairs.

    python benchmarks/candidates.py ../shared/data/pairs/quora_pairs.csv.gz --vectors tfidf word2vec

Texts are the questions of whole connected components of labelled pairs, drawn at random until there are --texts: like a
user's table, of which only a few pairs are labelled. All pairs are compared by brute force. For each cosine: pairs per text
from it on; the share of the labelled duplicates among them; the pairs per thousand texts that the built-in score then calls
duplicates at its default threshold; and how many of these are known duplicates, labelled so or connected by such labels. The
true share is higher, since most pairs are not labelled. Wilson intervals, 95%. Cosines with more pairs than --scored are not
scored.
"""

import argparse
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs
from dlcli.core.proportion import proportion
from dlcli.core.text.distinct import distinct
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.vectors import candidate_cosine, make_vectors
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.specs.dedupe import THRESHOLD

PAIRS = Path(__file__).resolve().parents[2] / "shared" / "data" / "pairs" / "quora_pairs.csv.gz"
SEED = 0
LEVELS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.97, 0.98)
_BLOCK = 1 << 9

Numbers = NDArray[np.int64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="?", default=str(PAIRS), help=f"default: {PAIRS}")
    parser.add_argument("--vectors", nargs="+", default=["tfidf"])
    parser.add_argument("--texts", type=int, default=30_000)
    parser.add_argument("--scored", type=int, default=3_000_000, help="most pairs to score")
    options = parser.parse_args()
    pairs = sample_components(read_labelled_pairs(options.pairs), options.texts)
    texts = distinct(pairs.texts)
    ends = np.stack([texts.of_row[pairs.first], texts.of_row[pairs.second]])
    ends = ends[:, pairs.duplicate & (ends[0] != ends[1])]
    print(f"{date.today()}, seed {SEED}, {len(texts):,} texts, {ends.shape[1]:,} labelled duplicates")
    for kind in options.vectors:
        print(f"\n{kind}, default {candidate_cosine(kind):g}")
        levels(make_vectors(kind, texts.keys), texts.texts, ends, options.scored)


def sample_components(pairs: LabelledPairs, texts: int) -> LabelledPairs:
    """Draw connected components at random until they have at least that number of texts."""
    order = np.random.default_rng(SEED).permutation(pairs.component.max() + 1)
    of_text = np.full(len(pairs.texts), -1)
    of_text[pairs.first] = of_text[pairs.second] = pairs.component
    sizes = np.bincount(of_text[of_text >= 0], minlength=len(order))[order]
    drawn = order[: int(np.searchsorted(np.cumsum(sizes), texts)) + 1]
    return pairs.take(np.isin(pairs.component, drawn))


def levels(vectors: Matrix, texts: list[str], ends: Numbers, most: int) -> None:
    """Print one row per cosine of `LEVELS`, the highest first.

    Args:
        vectors: Vectors of the texts.
        texts: The texts.
        ends: Numbers of the two texts of each labelled duplicate, (2, pairs).
        most: Cosines with more pairs than this are not scored.
    """
    counts = sum(np.array([(block >= level).sum() for level in LEVELS]) for block in all_products(vectors))
    labelled = cosines(vectors, *ends.astype(np.int32))
    scored = [level for level, count in zip(LEVELS, counts, strict=True) if count <= most]
    cosine, known = called_pairs(vectors, texts, ends, min(scored, default=1.0))
    print("  cosine | pairs per text | labelled duplicates found | called per 1,000 texts | known duplicates of these")
    for level, count in reversed(list(zip(LEVELS, counts.tolist(), strict=True))):
        cells = [f"{level:.2f}", f"{count / len(texts):.2f}", str(proportion(int((labelled >= level).sum()), len(labelled)))]
        if level in scored:
            called = cosine >= level
            cells += [f"{1000 * called.sum() / len(texts):.1f}", str(proportion(int(known[called].sum()), int(called.sum())))]
        print("  " + " | ".join(cells))


def all_products(vectors: Matrix) -> Iterator[NDArray[np.float32]]:
    """Blocks of rows of the upper triangle of all products; the other entries are -1."""
    for start in range(0, vectors.shape[0], _BLOCK):
        found = vectors[start : start + _BLOCK] @ vectors[start:].T
        found = found if isinstance(found, np.ndarray) else found.toarray()
        found[np.tril_indices(len(found))] = -1
        yield found


def called_pairs(
    vectors: Matrix, texts: list[str], duplicates: Numbers, level: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Find the pairs at or above a cosine that the built-in score calls duplicates.

    Args:
        vectors: Vectors of the texts.
        texts: The texts.
        duplicates: Numbers of the two texts of each labelled duplicate, (2, pairs).
        level: Smallest cosine.

    Returns:
        The cosine of each such pair, and whether it is a known duplicate.
    """
    found, start = [np.empty((3, 0))], 0
    for block in all_products(vectors):
        left, right = np.nonzero(block >= level)
        found.append(np.stack([left + start, right + start, block[left, right]]))
        start += len(block)
    first, second, cosine = np.concatenate(found, axis=1)
    first, second = first.astype(np.int64), second.astype(np.int64)
    called = built_in().score(texts, first, second) >= THRESHOLD
    graph = sp.coo_array((np.ones(duplicates.shape[1]), duplicates), shape=(len(texts), len(texts)))
    component = connected_components(graph, directed=False)[1]
    return cosine[called].astype(np.float32), component[first[called]] == component[second[called]]


if __name__ == "__main__":
    main()
