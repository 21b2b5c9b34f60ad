"""Pairs of texts with the probability that they are duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from dlcli.core.text.cut_texts import chosen_texts
from dlcli.core.text.ragged import compact_ids
from dlcli.core.text.scoring.arrays import PROBABILITY_DIGITS, Floats, Rows
from dlcli.core.text.scoring.pair_score import PairScore
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.scoring.sentence_score import cosine_above_chance
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.strict import differ_in_form_alone, spell_out


@dataclass(frozen=True)
class ScoredPairs:
    """Candidates with the `probability` of each, (pairs,), that its texts are duplicates."""

    pairs: Pairs
    probability: Floats

    def duplicates(self, threshold: float) -> "ScoredPairs":
        """The pairs at or above the threshold."""
        kept = self.probability >= threshold
        pairs = Pairs(self.pairs.first[kept], self.pairs.second[kept], self.pairs.score[kept])
        return ScoredPairs(pairs, self.probability[kept])

    def by_probability(self) -> Pairs:
        """The pairs with their probability as the score."""
        return Pairs(self.pairs.first, self.pairs.second, self.probability.astype(np.float32))


class Texts(Protocol):
    """The distinct texts of a table: `Distinct`, or stored ones."""

    @property
    def texts(self) -> Sequence[str]:
        """Their spelling."""

    @property
    def strict(self) -> bool:
        """Whether marks and case count as `dlcli.core.text.strict` describes."""

    def __len__(self) -> int:
        """How many there are."""


def score_pairs(
    scorer: Scorer, texts: Texts, pairs: Pairs, table: TableWords | None = None, chance: float | None = None
) -> ScoredPairs:
    """Score each pair; only texts that are in a pair are tokenized.

    Args:
        scorer: Scorer of pairs.
        texts: The distinct texts.
        pairs: Numbers of the texts of each pair, with their cosines.
        table: How frequent words are in the table; None omits that.
        chance: The mean cosine of any two texts, if cosines count; None omits them.

    Returns:
        The pairs with their probabilities.
    """
    needed, (first, second) = compact_ids(len(texts), pairs.first, pairs.second)
    some = chosen_texts(texts.texts, needed)
    above_chance = None if chance is None else cosine_above_chance(pairs.score, chance)
    context = PairContext(table, above_chance, texts.strict)
    return ScoredPairs(pairs, rounded_probability(scorer, some, first, second, context))


class PairContext(NamedTuple):
    """What is known of pairs beside their texts.

    Attributes:
        table: How frequent words are in the table; None omits that.
        above_chance: The cosine of a sentence model above chance, (pairs,); None omits that.
        strict: Whether marks and case count as `dlcli.core.text.strict` describes.
    """

    table: TableWords | None = None
    above_chance: Floats | None = None
    strict: bool = False


def rounded_probability(scorer: Scorer, texts: Sequence[str], first: Rows, second: Rows, context: PairContext) -> Floats:
    """Score pairs, rounded so that every machine and number of threads gives the same probability.

    Args:
        scorer: Scorer of pairs.
        texts: Texts that pairs refer to by index.
        first: Index of the first text of each pair, (pairs,).
        second: Index of the second text, (pairs,).
        context: What else is known of the pairs.

    Returns:
        The probability that the texts are duplicates, (pairs,).
    """
    table, above_chance, strict = context
    if not strict:
        return np.round(scorer.score(texts, first, second, table, above_chance), PROBABILITY_DIGITS)
    # A model that was trained on texts as they are has not seen marks spelled out.
    compared = spell_out(texts) if isinstance(scorer, PairScore) else texts
    found = np.round(scorer.score(compared, first, second, table, above_chance), PROBABILITY_DIGITS)
    return np.where(differ_in_form_alone(texts, first, second), 0.0, found)
