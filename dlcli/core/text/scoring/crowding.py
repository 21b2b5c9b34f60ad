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

from dlcli.core.text.scoring.arrays import PROBABILITY_DIGITS, Floats, Rows, row_sums
from dlcli.core.text.search.neighbours import Pairs
from dlcli.support.seeds import derive

COUNTED = 0.1
"""Pairs of at least this probability count. Most of a large table have less, and are not kept."""
_UNIT = 10.0**PROBABILITY_DIGITS
_COMPARED = 256
"""About as many others of a pair are compared at the most. Where it has more, those among a random part of the texts are."""
_PAIRS = 1 << 14
"""Pairs whose others are compared at a time."""
_SEED = 0


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
        The disagreement of each, (k,), of a pair with hundreds of others an estimate.
    """
    likely, asked = _likely(pairs, probability, texts), pairs if of is None else of
    total, partners = row_sums(likely), np.diff(likely.indptr)
    halvings = np.ceil(np.log2(np.maximum(1.0, (partners[asked.first] + partners[asked.second]) / _COMPARED)))
    drawn = np.random.default_rng(derive(_SEED, "crowding")).permutation(texts)
    found = np.zeros(len(asked))
    for times in (2.0 ** np.unique(halvings)).tolist():
        some = np.flatnonzero(2.0**halvings == times)
        # The same part of the texts for both rows of a pair, so that what they have in common stays in common.
        part = likely if times == 1 else sp.csr_array(likely @ sp.diags_array((drawn < texts / times).astype(np.float64)))
        part.eliminate_zeros()
        for start in range(0, len(some), _PAIRS):
            these = some[start : start + _PAIRS]
            first, second = asked.first[these], asked.second[these]
            others = total[first] + total[second] - 2 * _entries(likely, first, second)
            found[these] = np.minimum(times * _differing(part, first, second), others) / (_UNIT + others)
    return found


def _likely(pairs: Pairs, probability: Floats, texts: int) -> sp.csr_array:
    """The probabilities that count, (texts, texts), in units of 1e-6: whole numbers, whose sums are exact in any order."""
    counted = (probability >= COUNTED) & (probability < 1)
    a, b, value = pairs.first[counted], pairs.second[counted], np.rint(probability[counted] * _UNIT)
    return sp.csr_array((np.append(value, value), (np.append(a, b), np.append(b, a))), shape=(texts, texts))


def _differing(likely: sp.csr_array, first: Rows, second: Rows) -> Floats:
    """How much the rows of two texts differ, without their own columns."""
    own = _entries(likely, first, second) + _entries(likely, second, first)
    return row_sums(abs(likely[first] - likely[second])) - own


def _entries(matrix: sp.csr_array, rows: Rows, columns: Rows) -> Floats:
    return np.asarray(matrix[rows, columns], dtype=np.float64).ravel()
