"""Options and results of `dlcli train` and `dlcli eval` for scores of pictures."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.arms import Number, Text, names_option, numbers_option, values
from dlcli.specs.estimates import Ceiling, Difference, Estimate, PointEstimate, flat
from dlcli.specs.explain import Explanation
from dlcli.specs.masks import MASK_LOSSES
from dlcli.specs.option import entries, one_of, option
from dlcli.specs.pretraining_result import EqualCompute, PretrainingRow, ProbeGain, all_rows, pretraining_records
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

SCORE_METRICS = ("spearman", "pearson", "kendall")
"""Metrics that `fail_under` may name for scores: those of which more is better."""
ERRORS = ("mae", "rmse")
"""Metrics in units of the score."""
DEFAULT_LOSS, DEFAULT_DELTA = "huber", 1.0

Figure = Estimate | PointEstimate


def losses() -> tuple[str, ...]:
    """The losses of scores."""
    return tuple(name for name in entries("loss", "dlcli.core.objectives")() if name not in MASK_LOSSES)


def loss_option() -> Any:
    """`loss`: what is minimised."""
    return names_option(
        "Scores: huber, mse, mae or ranking (RankNet: the order of two pictures); or, for integer scores, emd (earth mover's "
        "distance), corn (ordinal) or ce (cross-entropy over the levels). Default: huber. Masks: cross-entropy, dice or both. "
        "Default: cross-entropy.",
        choices=entries("loss", "dlcli.core.objectives"),
    )


def member_loss_option() -> Any:
    """`loss` where one is chosen."""
    return option(
        None,
        "Scores and masks: the loss, one of those of dlcli train. Default: huber, of masks cross-entropy.",
        choices=entries("loss", "dlcli.core.objectives"),
    )


def huber_delta_option() -> Any:
    """`huber_delta`: where the Huber loss bends."""
    return numbers_option(
        None,
        "Scores: threshold of `loss=huber`, in units of the score. Default: 1; of scores that are no integers on a scale of at "
        "most 200 levels, their standard deviation where that is above 10.",
        above=0,
        metavar="DELTA[,DELTA...]",
    )


def balance_option() -> Any:
    """`balance`: how training examples are drawn."""
    return option(
        None,
        "score: draw each training example by first drawing a score, each alike, then an example of it, so that rare scores "
        "count as much. Scores that are no integers are drawn by tenths of their range.",
        choices=one_of("score"),
    )


def score_column_option(more: str = "") -> Any:
    """`score_column`: which column of a table holds the scores; `more` ends the help."""
    return option(
        None,
        "Scores in tables of images: their column. Default: score, mean, rating, mos, value, label, target or y; else the mean "
        f"of the raters.{more}",
        metavar="NAME",
    )


def raters_option() -> Any:
    """`raters`: which columns hold what each rater gave."""
    return option(
        (),
        "Scores in tables of images: column of those that one rater gave (repeatable). Two or more give the ceiling of raters. "
        "Default: rater_1, rater_2 and so on. histogram: y (n, k) of a .npz are counts of votes.",
        metavar="NAME",
    )


def check_loss(loss: Text, delta: Number) -> None:
    """Raise UsageError for a loss that is not one of scores, or the threshold of the Huber loss with another one."""
    chosen = values(loss)
    wrong = [name for name in chosen if name in MASK_LOSSES]
    if wrong:
        raise UsageError(f"`loss={wrong[0]}` is not a loss of scores", hint=f"choose from {', '.join(losses())}")
    if delta is not None and not {None, DEFAULT_LOSS} & set(chosen):
        raise UsageError(f"`huber_delta` does not apply to `loss={chosen[0]}`", hint="omit `huber_delta`")


@dataclass(frozen=True, kw_only=True)
class ScoreMetric:
    """A metric of predicted scores: correlations are in [-1, 1], errors in units of the score."""

    name: str
    estimate: Figure


@dataclass(frozen=True, kw_only=True)
class ScoreThird:
    """The mean absolute error on the examples whose true score is from `low` to `high`, a third of them by their scores."""

    low: float
    high: float
    mae: Figure


@dataclass(frozen=True, kw_only=True)
class ConstantBaseline:
    """What one prediction for all would get: the median of the training scores in `mae`, their mean in `rmse`.

    `gain` is its absolute error less that of the network, the mean over examples.
    """

    median: float
    mean: float
    mae: Figure
    rmse: Figure
    gain: Difference | None


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One trained network and its learning curve in numbers; names are as in `TrainRow`.

    Attributes:
        metrics: On the test set.
        thirds: Errors by third of the scale, on the test set.
        train_spearman: After `best_epoch`, on the first 2,000 training examples.
        train_loss: Mean loss of the steps of `best_epoch`; of standardised scores, where the loss has units.
    """

    variant: str
    seed: int
    metrics: tuple[ScoreMetric, ...]
    thirds: tuple[ScoreThird, ...]
    train_spearman: float
    n_watched: int
    train_loss: float
    epochs: int
    best_epoch: int
    steps: int
    epochs_to_level: int | None
    seconds: float
    weights_sha256: str

    def figure(self, name: str) -> Figure | None:
        """A metric by its name; None for a correlation of predictions that are all equal."""
        return next((one.estimate for one in self.metrics if one.name == name), None)

    def value(self, name: str) -> float:
        """A metric without its interval; 0 for a correlation of predictions that are all equal."""
        found = self.figure(name)
        return 0.0 if found is None else found.value


