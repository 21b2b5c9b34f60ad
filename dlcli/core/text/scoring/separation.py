"""How far the likely duplicates of a table stand apart from its other pairs.

In a table of look-alikes, such as names of universities or templates of messages, the higher a probability the fewer pairs have
it, and those few that reach a threshold are the end of a tail. In a table with many duplicates, most pairs are likely or next
to impossible. Tables differ in that far more than a score of single pairs can know. So where few pairs are likely for each that
is doubtful, the log-odds of all pairs of the table are lower by a multiple of the separation. Where many are, those of a pair
whose texts are like no others are higher: where duplicates stand apart, two texts that are only half alike have no other
reason to be so.

Logistic regression on tables that are made up, `examples/fit_pair_score.py`, gives both multiples.
"""

from math import log, sqrt

from dlcli.core.text.scoring.arrays import Floats

DOUBTFUL = 0.05
"""Pairs of at least this probability, and less than `LIKELY`, are doubtful. Pairs of less are not kept in a large table."""
LIKELY = 0.35
"""Pairs of at least this probability are likely duplicates."""
CLEAR = 1 / 5
"""With this many likely pairs for each doubtful one, the pairs of a table stay as they are."""
FEWEST = 1 / 11
"""Fewer likely pairs for each doubtful one count as this many, so that no table loses all of its pairs.

This and `CLEAR` were chosen by hand, on tables with known duplicates. They are not fitted."""
MOST = 1 / 2
"""More likely pairs for each doubtful one count as this many."""
_LIKELY_BEFORE, _DOUBTFUL_BEFORE = 2, 20
"""Pairs that are counted beside those of the table, so that those of a small table change little."""


def separation(probability: Floats) -> float:
    """The separation of a table: ln(ratio / `CLEAR`) with ratio = (likely + 2) / (doubtful + 20), from `FEWEST` to `MOST`.

    What is above 0 is lower by two standard errors of that logarithm, and 0 if it is less: a few pairs do not show that
    duplicates stand apart.

    Args:
        probability: That of each pair, (pairs,); pairs that are certain do not count.

    Returns:
        The separation, in [-0.8, 0.9]: above 0 where the likely pairs stand apart.
    """
    likely = int(((probability >= LIKELY) & (probability < 1)).sum()) + _LIKELY_BEFORE
    doubtful = int(((probability >= DOUBTFUL) & (probability < LIKELY)).sum()) + _DOUBTFUL_BEFORE
    apart = log(likely / doubtful / CLEAR)
    if apart > 0:
        apart = max(0.0, apart - 2 * sqrt(1 / likely + 1 / doubtful))
    return min(max(apart, log(FEWEST / CLEAR)), log(MOST / CLEAR))
