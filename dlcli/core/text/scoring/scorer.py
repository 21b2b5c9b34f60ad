"""The interface of scorers: `pair_score.PairScore`, or one that `dlcli train --task pairs` trained."""

from collections.abc import Sequence
from typing import Protocol

from dlcli.core.text.scoring.features import Floats, Rows


class Scorer(Protocol):
    """Scores a pair by its two texts alone, so that it gets the same score in every table."""

    @property
    def uses_device(self) -> bool:
        """Whether an accelerator can encode the texts."""

    def score(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """The probability that `texts[first]` and `texts[second]` are duplicates, (pairs,) in [0, 1].

        It is symmetric; two texts with the same key get 1.
        """
