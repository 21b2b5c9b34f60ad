"""What `dlcli train` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate, flat
from dlcli.specs.option import check, one_of, option
from dlcli.specs.pairs import check_means, columns_option
from dlcli.specs.shared import (
    clips_option,
    data_option,
    device_option,
    fps_option,
    frames_option,
    model_option,
    output_option,
    seed_option,
    size_option,
    strict_option,
)
from dlcli.support.errors import UsageError

TASKS = ("images", "pairs")
"""What --task may be."""
_OF_PAIRS = ("data", "task", "model", "vectors", "columns", "seed", "device", "output")
WATCHED = ("accuracy", "loss")
"""What --early-stop may watch."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of `dlcli train`; a setting of training that is left out is the one made for the network."""

    data: str = data_option("digits", also_argument=True)
    task: str = option(
        "images",
        "What is learned. pairs: from a table with two text columns and a label of 0 or 1, whether two texts ask the same; "
        "--model is then auto, lexical, words, siamese, fc or birnn, and dlcli dedupe --model uses the run.",
        choices=one_of(*TASKS),
    )
    model: str | None = model_option(None)
    vectors: str | None = option(
        None,
        "Of --task pairs: the vectors of texts that the model sees, as for dlcli dedupe.",
        metavar="NAME",
    )
    columns: tuple[str, ...] = columns_option()
    weights: Path | None = option(
        None,
        "Start from the weights in this file, .safetensors, or .pt or .pth that hold tensors only; a last layer for another "
        "number of classes starts anew. Of --model frame-mlp:NAME, a perceptron on the features that the network NAME has of "
        "the frames of clips, the weights of NAME.",
        metavar="FILE",
        reads=True,
    )
    surgery: tuple[str, ...] = option(
        (),
        "Change the network before training; repeat for more, in order.",
        name="with",
        metavar="NAME[=ARG]",
    )
    versus: str | None = option(
        None,
        "Train a second time with these options changed and compare in pairs, seed by seed: baseline (no --with), or "
        "options in quotes, e.g. '--with selu' or '--lr 0.01'.",
        metavar="SPEC",
    )
    seeds: int | None = option(None, "How many seeds are compared by --versus, from --seed on.  [default: 5]", minimum=2)
    workers: int | None = option(
        None,
        "Networks trained side by side by --versus.  [default: as many as there are cores]",
        minimum=1,
    )
    epochs: int | None = option(None, "Passes over the training examples.", minimum=1)
    batch_size: int | None = option(
        None,
        "Images a step; auto, the default, is what suits the network. A step that does not fit in memory is taken in parts.",
        minimum=1,
        parse=parse.whole_or_auto,
        show=str,
        metavar="N|auto",
    )
    optimizer: str | None = option(None, "The optimizer.", choices=one_of("sgd", "adam", "adamw", "adadelta"))
    lr: float | None = option(None, "The learning rate.", minimum=0)
    schedule: str | None = option(None, "How the learning rate falls.", choices=one_of("constant", "cosine"))
    label_smoothing: float | None = option(None, "Label smoothing, in [0, 1).", minimum=0, maximum=1)
    clip_norm: float | None = option(None, "The largest norm that a step's gradient may have.", minimum=0)
    ema: float | None = option(None, "The decay of an average of the weights, kept in their place.", minimum=0, maximum=1)
    early_stop: tuple[str, int] | None = option(
        None,
        "Stop when the accuracy or the loss on the dev set was no better for so many epochs (5), and keep the best epoch's "
        "weights, e.g. loss:10. Needs a dev set.",
        parse=parse.early_stop,
        show=parse.show_early_stop,
        metavar="METRIC[:EPOCHS]",
    )
    precision: str = option(
        "auto",
        "auto: bfloat16 where the device is fast in it. Judging is always in float32.",
        choices=one_of("auto", "float32"),
    )
    augment: tuple[str, ...] = option(
        (),
        "Change training images at random: horizontal-flip, crop, rotate ...; repeat for more.",
        metavar="NAME",
    )
    class_weights: bool = option(False, "Weigh the loss so that every class counts the same.")
    corrupt: str | None = option(
        None,
        "Take the sense out of the training data: labels=P, shuffled-pixels, random-pixels or gaussian.",
        metavar="SPEC",
    )
    dev: float | None = option(
        None,
        "Keep this share of the training examples apart to watch training on.",
        minimum=0,
        maximum=0.9,
    )
    limit: int | None = option(None, "Use at most N examples of each set, every class among them.", minimum=1)
    size: int | None = size_option()
    frames: int | None = frames_option()
    clips: int | None = clips_option()
    fps: float | None = fps_option()
    strict: bool = strict_option()
    adversarial: tuple[str, float, float] | None = option(
        None,
        "Train on adversarial examples of the current weights, e.g. fgsm:0.3, or fgsm:0.3:0.5 for half of each batch.",
        parse=parse.adversarial,
        show=parse.show_adversarial,
        metavar="METHOD:EPS[:SHARE]",
    )
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option("The run's folder.  [default: the first free of runs/DATA, runs/DATA-2 ...]", "DIR")
    resume: bool = option(False, "Continue the run in the folder after it was stopped.")

    def __post_init__(self) -> None:
        check(self)
        self._check_task()
        if self.seeds and not self.versus:
            raise UsageError("--seeds: goes with --versus")
        if self.workers and not self.versus:
            raise UsageError("--workers: goes with --versus")
        if self.resume and self.versus:
            raise UsageError("--resume: a comparison by --versus is not continued", hint="run it again")
        if self.early_stop and (self.early_stop[0] not in WATCHED or self.early_stop[1] < 1):
            raise UsageError(
                f"--early-stop: needs one of {', '.join(WATCHED)}, and at least 1 epoch", hint="--early-stop loss:10"
            )
        if self.adversarial and not 0 < self.adversarial[2] <= 1:
            raise UsageError("--adversarial: the share must be above 0 and at most 1")

    def _check_task(self) -> None:
        if self.task == "pairs":
            check_means(self, _OF_PAIRS, "--task pairs")
            if self.data == "digits":
                raise UsageError("--task pairs: learns from labelled pairs", hint="dlcli train PAIRS.csv --task pairs")
            if self.device not in ("auto", "cpu"):
                raise UsageError("--device: pairs are learned from on the CPU", hint="leave it out")
        elif self.vectors is not None or self.columns:
            raise UsageError(f"--{'columns' if self.columns else 'vectors'}: goes with --task pairs")


