"""What the other pairs of a table tell of a pair: texts that are like different others are less likely duplicates.

The names of branches, the titles of a series or questions on one subject share words, so that each is like many others. A score
that reads the two texts alone cannot see that. Most duplicates have few others, or the same ones: the members of a group of ten
are like each other. So the log-odds of a pair change with how much the duplicates that its two texts are expected to have
differ, and with how many they have in common.

What that is worth differs from table to table. Where an entity has two or three rows, many common duplicates show a series. In
a catalogue or a register in which it has dozens, they show a group, whose members are found by one another. Which of both a
table is, shows in the pairs that are likely duplicates by the first rule: where the groups are large, the duplicates of a text
are mostly duplicates of each other (`density`). At last all pairs of a table of look-alikes are lowered, and those pairs of a
table of clear duplicates raised whose texts are like no others (`dlcli.core.text.scoring.separation`).

Logistic regression on tables that are made up, `examples/fit_pair_score.py`, gives the weights for both.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import expit, logit

from dlcli.core.text.scoring.arrays import PROBABILITY_DIGITS, Floats, row_sums
from dlcli.core.text.scoring.separation import LIKELY, separation
from dlcli.core.text.search.neighbours import Pairs
from dlcli.support.seeds import derive

COUNTED = 0.1
"""Pairs of at least this probability count for others. Most of a large table have less, and are not kept."""
RAISED = 0.05
"""No pair of a lower probability gets a higher one by what others tell."""
_DENSE, _BEND = 2.0, 5.0
"""Closed triples per text from which on a table is of large groups alone, and how fast that is approached before."""
_UNIT = 10.0**PROBABILITY_DIGITS
_COMPARED = 256
"""About as many others of a pair are compared at the most. Where it has more, those among a random part of the texts are."""
_PAIRS = 1 << 14
"""Pairs whose others are compared at a time."""
_SEED = 0


class Others(NamedTuple):
    """What other pairs tell of each pair, (pairs,).

    With p(i, k) the probability of a pair, 0 if it is below `COUNTED` or certain (a text of the same words tells nothing), and
    sums over all texts k but the two:

    Attributes:
        disagreement: sum |p(i, k) - p(j, k)| / (1 + sum (p(i, k) + p(j, k))), in [0, 1).
        common: sum min(p(i, k), p(j, k)), how many duplicates both are expected to have in common.
    """

    disagreement: Floats
    common: Floats

    @property
    def alone(self) -> Floats:
        """How alone each pair is, in (0, 1]: 1 / (1 + sum (p(i, k) + p(j, k))), 1 where neither text is like another."""
        return np.asarray((1 - self.disagreement) / (1 + 2 * self.common))


class Traits(NamedTuple):
    """What kind of table it is.

    Attributes:
        density: How far it is one of large groups, in [0, 1], see `density`.
        separation: Above 0 where its likely duplicates stand apart from its other pairs, below 0 where not, see `separation`.
    """

    density: float
    separation: float


@dataclass(frozen=True)
class Weights:
    """The correction: slope x log-odds + intercept - disagreement x d + common x ln(1 + c), for `Others` (d, c).

    Attributes:
        slope: Factor of the log-odds, above 0.
        intercept: Constant.
        disagreement: Weight of the disagreement, 0 or more.
        common: Weight of what both texts have in common.
    """

    slope: float
    intercept: float
    disagreement: float
    common: float

    def log_odds(self, odds: Floats, others: Others) -> Floats:
        """The corrected log-odds of each pair, (pairs,)."""
        told = self.common * np.log1p(others.common) - self.disagreement * others.disagreement
        return np.asarray(self.slope * odds + self.intercept + told)

    def towards(self, other: "Weights", share: float) -> "Weights":
        """The weights that lie between these (share 0) and others (share 1)."""
        ends = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return Weights(*((1 - share) * start + share * end for start, end in ends))


@dataclass(frozen=True)
class Crowding:
    """How the other pairs of a table count.

    Attributes:
        first: In any table, to see of which sort it is; without what is common, which lowers all pairs of a large group alike.
        few: In a table whose entities have few rows each.
        many: In a table whose entities have many rows each.
        look_alikes: Factor of a separation below 0 in the log-odds of all pairs of the table, 0 or more.
        clear: Factor of a separation above 0 in the log-odds of a pair that is alone, 0 or more.
    """

    first: Weights
    few: Weights
    many: Weights
    look_alikes: float
    clear: float

    def corrected(
        self, probability: Floats, others: Others, traits: Traits, not_raised: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Correct probabilities.

        Args:
            probability: That of each pair, (pairs,); 0 and 1 are certain and stay.
            others: What the others tell of each.
            traits: Those of the table.
            not_raised: The pairs that a separation above 0 does not raise, (pairs,); None for none.

        Returns:
            The corrected probabilities, (pairs,).
        """
        weights = self.few.towards(self.many, traits.density)
        alone = others.alone if not_raised is None else np.where(not_raised, 0.0, others.alone)
        shift = self.look_alikes * min(0.0, traits.separation) + self.clear * max(0.0, traits.separation) * alone
        return _corrected(weights, probability, others, shift)

    def traits(self, pairs: Pairs, probability: Floats, others: Others, texts: int) -> Traits:
        """The traits of a table by its pairs: the density by the first correction, the separation by the second.

        Args:
            pairs: Numbers of the texts of each pair.
            probability: Their probabilities, (pairs,).
            others: What the others tell of each.
            texts: Number of texts of the table.

        Returns:
            The traits.
        """
        dense = density(pairs, _corrected(self.first, probability, others), texts)
        return Traits(dense, separation(_corrected(self.few.towards(self.many, dense), probability, others)))


