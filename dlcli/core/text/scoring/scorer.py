"""The interface of scorers: `pair_score.PairScore`, or one that `dlcli train --task pairs` trained."""

from collections.abc import Sequence
from typing import Protocol

from dlcli.core.text.scoring.arrays import Floats, Rows
from dlcli.core.text.scoring.rarity import TableWords


class Scorer(Protocol):
    """Scores a pair by its two texts, and by how frequent their words are in the table at hand if the scorer uses that."""

    @property
    def uses_device(self) -> bool:
        """Whether an accelerator can encode the texts."""

    def score(
        self,
        texts: Sequence[str],
        first: Rows,
        second: Rows,
        table: TableWords | None = None,
        above_chance: Floats | None = None,
    ) -> Floats:
        """The probability that `texts[first]` and `texts[second]` are duplicates, (pairs,) in [0, 1].

        It is symmetric; two texts with the same key get 1.

        Args:
            texts: The texts.
            first: Number of the first text of each pair, (pairs,).
            second: Number of the second text.
            table: How frequent words are in the table of the texts; None omits that.
            above_chance: The cosine of a sentence model above chance, (pairs,), for pairs of a table; None omits that.

        Returns:
            The probabilities.
        """