@dataclass(frozen=True, kw_only=True)
class ScoreTrainResult(Result, command="train"):
    """Result of `dlcli train --task score`; names are as in `TrainResult`.

    `level` is a Spearman correlation. `baseline` compares the first row.
    """

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    loss: str
    surgery: tuple[str, ...]
    n_train: int
    n_test: int
    rows: tuple[ScoreRow, ...]
    comparisons: tuple[Any, ...]
    level: float | None
    baseline: ConstantBaseline | None
    ceiling: Ceiling | None
    folder: str
    device: str
    notes: tuple[str, ...] = ()
    pretraining: tuple[PretrainingRow, ...] = ()
    probe_gains: tuple[ProbeGain, ...] = ()
    equal_compute: EqualCompute | None = None
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in all_rows(self)] or pretraining_records(self.pretraining)


def _record(row: ScoreRow) -> dict[str, Any]:
    # Without the seconds: everything else is the same when the run is.
    record = {name: value for name, value in vars(row).items() if name not in ("metrics", "thirds", "seconds")}
    for one in row.metrics:
        record |= flat(one.name, one.estimate)
    return record | {"n": row.metrics[0].estimate.n if row.metrics else None}


@dataclass(frozen=True, kw_only=True)
class ScoreMistake:
    """An example with a large error: its index in the split, from 0, its file if there is one, and both scores."""

    index: int
    file: str
    true: float
    predicted: float


@dataclass(frozen=True, kw_only=True)
class ScoreEvalResult(Result, command="eval"):
    """Result of `dlcli eval` for a network that predicts scores; names are as in `EvalResult`.

    Attributes:
        mistakes: The largest errors, in descending order.
        n_groups: Number of groups of `group`, None without it.
        explanation: None without `explain`.
    """

    KIND: ClassVar[str] = "single"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    loss: str
    n_images: int
    metrics: tuple[ScoreMetric, ...]
    thirds: tuple[ScoreThird, ...]
    baseline: ConstantBaseline
    ceiling: Ceiling | None
    mistakes: tuple[ScoreMistake, ...]
    n_groups: int | None
    explanation: Explanation | None
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics of the network, then those of the constant."""
        found = [(one.name, one.estimate) for one in self.metrics]
        found += [("constant mae", self.baseline.mae), ("constant rmse", self.baseline.rmse)]
        names = ("value", "low", "high", "n")
        return [{"metric": name, **{key: getattr(one, key) for key in names}} for name, one in found]
