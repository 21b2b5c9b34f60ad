"""What `dlcli eval` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.diagnosis import SPLITS, Diagnosis, Gap
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import check, one_of, option
from dlcli.specs.pairs import PAIR_METRICS, columns_option
from dlcli.specs.shared import (
    clips_option,
    data_option,
    device_option,
    fps_option,
    frames_option,
    output_option,
    rule_option,
    seed_option,
    size_option,
    strict_option,
)
from dlcli.specs.summary import Layer, Summary
from dlcli.support.errors import UsageError

METRICS = ("top-1", "top-5", "worst-class", "worst-slice", "auc")
"""What --fail-under may hold to a bound: the metrics of which more is better."""


def trained_option() -> Any:
    """The argument MODEL: which trained network."""
    return option(
        None,
        "A folder that dlcli train or dlcli ensemble wrote, a file of weights with --arch, or file.py:callable, which runs "
        "that code and takes what it returns as trained. Left out, the network made for the data is trained, once.",
        argument=True,
        metavar="[MODEL]",
        reads=True,
    )


def arch_option() -> Any:
    """--arch: the network that a file of weights belongs to."""
    return option(None, "The network that a file of weights belongs to, named as for --model of the others.", metavar="SPEC")


def split_option() -> Any:
    """--split: which set of the data."""
    return option("test", "Which set of the data.", choices=one_of(*SPLITS))


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Options of `dlcli eval`."""

    model: str | None = trained_option()
    data: str = data_option("digits", also_argument=True)
    columns: tuple[str, ...] = columns_option()
    arch: str | None = arch_option()
    ensemble: str | None = rule_option()
    split: str = split_option()
    diagnose: bool = option(
        False, "Say where the error comes from: the ladder of human, train, train-dev, dev and test error, and what to try."
    )
    human_error: float | None = option(
        None,
        "The error of people, or the best one known, as a share: 0.01 is 1%. Goes with --diagnose; left out, 0.",
        minimum=0,
        maximum=1,
    )
    slices: tuple[str, ...] = option(
        (),
        "Accuracy by what is known of the examples: a column of labels.csv in the folder, an array beside y_test in the .npz, "
        "or class. Numbers of more than 20 values are cut into quarters; repeat for more.",
        metavar="COLUMN",
    )
    summary: bool = option(
        False,
        "Show what the network is made of: layers, shapes, parameters, multiply-adds and receptive field. "
        "With --arch alone, an untrained one.",
    )
    limit: int | None = option(None, "Look at the first N examples of each set only.", minimum=1)
    size: int | None = size_option()
    frames: int | None = frames_option()
    clips: int | None = clips_option()
    fps: float | None = fps_option()
    strict: bool = strict_option()
    fail_under: tuple[str, float] | None = option(
        None,
        f"Exit with status 1 if a metric is below a bound, e.g. top-1=0.95: {', '.join(METRICS)}; of pairs: "
        f"{', '.join(PAIR_METRICS)}.",
        parse=parse.condition,
        show=parse.show_condition,
        metavar="METRIC=V",
    )
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Leave run.json, report.html and pictures (confusion, reliability, mistakes) in this folder; of pairs, the mistakes.",
        "DIR",
    )

    def __post_init__(self) -> None:
        check(self)
        asked = {"--diagnose": self.diagnose, "--slices": self.slices, "--summary": self.summary}
        modes = [name for name, chosen in asked.items() if chosen]
        if len(modes) > 1:
            raise UsageError(f"{' and '.join(modes)} do not go together", hint="ask for one of them")
        if self.human_error is not None and not self.diagnose:
            raise UsageError("--human-error: goes with --diagnose")
        if len(set(self.slices)) < len(self.slices):
            raise UsageError("--slices: a column is given twice")
        if self.arch is not None and self.model is None and not self.summary:
            raise UsageError("--arch: goes with a file of weights, or with --summary", hint="dlcli eval WEIGHTS --arch NAME")
        if self.ensemble is not None and self.model is None:
            raise UsageError(
                "--ensemble: goes with a folder that dlcli ensemble wrote", hint="dlcli eval FOLDER --ensemble RULE"
            )
        self._check_bound()

    def _check_bound(self) -> None:
        if self.fail_under is None:
            return
        metric, _ = self.fail_under
        if self.summary:
            raise UsageError("--fail-under: --summary measures nothing", hint="leave --summary out")
        if metric not in (*METRICS, *PAIR_METRICS):
            raise UsageError(f"--fail-under: '{metric}' is not one of {', '.join(dict.fromkeys((*METRICS, *PAIR_METRICS)))}")
        if metric == "worst-slice" and not self.slices:
            raise UsageError("--fail-under: worst-slice goes with --slices", hint="--slices class needs the labels only")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure over all examples: shares are in [0, 1], `nll` is in nats, `brier` in [0, 2]."""

    name: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class: the share of its examples that were right (None: there are none) and the class most often taken for it."""

    name: str
    accuracy: Estimate | None
    most_confused_with: str = ""


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """The examples whose fact `column` has the value `name`: the share that was right, and that less the share of all others.

    `p` is that of Fisher's exact test against the others, corrected by Holm for all slices of the run. `status` is `worse`,
    `better`, `not established`, or `no others` where it holds all.
    """

    column: str
    name: str
    accuracy: Estimate
    minus_rest: Difference | None
    p: float | None
    status: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One cell of the confusion matrix that is not empty, by the names of the true class and the predicted output."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bin of confidence, (low, high]: its examples, their mean confidence and accuracy (None where there are none)."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An example that was wrong, by its number in the set from 0, and how probable the network held its answer."""

    index: int
    true: str
    predicted: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """The outcome of `dlcli eval`; `worst_slice` is COLUMN=VALUE, "" without --slices.

    `unit` is what an example is, an image or a video; `n_images` is how many of either there are.

    With --summary only the network is looked at: `metrics`, `per_class`, `confusion`, `bins` and `mistakes` are empty.
    """

    KIND: ClassVar[str] = "single"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    n_images: int
    metrics: tuple[Metric, ...]
    per_class: tuple[ClassRow, ...]
    confusion: tuple[Confusion, ...]
    bins: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]
    diagnosis: Diagnosis | None
    summary: Summary | None
    slices: tuple[SliceRow, ...] = ()
    worst_slice: str = ""
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The figures as flat records: the layers, gaps or slices, or else the metrics and then the accuracy of each class."""
        if self.summary is not None:
            return [_layer(layer) for layer in self.summary.layers]
        if self.diagnosis is not None:
            return [_gap(gap) for gap in self.diagnosis.gaps]
        if self.slices:
            return [_slice(row) for row in self.slices]
        rows = [{"metric": one.name, "class": None, **_figure(one.estimate)} for one in self.metrics]
        return rows + [{"metric": "accuracy", "class": one.name, **_figure(one.accuracy)} for one in self.per_class]


def _figure(found: Estimate | Difference | None) -> dict[str, Any]:
    return {name: getattr(found, name, None) for name in ("value", "low", "high", "n")}


def _slice(row: SliceRow) -> dict[str, Any]:
    gap = {f"minus_rest_{name}".removesuffix("_value"): value for name, value in _figure(row.minus_rest).items() if name != "n"}
    names = {"column": row.column, "slice": row.name, **_figure(row.accuracy)}
    return {**names, **gap, "p": row.p, "status": row.status}


def _gap(gap: Gap) -> dict[str, Any]:
    names = {"gap": gap.name, "status": gap.status, "upper": gap.upper, "lower": gap.lower}
    return {**names, **_figure(gap.difference), "causes": ", ".join(gap.causes)}


def _layer(layer: Layer) -> dict[str, Any]:
    """The shapes as text, 32x8x8, so that a cell of csv needs no quotes."""
    return {name: "x".join(map(str, value)) if isinstance(value, tuple) else value for name, value in vars(layer).items()}
