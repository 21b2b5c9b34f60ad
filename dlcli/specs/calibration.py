"""`eval --calibrate`: probabilities that say how often the network is right."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.option import one_of, option
from dlcli.support.errors import UsageError

CALIBRATORS = ("temperature", "vector", "isotonic")
NEVER = "train"
"""The set that is not calibrated on: what a network has learned by heart it is too sure of."""


@dataclass(frozen=True, kw_only=True)
class CalibratedMetric:
    """A figure of the same examples before and after calibration.

    Attributes:
        name: `nll`, `brier`, `ece` or `top-1`.
        before: Without calibration.
        after: With it.
        difference: After minus before, paired; of `ece` there is none.
    """

    name: str
    before: Estimate | PointEstimate
    after: Estimate | PointEstimate
    difference: Difference | PointEstimate | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A calibration and what it changes on the examples that are evaluated.

    Attributes:
        method: One of `CALIBRATORS`.
        data: What it was fitted on.
        split: The set of that.
        examples: How many there were.
        examples_sha256: SHA-256 of these and their labels.
        file: Where it is kept.
        metrics: Figures before and after.
    """

    method: str
    data: str
    split: str
    examples: int
    examples_sha256: str
    file: str
    metrics: tuple[CalibratedMetric, ...]


def calibrate_option() -> Any:
    """`calibrate`: what probabilities are calibrated on."""
    return option(
        None,
        "Calibrate the probabilities on this set of the data (dev, train-dev or test) or on other labelled data, of which the "
        "dev set is used, or else the test set; compare figures before and after on `split`, and keep the calibration in the "
        "directory of the network, where eval and predict apply it.",
        metavar="SET",
        reads=True,
    )


def calibrator_option() -> Any:
    """`calibrator`: how probabilities are calibrated."""
    return option(
        CALIBRATORS[0],
        "With `calibrate`: temperature divides the logits by one number, so that no label changes; vector gives each class a "
        "weight and a bias; isotonic fits a step function for each class, which takes thousands of examples.",
        choices=one_of(*CALIBRATORS),
    )


def uncalibrated_option() -> Any:
    """`uncalibrated`: leave the probabilities as the network gives them."""
    return option(False, "Ignore the calibration that eval with `calibrate` kept in the directory of the network.")


def check_calibrate(config: Any, mode: str) -> None:
    """Raise UsageError if options of calibration do not go together, or with another mode."""
    if config.calibrate is None:
        if config.calibrator != CALIBRATORS[0]:
            raise UsageError("`calibrator` needs `calibrate`")
        return
    mode = mode or next((name for name in ("time_limit", "stop_when_sure") if getattr(config, name)), "")
    if mode:
        raise UsageError(f"`calibrate` and `{mode}` cannot be combined", hint="drop `calibrate`")
    if config.uncalibrated:
        raise UsageError("`calibrate` and `uncalibrated` cannot be combined", hint="drop one of them")
    if config.calibrate == NEVER:
        message = "`calibrate`: the network is surer of its training images than of any others"
        raise UsageError(message, hint="calibrate on dev, or on other labelled data")
    if config.calibrate == config.split:
        message = f"`calibrate`: the {config.split} set cannot be calibrated and evaluated on"
        other = "calibrate on `calibrate=dev`" if config.split == "test" else "evaluate `split=test`"
        hint = f"{other}, or name other labelled data to calibrate on"
        raise UsageError(message, hint=hint)
