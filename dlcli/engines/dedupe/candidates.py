"""Candidates: the pairs of distinct texts that are similar enough to be scored."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.grouped import grouped_share
from dlcli.core.text.distinct import Distinct
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.sentence_score import chance_cosine
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.search.blocks import Blocks
from dlcli.core.text.search.budget import (
    Level,
    PairSample,
    check_pairs_fit,
    cosine_within,
    level_within,
    pair_budget,
    pairs_from,
    united,
)
from dlcli.core.text.search.neighbours import Pairs, finds_all, sampled_recall
from dlcli.core.text.vectors import candidate_cosine, make_vectors, vectors_are_scored
from dlcli.core.text.vectors.devices import search_device
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.missed import NextPairs, next_level, next_pairs
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.estimates import Estimate
from dlcli.support.reporter import Reporter

if TYPE_CHECKING:
    import torch

SECOND_SEARCH = 5_000
"""Up to this many distinct texts candidates are sought by a second kind of vectors too."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of distinct texts that are similar enough to be scored.

    Attributes:
        pairs: Numbers of the texts, with the cosine as score.
        min_cosine: Smallest cosine of a pair.
        recall: Fraction of the pairs with such a cosine that was found, if it was measured.
        chance: The mean cosine of any two texts, if the score uses cosines.
        beyond: The pairs next most alike, of a table that is not large.
        dropped: Number of further pairs, which were scored and whose probability is too low to matter.
    """

    pairs: Pairs
    min_cosine: float
    recall: Estimate | None
    chance: float | None = None
    beyond: NextPairs | None = None
    dropped: int = 0


def min_cosine(config: DedupeConfig) -> float:
    """The smallest cosine of a candidate pair."""
    return candidate_cosine(config.vectors) if config.candidates is None else config.candidates


@dataclass(frozen=True)
class PairSearch:
    """How candidates are found.

    Attributes:
        vectors: Vectors of the texts.
        level: Smallest cosine of a candidate pair, 0 for all pairs.
        twice: Whether pairs are sought by a second kind of vectors too.
        device: The accelerator that searches, None for the CPU.
        chance: The mean cosine of any two texts, if the score uses cosines.
        block: The block of each text, if only pairs within a block count.
        sample: The pairs that were seen when the level was chosen; None if none were looked at.
    """

    vectors: Matrix
    level: float
    twice: bool
    device: "torch.device | None"
    chance: float | None
    block: Blocks | None
    sample: PairSample | None = None

    @property
    def in_cells(self) -> bool:
        """Whether the join may be cut into cells: it is exact, and one for all pairs that are found."""
        exact = self.device is None and finds_all(self.vectors, self.block, None)
        return self.level > 0 and not self.twice and exact


def plan_search(config: DedupeConfig, texts: Distinct) -> PairSearch | None:
    """Compute the vectors and choose the pairs to score: by `candidates`, or else as many as the budget allows.

    Returns:
        The search; None if there are no two texts.
    """
    if len(texts) < 2:
        return None
    vectors = make_vectors(config.vectors, texts.keys, config.device)
    level, sample = choose_level(config, vectors, texts.block)
    twice = config.candidates is None and level > 0 and len(texts) <= SECOND_SEARCH
    device = search_device(config.vectors, config.device)
    return PairSearch(vectors, level, twice, device, chance(config, vectors), texts.block, sample)


def find_candidates(config: DedupeConfig, texts: Distinct, search: PairSearch | None, report: Reporter) -> Candidates:
    """Find the pairs to score, in this process.

    Args:
        config: Options.
        texts: The distinct texts.
        search: How to find them; None if there are no two texts.
        report: Shows progress.

    Returns:
        The pairs.
    """
    if search is None:
        none = np.empty(0, np.int32)
        return Candidates(Pairs(none, none, np.empty(0, np.float32)), min_cosine(config), None)
    vectors, level = search.vectors, search.level
    lower = next_level(vectors, texts, level, candidate_cosine(config.vectors)) if search.twice else level
    if lower > 0:
        check_pairs_fit(vectors, lower, block=texts.block)
    with report.task("comparing, texts", total=len(texts)) as task:
        more = pairs_from(vectors, lower, block=texts.block, device=search.device, advance=task.advance)
    pairs = more.from_cosine(level) if lower < level else more
    missing = level > 0 and not finds_all(vectors, texts.block, search.device)
    recall = estimate_recall(vectors, pairs, level, np.arange(len(texts)), texts.block) if missing else None
    if not search.twice:
        return Candidates(pairs, level, recall, search.chance)
    pairs = united(vectors, pairs, _by_other_vectors(texts, vectors))
    return Candidates(pairs, level, recall, search.chance, next_pairs(more, pairs, len(texts), lower))


def chance(config: DedupeConfig, vectors: Matrix) -> float | None:
    """The mean cosine of any two texts, if the score uses cosines."""
    return None if sp.issparse(vectors) or not vectors_are_scored(config.vectors) else chance_cosine(vectors)


def choose_level(config: DedupeConfig, vectors: Matrix, block: Blocks | None) -> Level:
    """The smallest cosine of a candidate pair: `candidates`, or what keeps to the budget, 0 for all pairs."""
    if config.candidates is not None:
        return Level(config.candidates)
    return level_within(vectors, pair_budget(vectors.shape[0], block), candidate_cosine(config.vectors), block=block)


def _by_other_vectors(texts: Distinct, vectors: Matrix) -> Pairs:
    """The pairs that are most alike by vectors of another kind: by meaning beside TF-IDF, by TF-IDF beside all others.

    Two searches that are unlike miss different pairs: other words for the same, or the same word among many others.
    """
    budget, block = pair_budget(len(texts)), texts.block
    if not sp.issparse(vectors):
        other = make_vectors("tfidf", texts.keys)
        return pairs_from(other, cosine_within(other, budget, candidate_cosine("tfidf"), block=block), block=block)
    score = built_in()
    means = tokenize_texts(texts.keys, score.rarity, vectors=score.vectors).vectors
    return pairs_from(means, cosine_within(means, budget, 1.0, block=block), block=block)


def estimate_recall(
    vectors: Matrix, pairs: Pairs, level: float, among: NDArray[np.int64], block: Blocks | None
) -> Estimate | None:
    """Estimate which fraction of the similar pairs of some texts was found, where the search may miss some.

    The interval is by text, as texts are drawn: a search that misses a pair of a group mostly misses the group.

    Args:
        vectors: Vectors of all texts.
        pairs: The pairs that were found.
        level: Smallest cosine of a similar pair.
        among: Numbers of the texts to sample from.
        block: The block of each text, if only pairs within a block count.

    Returns:
        The recall, with its 95% interval; None if the sample has no similar pair.
    """
    found, wanted = sampled_recall(vectors, pairs, level, among=among, block=block)
    return grouped_share(found, wanted) if wanted.any() else None
