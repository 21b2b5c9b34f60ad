"""How rarely an entity has a third row, by the rows of a table that are copies of each other.

Where two lists are joined, each of which has an entity once, many texts stand in two rows and hardly one in three. There a text
that has its copy is not a duplicate of yet another text, and of several texts that are like it one is, at the most. In a log,
in which a text that is repeated is repeated often, copies tell nothing of other texts. Which sort of table it is, is counted:
if further rows were as likely however many there are, of a texts of which b stand in two rows or more, b x b / a would stand in
three or more.

The same is counted where rows are copied and not entities repeated, as in two exports of one list, and there it tells nothing:
the duplicates in the list have copies, too. So the odds that it is not that, are 1 - 2 c to 2 c with c the share of texts that
have a copy, times those of the pairs that are next to certain: where rows are copied, as many of them have a text with a copy
as chance gives, else only wrong ones.
"""

from math import log, log1p

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from dlcli.core.text.scoring.arrays import PROBABILITY_DIGITS, Floats
from dlcli.core.text.scoring.crowding import COUNTED
from dlcli.core.text.search.neighbours import Pairs

Counts = NDArray[np.integer]

_BEFORE = 1
"""Texts in three rows that are counted beside those of the table, and expected beside them: a few copies tell little."""
_CERTAIN, _WRONG = 0.8, 0.15
"""From which probability on pairs are next to certain, and how many of these are wrong nevertheless."""
_UNIT = 10.0**PROBABILITY_DIGITS


def with_third_rows(pairs: Pairs, probability: Floats, rows: Counts, candidates: tuple[Pairs, Floats] | None = None) -> Floats:
    """Lower the probability of pairs that would give an entity a third row, where these are rare.

    With r the `third_row_odds`, the odds of a pair are multiplied by r for each of its texts that has a copy, and then by the
    root of 1 - (1 - r) p for each other pair of one of its texts, with p the probability of that. So a text that is like both
    counts once.

    Args:
        pairs: Numbers of the texts of each pair.
        probability: Their probabilities, (pairs,); 0 and 1 are certain and stay.
        rows: The number of rows of each text, (texts,).
        candidates: The candidates of the table with their probabilities, if `pairs` are others; None if they are these.

    Returns:
        The probabilities, (pairs,).
    """
    known, theirs = candidates or (pairs, probability)
    odds = third_row_odds(known, theirs, rows)
    if odds == 1:
        return probability
    lowered, theirs = (
        _multiplied(p, log(odds) * _copied(some, rows).sum(axis=0)) for some, p in ((pairs, probability), (known, theirs))
    )
    counted = np.where((theirs >= COUNTED) & (theirs < 1), theirs, 0.0)
    # Whole numbers have the same sum in any order.
    units = np.rint(np.log1p((odds - 1) * counted) * _UNIT)
    total = np.bincount(known.first, units, len(rows)) + np.bincount(known.second, units, len(rows))
    own = units if candidates is None else 0.0
    return _multiplied(lowered, (total[pairs.first] + total[pairs.second] - 2 * own) / (2 * _UNIT))


def third_row_odds(pairs: Pairs, probability: Floats, rows: Counts) -> float:
    """What the odds of a pair are multiplied by if one of its texts has a copy.

    Args:
        pairs: The candidates of a table.
        probability: Their probabilities, (pairs,).
        rows: The number of rows of each text, (texts,).

    Returns:
        A number in (0, 1]: (c + 1) / (b x b / a + 1) with a, b and c the texts that stand in one, two and three rows or more,
        and nearer to 1 the likelier it is that rows were copied; 1 where it would be more.
    """
    one, two, three = (int((rows >= number).sum()) for number in (1, 2, 3))
    if not one or 2 * two >= one:
        return 1.0
    rate = min(1.0, (three + _BEFORE) / (two * two / one + _BEFORE))
    return 1.0 if rate == 1 else 1 - (1 - rate) * _not_copied_rows(pairs, probability, rows, two / one)


def _not_copied_rows(pairs: Pairs, probability: Floats, rows: Counts, copied: float) -> float:
    """How likely it is that the copies are repeated entities and not copied rows, in [0, 1]."""
    certain = (probability >= _CERTAIN) & (probability < 1)
    with_copy = int((_copied(pairs, rows).sum(axis=0)[certain] > 0).sum())
    without = int(certain.sum()) - with_copy
    chance = 1 - (1 - copied) ** 2
    told = with_copy * log(_WRONG) + without * (log1p(-_WRONG * chance) - log1p(-chance))
    return float(expit(logit(1 - 2 * copied) + told))


def _copied(pairs: Pairs, rows: Counts) -> NDArray[np.bool_]:
    """Whether the first and the second text of each pair have a copy, (2, pairs)."""
    return np.stack([rows[side] > 1 for side in (pairs.first, pairs.second)])


def _multiplied(probability: Floats, log_factor: Floats) -> Floats:
    """Probabilities whose odds are multiplied; those of 0 and 1 stay."""
    certain = (probability <= 0) | (probability >= 1)
    found = np.round(expit(logit(np.where(certain, 0.5, probability)) + log_factor), PROBABILITY_DIGITS)
    return np.where(certain, probability, found)
