"""What the other pairs of a table tell of a pair: two texts that are like different others are less likely duplicates.

The names of branches, the titles of a series or questions on one subject share words, so that each is like many others. A score
that reads the two texts alone cannot see that. Duplicates mostly have few others, or the same ones: the members of a group of
ten are like each other. So the log-odds of a pair are lower the more its texts are expected to have duplicates that the other
text has not. Logistic regression on tables that are made up, `examples/fit_pair_score.py`, gives the three numbers.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, logit

from dlcli.core.text.scoring.arrays import PROBABILITY_DIGITS, Floats, row_sums
from dlcli.core.text.search.neighbours import Pairs

COUNTED = 0.1
"""Pairs of at least this probability count. Most of a large table have less, and are not kept."""
_UNIT = 10.0**PROBABILITY_DIGITS
_PAIRS = 1 << 14
"""Pairs whose rows are compared at a time."""


@dataclass(frozen=True)
class Crowding:
    """The correction: slope x log-odds + intercept - others x disagreement.

    Attributes:
        slope: Factor of the log-odds, above 0.
        intercept: Constant.
        others: Weight of the disagreement, 0 or more.
    """

    slope: float
    intercept: float
    others: float

    def corrected(self, probability: Floats, disagreement: Floats) -> Floats:
        """Correct probabilities.

        Args:
            probability: That of each pair, (pairs,); 0 and 1 are certain and stay.
            disagreement: That of each, (pairs,), see `disagreement`.

        Returns:
            The corrected probabilities, (pairs,).
        """
        certain = (probability <= 0) | (probability >= 1)
        odds = logit(np.where(certain, 0.5, probability))
        found = expit(self.slope * odds + self.intercept - self.others * disagreement)
        return np.where(certain, probability, np.round(found, PROBABILITY_DIGITS))

    def smallest_reaching(self, probability: float) -> float:
        """The smallest probability of a pair without others that is corrected to at least the given one, or slightly less."""
        if not 0 < probability < 1:
            return probability
        odds = (logit(probability) - self.intercept) / self.slope
        return max(0.0, float(expit(odds)) - 2 / _UNIT)


def disagreement(pairs: Pairs, probability: Floats, texts: int, of: Pairs | None = None) -> Floats:
    """How much the duplicates that two texts are expected to have differ, beside each other.

    With p(i, k) the probability of a pair, 0 if it is below `COUNTED` or certain (a text of the same words tells nothing), and
    sums over all texts k but the two, it is sum |p(i, k) - p(j, k)| / (1 + sum (p(i, k) + p(j, k))), in [0, 1).

    Args:
        pairs: Numbers of the texts of each pair: all candidates of a table, at least those from `COUNTED` on.
        probability: Their probabilities, (pairs,).
        texts: Number of texts of the table.
        of: The pairs to return it for, with (k,) of them; None for the candidates.

    Returns:
        The disagreement of each, (k,).
    """
    counted = (probability >= COUNTED) & (probability < 1)
    a, b = pairs.first[counted], pairs.second[counted]
    # Whole numbers, whose sums are exact in any order.
    value = np.rint(probability[counted] * _UNIT)
    likely = sp.csr_array((np.append(value, value), (np.append(a, b), np.append(b, a))), shape=(texts, texts))
    total = row_sums(likely)
    asked = pairs if of is None else of
    found = np.zeros(len(asked))
    for start in range(0, len(asked), _PAIRS):
        part = slice(start, start + _PAIRS)
        first, second = asked.first[part], asked.second[part]
        own = 2 * np.asarray(likely[first, second]).ravel()
        differing = row_sums(abs(likely[first] - likely[second])) - own
        found[part] = differing / (_UNIT + total[first] + total[second] - own)
    return found
