"""What gives a pair of texts the probability that they ask or say the same: `pair_score.PairScore`, or what was trained."""

from collections.abc import Sequence
from typing import Protocol

from dlcli.core.text.scoring.features import Floats, Rows


class Scorer(Protocol):
    """Judges pairs of texts by the two texts alone, so that a pair gets the same in whatever table it is met."""

    def score(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """The probability for pairs of `texts`, as they stand, by their numbers, (pairs,) in [0, 1].

        It is symmetric in the two texts; those that fold to one key get 1.
        """
