"""How a network was fed: the table of `dlcli eval --diagnose input`."""

from dataclasses import dataclass

BATCH_NORM, LABELS, PREDICTIONS = "batch normalisation", "labels", "predictions"
"""What the search goes by, the best first."""


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """One way to feed a network, by its name as a value of `normalise`; what was not measured is None.

    Attributes:
        normalise: The way.
        misfit: How far what reaches the first batch normalisations is from what they recorded: mean Kullback-Leibler divergence
            in nats, 0 for the same.
        right: Number of images that are classified correctly; None if only some of them were looked at, as the loss is high.
        loss: Mean cross-entropy in nats at the best temperature.
        margin: Median distance of the two highest logits.
        information: Mutual information of image and predicted class, in nats.
    """

    normalise: str
    misfit: float | None = None
    right: int | None = None
    loss: float | None = None
    margin: float | None = None
    information: float | None = None


@dataclass(frozen=True, kw_only=True)
class InputDiagnosis:
    """The ways that were tried on `n` images, and the best of them.

    Attributes:
        evidence: What the search goes by; "" if it was not made.
        current: The way in use.
        n: Number of images.
        best: The best way, "" if unknown.
        sure: Whether it is better than the one in use beyond chance.
        feedings: One row per way, that in use first.
        warning: A sentence with figures: the better way if that is `sure`, or that none fits; else "".
        confirmed: A sentence with figures that the way in use fits, by more than predictions; else "".
        too_long: Whether it was not made because it would have taken longer than the task at hand.
    """

    evidence: str
    current: str
    n: int
    best: str = ""
    sure: bool = False
    feedings: tuple[Feeding, ...] = ()
    warning: str = ""
    confirmed: str = ""
    too_long: bool = False
