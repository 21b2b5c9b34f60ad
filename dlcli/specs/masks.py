"""Options and results of `dlcli train`, `eval` and `predict` for masks, which have a class for each pixel."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlcli.specs.arms import values
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat
from dlcli.specs.option import option
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

VOID, OUTSIDE = 255, 254
"""What a pixel has in place of a class: no label, or no pixel at all, where a picture is smaller than the largest."""
MASK_LOSSES = ("cross-entropy", "dice", "both")
"""Values of `loss` for masks."""
MASK_METRICS = ("miou", "mean-miou", "pixel-accuracy", "class-accuracy", "boundary-f")
"""Metrics of masks, which `fail_under` may name."""
MASK_NAMES = {
    "miou": "mIoU of the set",
    "mean-miou": "mean mIoU of a picture",
    "pixel-accuracy": "pixel accuracy",
    "class-accuracy": "mean class accuracy",
    "boundary-f": "boundary F",
}
"""What metrics are called in tables."""

_OF_MASKS = ("ignore", "crop")
_NOT_OF_MASKS = (
    *("label_column", "huber_delta", "balance", "score_column", "raters", "frames", "clips", "fps", "unlabelled", "grow"),
    *("mixup", "cutmix", "label_smoothing", "corrupt", "labels", "adversarial"),
)

_WHY_NOT = {
    "explain": "a map explains one number of an image, and a mask has a class at each pixel",
    "export": "exported programs have one row of logits for an image of one size",
    "slices": "figures of masks are over pixels, of which those of a picture count together",
    "diagnose": "there is no human error of pixels to compare with",
}
"""Why options do not apply, where it is not plain."""

Figure = Estimate | PointEstimate


def ignore_option() -> Any:
    """`ignore`: the label number that stands for no label."""
    return option(None, f"Masks: label number without a class, besides {VOID}.", limit=65_535, minimum=0, metavar="N")


def crop_option() -> Any:
    """`crop`: how large the random windows of training are."""
    return option(
        None,
        "Masks: train on random windows of N x N pixels. Default: whole pictures, or windows of up to 256 x 256 if pictures "
        "differ in size or have more than 512 x 512 pixels. Evaluation is on whole pictures.",
        limit=65_536,
        minimum=8,
        metavar="N",
    )


def check_masks(config: Any, learned: bool) -> None:
    """Raise UsageError for options of masks, if these are not learned, or for options that do not apply if they are."""
    if not learned:
        given = [name for name in _OF_MASKS if getattr(config, name) is not None]
        if given:
            raise UsageError(f"`{given[0]}` needs `task=segment`")
        return
    given = [name for name in _NOT_OF_MASKS if getattr(config, name)]
    given += [name for name in ("pretrain", "semi") if getattr(config, name) not in (None, "none")]
    if given:
        raise UsageError(f"`{given[0]}` does not apply to `task=segment`", hint=f"omit `{given[0]}`")
    wrong = [name for name in values(config.loss) if name not in (None, *MASK_LOSSES)]
    if wrong:
        raise UsageError(f"`loss={wrong[0]}` is not a loss of masks", hint=f"choose from {', '.join(MASK_LOSSES)}")


def refuse_of_masks(name: str) -> None:
    """Raise UsageError for an option of `eval` or `predict` that does not apply to a network that predicts masks."""
    why = f": {_WHY_NOT[name]}" if name in _WHY_NOT else ""
    raise UsageError(f"`{name}` does not apply to a network that predicts masks{why}", hint=f"omit `{name}`")


@dataclass(frozen=True, kw_only=True)
class MaskMetric:
    """A metric of predicted masks, in [0, 1], by a name of MASK_METRICS."""

    name: str
    estimate: Figure


@dataclass(frozen=True, kw_only=True)
class ClassMask:
    """How well a class is found.

    Attributes:
        name: Of the class.
        iou: Pixels that are truly of the class and predicted so, as a share of those that are either; None if there are none.
        accuracy: Their share of the pixels that are truly of the class; None if there are none.
        boundary_f: F of the pixels at its boundaries; None if there are none.
        pixels: How many pixels are truly of the class.
        most_confused_with: The other class that its pixels are predicted as most often; empty if there is none.
    """

    name: str
    iou: Figure | None
    accuracy: Figure | None
    boundary_f: Figure | None
    pixels: int
    most_confused_with: str


@dataclass(frozen=True, kw_only=True)
class MaskRow:
    """One trained network and its learning curve in numbers; names are as in `TrainRow`.

    Attributes:
        metrics: On the test set.
        per_class: The same by class.
        train_miou: After `best_epoch`, on the first training examples.
        train_loss: Mean loss of the steps of `best_epoch`.
        parameters: Of the network.
        multiply_adds: For one picture.
        cpu_seconds: Seconds of the processor; None where they were not recorded.
    """

    variant: str
    seed: int
    metrics: tuple[MaskMetric, ...]
    per_class: tuple[ClassMask, ...]
    train_miou: float
    n_watched: int
    train_loss: float
    epochs: int
    best_epoch: int
    steps: int
    epochs_to_level: int | None
    parameters: int
    multiply_adds: int
    seconds: float
    cpu_seconds: float | None = field(default=None, compare=False)
    weights_sha256: str

    def figure(self, name: str) -> Figure:
        """A metric by its name."""
        return next(one.estimate for one in self.metrics if one.name == name)


@dataclass(frozen=True, kw_only=True)
class MaskTrainResult(Result, command="train"):
    """Result of `dlcli train --task segment`; names are as in `TrainResult`.

    Attributes:
        loss: What was minimised.
        classes: The names of the classes.
        level: An mIoU.
        group: The metadata column over whose groups intervals are; None: over pictures.
    """

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    loss: str
    classes: tuple[str, ...]
    surgery: tuple[str, ...]
    n_train: int
    n_test: int
    rows: tuple[MaskRow, ...]
    comparisons: tuple[Any, ...]
    level: float | None
    group: str | None
    folder: str
    device: str
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: MaskRow) -> dict[str, Any]:
    # Without the seconds: everything else is the same when the run is.
    record = {
        name: value for name, value in vars(row).items() if name not in ("metrics", "per_class", "seconds", "cpu_seconds")
    }
    for one in row.metrics:
        record |= flat(one.name.replace("-", "_"), one.estimate)
    for each in row.per_class:
        record[f"iou {each.name}"] = None if each.iou is None else each.iou.value
    return record | {"n": row.metrics[0].estimate.n if row.metrics else None}


@dataclass(frozen=True, kw_only=True)
class WorstMask:
    """A picture with a low mIoU: its index in the split, from 0, its file if there is one, and the mIoU."""

    index: int
    file: str
    miou: float


@dataclass(frozen=True, kw_only=True)
class MaskConfusion:
    """A cell of the confusion matrix of pixels that is not 0, with the names of the classes."""

    true: str
    predicted: str
    pixels: int


@dataclass(frozen=True, kw_only=True)
class MaskEvalResult(Result, command="eval"):
    """Result of `dlcli eval` for a network that predicts masks; names are as in `EvalResult`.

    Attributes:
        n_pixels: How many pixels have a class.
        group: The metadata column over whose groups intervals are; None: over pictures.
        n_groups: How many groups there are; None without.
        size: What the shorter side of pictures and masks was resized to, in pixels; None for their own size.
        worst: The pictures with the lowest mIoU, in ascending order.
    """

    KIND: ClassVar[str] = "single"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    n_images: int
    n_pixels: int
    metrics: tuple[MaskMetric, ...]
    per_class: tuple[ClassMask, ...]
    confusion: tuple[MaskConfusion, ...]
    worst: tuple[WorstMask, ...]
    group: str | None
    n_groups: int | None
    size: int | None
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics, then IoU, accuracy and boundary F of each class."""
        rows = [{"metric": one.name, "class": None, **_figure(one.estimate)} for one in self.metrics]
        named = (("iou", "iou"), ("accuracy", "accuracy"), ("boundary-f", "boundary_f"))
        return rows + [
            {"metric": metric, "class": one.name, **_figure(getattr(one, field))}
            for metric, field in named
            for one in self.per_class
        ]


def _figure(found: Figure | Difference | None) -> dict[str, Any]:
    return {name: getattr(found, name, None) for name in ("value", "low", "high", "n")}
