"""Result of `dlcli train`."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate, flat
from dlcli.specs.pretraining_result import EqualCompute, PretrainingRow, ProbeGain, all_rows, pretraining_records
from dlcli.specs.result import Result
from dlcli.specs.sample_size import SeedsNeeded
from dlcli.specs.suspects import Suspects

GIVEN = "this"
"""What results call the network of the options that were given, beside the one of `versus`."""


@dataclass(frozen=True, kw_only=True)
class TrainRow:
    """One trained network and its learning curve in numbers.

    Attributes:
        variant: Its side of the comparison: "this" for the options that were given, whatever they are, the text of `versus`, or
            values such as lr=0.01. The terminal and the page name the options in place of "this".
        seed: The seed it was trained from.
        accuracy: On the test set.
        train_accuracy: After `best_epoch`, on the first 2,000 training examples.
        n_watched: Number of training examples of which that is the share.
        train_loss: Mean loss of the steps of `best_epoch`.
        epochs: Number of epochs trained.
        best_epoch: The epoch whose weights were kept, from 1: the last one, unless early stopping chose another.
        epochs_to_fit: The first epoch after which the training accuracy was 0.99 or more, None if it never was.
        steps_to_fit: Number of steps until the end of that epoch.
        steps: Number of steps trained.
        epochs_to_level: The first epoch after which the accuracy on the dev set (without one: the test set) reached the `level`
            of the result; None without a comparison.
        seconds: Wall-clock time of training.
        weights_sha256: SHA-256 of the weights.
        cpu_seconds: Seconds of the processor for training; None where they were not recorded.
        labels_seed: Seed of the draw of labels, if it is not `seed`.
    """

    variant: str
    seed: int
    accuracy: Estimate
    train_accuracy: float
    n_watched: int
    train_loss: float
    epochs: int
    best_epoch: int
    epochs_to_fit: int | None
    steps_to_fit: int | None
    steps: int
    epochs_to_level: int | None
    seconds: float
    weights_sha256: str
    cpu_seconds: float | None = field(default=None, compare=False)
    labels_seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The mean of a metric for each variant, and the paired difference over seeds: the first variant minus the second.

    Of two variants, the verdict is on test accuracy alone. The other metrics are tested only if that is established, with the
    p-value `p` of the paired t-test by Holm for all of them; else their verdict is empty. Of more than two variants each pair
    is compared by test accuracy: `variants` names the two, and `p` is by Holm for all pairs. The interval is always that of
    one comparison.

    `never` counts the networks that never came to what an epoch or step is counted for. Each counts as the longest training.
    `needed` tells of the first metric how many seeds establish a difference of the size of `detect`; None without it.
    """

    metric: str
    first: float
    second: float
    difference: Difference
    verdict: str
    variants: tuple[str, ...] = ()
    p: float | None = None
    never: int = 0
    needed: SeedsNeeded | None = None


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result, command="train"):
    """Result of `dlcli train`: one row per trained network.

    `unit` is what an example is, image or video. `level` is the lowest of the final accuracies of a comparison, which all its
    networks reached; None without a comparison. `pretraining` has a row for each network that was pre-trained, and
    `probe_gains` the means over the seeds of a comparison; `equal_compute` compares one side that is pre-trained with the other
    trained for longer, None where there is none. `suspects` are training labels that are probably wrong, None otherwise.
    """

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    surgery: tuple[str, ...]
    n_train: int
    n_test: int
    rows: tuple[TrainRow, ...]
    comparisons: tuple[Comparison, ...]
    level: float | None
    folder: str
    device: str
    notes: tuple[str, ...] = ()
    pretraining: tuple[PretrainingRow, ...] = ()
    probe_gains: tuple[ProbeGain, ...] = ()
    equal_compute: EqualCompute | None = None
    suspects: Suspects | None = None
    failed: str = ""

    def shown(self, metric: str) -> str:
        """A metric of `comparisons` as it is printed: `epochs to level` with the level itself, as in `epochs to 83.5%`."""
        level = "level" if self.level is None else f"{100 * self.level:.1f}%"
        return metric.replace("to level", f"to {level}").replace("to fit", "to 99%")

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in all_rows(self)] or pretraining_records(self.pretraining)


def _record(row: TrainRow) -> dict[str, Any]:
    # Without the seconds: everything else is the same when the run is.
    left_out = ("accuracy", "seconds", "cpu_seconds", *(("labels_seed",) if row.labels_seed is None else ()))
    record = {name: value for name, value in vars(row).items() if name not in left_out}
    return record | flat("accuracy", row.accuracy) | {"n": row.accuracy.n}


def named(result: Any, name: str) -> Any:
    """A result of which the network of the options that were given is called `name` instead of `GIVEN`; "" leaves it."""
    if not name:
        return result
    changed: dict[str, Any] = {
        item.name: tuple(replace(one, variant=name) if one.variant == GIVEN else one for one in getattr(result, item.name))
        for item in fields(result)
        if item.name in ("rows", "pretraining", "probe_gains")
    }
    if (equal := getattr(result, "equal_compute", None)) is not None:
        changed["equal_compute"] = replace(equal, variants=tuple(name if one == GIVEN else one for one in equal.variants))
    return replace(result, **changed)
