"""`segment`: a network learns which class each pixel of an image is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.data.base import FILE, MASK, ImageData, Split
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.data.mask_labels import sizes_of, values_of
from dlcli.core.data.sequences_of_files import BLOCK
from dlcli.core.data.splits import weights_of_counts
from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.evaluation.mask_figures import class_masks, mask_metrics, named_figures, pseudo_values, set_miou
from dlcli.core.evaluation.mask_prediction import measure_masks
from dlcli.core.evaluation.multiply_adds import multiply_adds_of
from dlcli.core.model_io.mask_metadata import SavedMasks
from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import MaskObjective, TaskObjective
from dlcli.core.tasks.base import ImageTask, TrainedFacts, VersusMetric, Watched
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.mask_augment import mask_augmentation
from dlcli.specs.arms import one
from dlcli.specs.figures import in_millions
from dlcli.specs.masks import MASK_LOSSES, MASK_METRICS, MaskRow, MaskTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN

DESCRIPTION = "find the class of each pixel of an image"

_SEED = 0
"""Of the intervals of figures, which are those of the predictions and depend on nothing else."""
_WHOLE, _WINDOW = 512 * 512, 256
"""The most pixels of pictures that training takes whole by default, and the side of its windows elsewhere."""

_METRICS: Mapping[str, VersusMetric] = {
    "test mIoU": VersusMetric(lambda row: row.figure("miou").value),
    "mean mIoU of a picture": VersusMetric(lambda row: row.figure("mean-miou").value),
    "boundary F": VersusMetric(lambda row: row.figure("boundary-f").value),
    "pixel accuracy": VersusMetric(lambda row: row.figure("pixel-accuracy").value),
    "training mIoU": VersusMetric(lambda row: row.train_miou),
    "epochs to level": VersusMetric(lambda row: row.epochs_to_level, lambda row: 1.0, lambda row: row.epochs),
    "seconds": VersusMetric(lambda row: row.seconds),
}


class ImageMasks(ImageTask):
    """See the module."""

    name: ClassVar[str] = "segment"
    target: ClassVar[str] = MASK
    figure: ClassVar[str] = "miou"
    figures: ClassVar[str] = "mIoUs"
    label: ClassVar[str] = "mIoU, %"
    in_percent: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, VersusMetric]] = _METRICS
    primary: ClassVar[tuple[str, ...]] = ("test mIoU",)
    crossed: ClassVar[str] = "test mIoU"
    watched_examples: ClassVar[int] = 64

    def objective(self, data: ImageData, config: TrainConfig) -> MaskObjective:
        """See `ImageTask`."""
        kind: type[MaskObjective] = OBJECTIVES.module(one(config.loss) or MASK_LOSSES[0]).MASK_OBJECTIVE
        weights = weights_of_counts(torch.from_numpy(values_of(data.y_train.numpy())[: len(data.classes)]))
        return kind(data.classes, weights if config.class_weights else None)

    def check(self, data: ImageData, config: TrainConfig) -> None:
        """See `ImageTask`: augmentations that cannot move masks."""
        self.augmentation(data, config)

    def augmentation(self, data: ImageData, config: TrainConfig) -> Augmentation | None:
        """See `ImageTask`."""
        return mask_augmentation(config.augment, data.size, window_of(data, config.crop))

    def group_column(self, data: ImageData, config: TrainConfig) -> str | None:
        """Blocks of pictures that follow each other, unless `group` names another column."""
        return default_group(data.splits["test"], config.group)

    def dependence_notes(self, split: Split, group: NDArray[np.int64] | None, column: str | None, unit: str) -> tuple[str, ...]:
        """What intervals are over, see `ImageTask`."""
        return block_notes(split, group, column, unit)

    def facts(self, data: ImageData, objective: TaskObjective | None, config: TrainConfig) -> Mapping[str, Any]:
        """See `ImageTask`."""
        window = window_of(data, config.crop)
        return {"task": config.task, "loss": _needed(objective).name, "crop": None if window is None else list(window)}

    def learned(
        self, data: ImageData, objective: TaskObjective | None, predicted: NDArray[Any], config: TrainConfig
    ) -> Mapping[str, Any]:
        """How masks were read and learned, see `ImageTask`."""
        return {"task": config.task, "masks": SavedMasks(_needed(objective).name, config.size, config.ignore).to_json()}

    def watched(
        self, model: nn.Module, split: Split, objective: TaskObjective | None, targets: Tensor, device: torch.device
    ) -> Watched:
        """The mIoU of the set and the mean loss, see `ImageTask`."""
        counts, loss = measure_masks(model, split.x, split.y, _needed(objective), device, edges=False)
        return Watched(set_miou(counts), loss)

    def predicted(self, model: nn.Module, split: Split, objective: TaskObjective | None, device: torch.device) -> NDArray[Any]:
        """Counts of pixels by picture, as `MaskCounts.packed` gives them, see `ImageTask`."""
        return measure_masks(model, split.x, split.y, _needed(objective), device, edges=True).counts.packed()

    def outcomes(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[Any]:
        """What each picture adds to the mIoU of the set."""
        return pseudo_values(MaskCounts.unpacked(predicted), group)

    def final_figures(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> Mapping[str, float]:
        """See `ImageTask`; without intervals."""
        return {**named_figures(MaskCounts.unpacked(predicted)), "n": len(y)}

    def final_names(self) -> tuple[str, ...]:
        """See `ImageTask`."""
        return (*MASK_METRICS, "n")

    def row(self, facts: TrainedFacts) -> MaskRow:
        """See `ImageTask`."""
        counts, classes = MaskCounts.unpacked(facts.predicted), facts.classes
        height, width = sizes_of(facts.test.y[:1].numpy())[0]
        return MaskRow(
            variant=facts.variant,
            seed=facts.seed,
            metrics=mask_metrics(counts, facts.group, seed=_SEED),
            per_class=class_masks(counts, classes, facts.group, seed=_SEED),
            train_miou=facts.best.train_figure,
            n_watched=facts.n_watched,
            train_loss=facts.best.train_loss,
            epochs=len(facts.history),
            best_epoch=facts.best_epoch,
            steps=len(facts.history) * facts.epoch_steps,
            epochs_to_level=None,
            parameters=sum(parameter.numel() for parameter in facts.model.parameters()),
            multiply_adds=multiply_adds_of(facts.model, facts.test.x[:1, :, :height, :width]),
            seconds=facts.seconds,
            cpu_seconds=facts.cpu_seconds,
            weights_sha256=facts.sha256,
        )

    def result(
        self,
        data: ImageData,
        rows: tuple[Any, ...],
        common: Mapping[str, Any],
        *,
        objective: TaskObjective | None,
        predicted: NDArray[Any] | None,
        group: str | None,
        raters: Sequence[str],
    ) -> MaskTrainResult:
        """See `ImageTask`.

        Args:
            data: What was trained on.
            rows: Those of the networks.
            common: The fields that results of all tasks have.
            objective: The loss.
            predicted: What the only network predicts for the test set; None for a comparison.
            group: The metadata column of groups.
            raters: None.
        """
        notes = (*common["notes"], *_absent_note(rows), *_cost_note(rows))
        return MaskTrainResult(
            rows=rows,
            loss=_needed(objective).name,
            classes=data.classes,
            group=group,
            **{**common, "notes": notes},
        )


@dataclass(frozen=True)
class _Cost:
    multiply_adds: int
    parameters: int


def _cost_note(rows: Sequence[MaskRow]) -> tuple[str, ...]:
    """What the networks of a comparison cost."""
    costs = {row.variant: _Cost(row.multiply_adds, row.parameters) for row in rows}
    if len(costs) < 2:
        return ()
    each = [
        f"{in_millions(cost.multiply_adds)} and {cost.parameters:,}" + ("" if name == GIVEN else f" with {name}")
        for name, cost in costs.items()
    ]
    first, *_, last = costs.values()
    ratio = (
        f"; the second has {last.multiply_adds / first.multiply_adds:.3g} times the multiply-adds" if len(costs) == 2 else ""
    )
    return (f"Multiply-adds per picture and parameters: {', '.join(each)}{ratio}.",)


def _absent_note(rows: Sequence[MaskRow]) -> tuple[str, ...]:
    """Classes that no test pixel has: without a figure, or 0 where they are predicted."""
    absent = list(dict.fromkeys(found.name for row in rows for found in row.per_class if not found.pixels))
    if not absent:
        return ()
    some = ", ".join(f"'{name}'" for name in absent[:5]) + (" ..." if len(absent) > 5 else "")
    return (f"No test pixel is of class {some}: it counts in mIoU, as 0, only where it is predicted.",)


def default_group(split: Split, group: str | None) -> str | None:
    """The column over which intervals are: that of `group`, or blocks of files that look like a sequence; None: pictures."""
    return group or (BLOCK if BLOCK in split.metadata else None)


def block_notes(split: Split, group: NDArray[np.int64] | None, column: str | None, unit: str) -> tuple[str, ...]:
    """What intervals are over.

    Args:
        split: The set.
        group: The group of each picture, (n,) from 0 on; None without groups.
        column: The metadata column that names them.
        unit: What an example is called.
    """
    if column != BLOCK or group is None:
        return () if column == FILE else dependence_notes(split, group, column, unit)
    return (
        f"File names look like a sequence, whose neighbours are alike: intervals are over {int(group.max()) + 1} blocks of "
        f"consecutive {unit}s; `group=file` would take each {unit} for itself.",
    )


def window_of(data: ImageData, crop: int | None) -> tuple[int, int] | None:
    """Height and width of the windows of training.

    Args:
        data: What is trained on.
        crop: As the option of this name.

    Returns:
        The two numbers; None for whole pictures.
    """
    if crop is not None:
        return crop, crop
    sizes = sizes_of(data.y_train.numpy())
    if len(np.unique(sizes, axis=0)) == 1 and data.size[0] * data.size[1] <= _WHOLE:
        return None
    side = min(_WINDOW, int(sizes.min(1).max()))
    return side, side


def _needed(objective: TaskObjective | None) -> MaskObjective:
    if not isinstance(objective, MaskObjective):
        raise ValueError("masks need an objective")
    return objective


TASK = ImageMasks()
