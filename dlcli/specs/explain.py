"""Options of `explain`, maps of what an answer depends on, and what is reported about the maps."""

from dataclasses import dataclass

from dlcli.specs.estimates import Difference, PointEstimate


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Whether maps show what the target depends on: how it changes when the pixels with the highest values are hidden.

    Attributes:
        hidden: Share of the pixels that are hidden, in (0, 1).
        change: Mean change of the target over the images.
        minus_elsewhere: That minus the change when as many pixels of the same shape are hidden at random places.
        minus_shuffled: That minus the change by the maps of the network with shuffled weights; None if it has no weights.
    """

    hidden: float
    change: float
    minus_elsewhere: Difference | PointEstimate
    minus_shuffled: Difference | PointEstimate | None

    @property
    def faithful(self) -> bool:
        """Whether these pixels are established to matter more than others."""
        return _above_zero(self.minus_elsewhere)

    @property
    def learned(self) -> bool:
        """Whether they are established to matter more than those of maps by shuffled weights."""
        return _above_zero(self.minus_shuffled)


def _above_zero(found: Difference | PointEstimate | None) -> bool:
    return found is not None and found.low is not None and found.low > 0