@dataclass(frozen=True, kw_only=True)
class TrainRow:
    """One network: `variant` says of which side of a comparison it is, `accuracy` is on test examples it never saw.

    `epochs` were trained, and the weights are those of `best_epoch`, the last but for early stopping. `train_accuracy` and
    `train_loss` are of that epoch, the accuracy on the first 2,000 training examples. `epochs_to_fit` is the first epoch after
    which it was 0.99 or more, `steps_to_fit` the steps until then; `epochs_to_level` the first epoch after which the watched
    accuracy was at the comparison's level.
    """

    variant: str
    seed: int
    accuracy: Estimate
    train_accuracy: float
    train_loss: float
    epochs: int
    best_epoch: int
    epochs_to_fit: int | None
    steps_to_fit: int | None
    epochs_to_level: int | None
    seconds: float
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A metric's mean on either side and the paired difference over seeds, the first side minus the second."""

    metric: str
    first: float
    second: float
    difference: Difference
    verdict: str


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The outcome of `dlcli train`: one row for each network trained; `unit` is what an example is, an image or a video."""

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
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: TrainRow) -> dict[str, Any]:
    # Without the seconds: everything else is the same when the run is.
    record = {name: value for name, value in vars(row).items() if name not in ("accuracy", "seconds")}
    return record | flat("accuracy", row.accuracy) | {"n": row.accuracy.n}
