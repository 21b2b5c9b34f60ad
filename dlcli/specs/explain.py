"""Options of `explain`, maps of what an answer depends on, and what is reported about the maps."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Difference, PointEstimate
from dlcli.specs.option import entries, one_of, option
from dlcli.support.errors import UsageError

BASELINES = {"mean": "the mean of each channel of the image", "blur": "the image blurred", "grey": "0.5"}
"""What hides a pixel, by name."""
_WITH_WINDOW = "occlusion"


def explain_option(what: str) -> Any:
    """`explain`: how to make maps of `what`."""
    return option(
        None,
        f"Map what the prediction for {what} depends on, and check whether the maps are faithful: hide windows of the image "
        "(occlusion), weight the last feature map by its gradients (grad-cam), or integrate the gradient along the line from a "
        "hidden image (integrated-gradients).",
        choices=entries("explanation method", "dlcli.core.explain.methods"),
        metavar="METHOD",
    )


def window_option() -> Any:
    """`window`: the side of what occlusion hides."""
    return option(
        None,
        "Side of the windows that `explain=occlusion` hides, in pixels. Default: a quarter of the shorter side of the image.",
        limit=65_536,
        minimum=1,
        metavar="N",
    )


def baseline_option() -> Any:
    """`baseline`: what pixels are hidden by."""
    texts = ", ".join(f"{text} ({name})" for name, text in BASELINES.items())
    return option(None, f"What `explain` hides pixels by: {texts}. Default: mean.", choices=one_of(*BASELINES))


def check_explain(config: Any, place: str) -> None:
    """Raise UsageError if the options of `config` about maps do not fit; `place` is the field of the folder that gets them."""
    if config.explain is None:
        for name in ("window", "baseline"):
            if getattr(config, name) is not None:
                raise UsageError(f"`{name}` needs `explain`")
        return
    if config.window is not None and config.explain != _WITH_WINDOW:
        raise UsageError(f"`window` needs `explain={_WITH_WINDOW}`", hint=f"{config.explain} has no window")
    if getattr(config, place) is None:
        raise UsageError(f"`explain` needs `{place}`, the directory for the maps")
    if config.tta:
        raise UsageError("`explain` and `tta` cannot be combined", hint="drop `tta`")


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Whether maps show what the target depends on: how it changes when the pixels with the highest values are hidden.

    Attributes:
        hidden: Share of the pixels that are hidden, in (0, 1).
        change: Mean change of the target over the images.
        minus_elsewhere: That minus the change when as many pixels of the same shape are hidden at random places.
        minus_shuffled: That minus the change by the maps of the network with shuffled weights; None if it has no weights.
        other_class: Share of the images for which the network then predicts another class; None for a score.
        other_class_minus_elsewhere: That minus the share when pixels at random places are hidden.
    """

    hidden: float
    change: float
    minus_elsewhere: Difference | PointEstimate
    minus_shuffled: Difference | PointEstimate | None
    other_class: float | None
    other_class_minus_elsewhere: Difference | PointEstimate | None

    @property
    def faithful(self) -> bool:
        """Whether these pixels are established to matter more than others."""
        return _above_zero(self.minus_elsewhere)

    @property
    def learned(self) -> bool:
        """Whether they are established to matter more than those of maps by shuffled weights."""
        return _above_zero(self.minus_shuffled)

    @property
    def decides(self) -> bool:
        """Whether these pixels are established to change the predicted class more often than others."""
        return _above_zero(self.other_class_minus_elsewhere)


def _above_zero(found: Difference | PointEstimate | None) -> bool:
    return found is not None and found.low is not None and found.low > 0


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Maps of what predictions depend on.

    Attributes:
        method: The method that made them.
        window: Side of the windows that occlusion hid, in pixels; None for other methods.
        baseline: What hid pixels.
        target: The number that is explained, such as `logit of the predicted class`.
        images: For each image its index in the split, from 0.
        names: For each image the name of its files, without ending.
        faithfulness: Whether the maps show what the target depends on.
    """

    method: str
    window: int | None
    baseline: str
    target: str
    images: tuple[int, ...]
    names: tuple[str, ...]
    faithfulness: Faithfulness