def _corrected(weights: Weights, probability: Floats, others: Others, shift: Floats | float = 0.0) -> Floats:
    certain = (probability <= 0) | (probability >= 1)
    odds = logit(np.where(certain, 0.5, probability))
    found = np.round(expit(weights.log_odds(odds, others) + shift), PROBABILITY_DIGITS)
    return np.where(certain | ((probability < RAISED) & (found > probability)), probability, found)


def crowding_to_dict(crowding: Crowding) -> dict[str, Any]:
    """The weights as plain numbers, rounded to 6 digits."""
    return {
        name: {key: _plain(value) for key, value in part.items()} if isinstance(part, dict) else _plain(part)
        for name, part in asdict(crowding).items()
    }


def _plain(value: float) -> float:
    return float(f"{value:.6g}")


def crowding_from_dict(card: dict[str, Any]) -> Crowding:
    """The weights from what `crowding_to_dict` returns."""
    first, few, many = (Weights(**card[name]) for name in ("first", "few", "many"))
    return Crowding(first, few, many, float(card["look_alikes"]), float(card["clear"]))


def others(pairs: Pairs, probability: Floats, texts: int, of: Pairs | None = None) -> Others:
    """What the other pairs of a table tell of each pair.

    Args:
        pairs: Numbers of the texts of each pair: all candidates of a table, at least those from `COUNTED` on.
        probability: Their probabilities, (pairs,).
        texts: Number of texts of the table.
        of: The pairs to return it for, with (k,) of them; None for the candidates.

    Returns:
        That of each, (k,), of a pair with hundreds of others an estimate.
    """
    counted = (probability >= COUNTED) & (probability < 1)
    graph = _graph(pairs, counted, np.rint(probability[counted] * _UNIT), texts)
    differing, total = _compare(graph, pairs if of is None else of)
    return Others(differing / (_UNIT + total), (total - differing) / (2 * _UNIT))


def density(pairs: Pairs, probability: Floats, texts: int) -> float:
    """How far a table is one of large groups: min(1, ln(1 + 5 t) / ln(11)) with t closed triples per text.

    A closed triple of a text is two of its likely duplicates that are likely duplicates of each other.

    Args:
        pairs: Numbers of the texts of each pair.
        probability: Their probabilities, (pairs,); those from `LIKELY` on count.
        texts: Number of texts of the table.

    Returns:
        The density, in [0, 1].
    """
    likely = (probability >= LIKELY) & (probability < 1)
    graph = _graph(pairs, likely, np.ones(int(likely.sum())), texts)
    differing, total = _compare(graph, Pairs(pairs.first[likely], pairs.second[likely], pairs.score[likely]))
    triples = float((total - differing).sum()) / 2 / max(1, texts)
    return float(min(1.0, np.log1p(_BEND * triples) / np.log1p(_BEND * _DENSE)))


def _graph(pairs: Pairs, kept: NDArray[np.bool_], value: Floats, texts: int) -> sp.csr_array:
    """A symmetric matrix, (texts, texts), of whole numbers, whose sums are exact in any order."""
    a, b = pairs.first[kept], pairs.second[kept]
    return sp.csr_array((np.append(value, value), (np.append(a, b), np.append(b, a))), shape=(texts, texts))


def _compare(graph: sp.csr_array, asked: Pairs) -> tuple[Floats, Floats]:
    """For each pair how much the rows of its two texts differ, and their sum, both without their own columns."""
    total, partners = row_sums(graph), np.diff(graph.indptr)
    halvings = np.ceil(np.log2(np.maximum(1.0, (partners[asked.first] + partners[asked.second]) / _COMPARED)))
    drawn = np.random.default_rng(derive(_SEED, "crowding")).permutation(graph.shape[0])
    differing, sums = np.zeros(len(asked)), np.zeros(len(asked))
    for times in (2.0 ** np.unique(halvings)).tolist():
        some = np.flatnonzero(2.0**halvings == times)
        # The same part of the texts for both rows of a pair, so that what they have in common stays in common.
        within = (drawn < len(drawn) / times).astype(np.float64)
        part = graph if times == 1 else sp.csr_array(graph @ sp.diags_array(within))
        part.eliminate_zeros()
        for start in range(0, len(some), _PAIRS):
            these = some[start : start + _PAIRS]
            first, second = asked.first[these], asked.second[these]
            own = np.asarray(graph[first, second], dtype=np.float64).ravel()
            sums[these] = total[first] + total[second] - 2 * own
            found = row_sums(abs(part[first] - part[second])) - own * (within[first] + within[second])
            differing[these] = np.minimum(times * found, sums[these])
    return differing, sums
