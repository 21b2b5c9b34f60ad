"""Options and results of `dlcli train` and `dlcli eval` for labelled pairs of texts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import declared, option
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

PAIR_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "ap")
"""Metrics that `fail_under` may name for a scorer of pairs."""
ESSAY_PRECISION = "accuracy as the essay has it: precision"
"""Second name of the precision in results: the essay that docs/systems/duplicate-questions.md repeats calls it accuracy."""


def columns_option() -> Any:
    """`columns`: the columns of a table of labelled pairs."""
    return option(
        (),
        "Pairs: the two text columns and the label column (1, true, yes or duplicate; 0, false, no or different). Default: "
        "found by name.",
        parse=partial(parse_names, example="question1,question2,is_duplicate"),
        show=",".join,
        metavar="A,B,LABEL",
    )


def pair_columns_option() -> Any:
    """`pair_columns`: the columns of a table of pairs, labelled or not."""
    return option(
        (),
        "Compare the two texts within each row, instead of rows with each other. Adds three columns: score, verdict (duplicate "
        "or different, by the threshold) and why.",
        parse=partial(parse_names, example="question1,question2"),
        show=",".join,
        metavar="A,B",
    )


def parse_names(value: Any, *, example: str) -> tuple[str, ...]:
    """Parse comma-separated names, as many as in `example`; raises ValueError for another number."""
    names = tuple(value) if isinstance(value, (list, tuple)) else tuple(str(value).split(",")) if value else ()
    wanted = example.count(",") + 1
    if names and (len(names) != wanted or not all(names) or len(set(names)) < wanted):
        raise ValueError(f"'{','.join(names)}' is not {('two', 'three')[wanted - 2]} names, e.g. {example}")
    return names


def check_applicable(config: Any, allowed: Iterable[str], what: str) -> None:
    """Raise UsageError, naming the first field that is set but not `allowed`; `what` completes "does not apply to ...".

    `device=cpu` applies to all: the environment or a config file sets it for every run of a machine.
    """
    for item, _ in declared(config):
        value = getattr(config, item.name)
        if item.name not in allowed and value != item.default and (item.name, value) != ("device", "cpu"):
            raise UsageError(f"`{item.name}` does not apply to {what}", hint=f"omit `{item.name}`")


@dataclass(frozen=True, kw_only=True)
class PairMetric:
    """A metric in [0, 1]; its name is one of `PAIR_METRICS`, ece, or `ESSAY_PRECISION`."""

    name: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class ThresholdRow:
    """Counts at a `threshold`: the pairs at or above it, predicted to be duplicates, and how many of these are duplicates.

    `effective` is the number of independent pairs that tell as much of the precision: fewer where pairs share texts.
    """

    threshold: float
    predicted_positive: int
    true_positive: int
    effective: float


def _records(metrics: tuple[PairMetric, ...]) -> list[dict[str, Any]]:
    names = ("value", "low", "high", "n")
    return [{"metric": one.name, **{name: getattr(one.estimate, name) for name in names}} for one in metrics]


@dataclass(frozen=True, kw_only=True)
class PairsTrainResult(Result, command="train"):
    """Result of `dlcli train --task pairs`.

    Attributes:
        data: The table of labelled pairs.
        model: Name of the scorer, after `auto` has chosen one.
        settings: Hyperparameters of the fitted model.
        n_train: Number of pairs to learn from.
        n_dev: Number of pairs for model selection and calibration.
        n_test: Number of pairs that the metrics are computed on; they share no question with the others.
        duplicates: Fraction of duplicates among the test pairs.
        metrics: Metrics on the test part.
        operating: Counts on the test part for thresholds from 0.01 to 0.99.
        folder: The run directory, "" if none was written.
        seed: Seed of the split and of the training.
        seconds: Wall-clock time.
        weights_sha256: SHA-256 of the weights, "" if none were written.
        notes: Remarks on the result.
        failed: Why a requested check failed, "" if none did.
    """

    KIND: ClassVar[str] = "single"

    data: str
    model: str
    settings: dict[str, Any]
    n_train: int
    n_dev: int
    n_test: int
    duplicates: float
    metrics: tuple[PairMetric, ...]
    operating: tuple[ThresholdRow, ...]
    folder: str
    seed: int
    seconds: float
    weights_sha256: str
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics as flat rows."""
        return _records(self.metrics)


@dataclass(frozen=True, kw_only=True)
class PairLeaks:
    """Pairs of an evaluation that a scorer knows from its training.

    Attributes:
        n: Number of pairs.
        sharing: How many share a text with the pairs that it was trained, selected or calibrated on.
        same: How many are among these pairs themselves.
        others: Metrics on the pairs that share none; empty if none do, or the others are too few.
        gain: What those that share a text add to the accuracy; None without `others`.
    """

    n: int
    sharing: int
    same: int
    others: tuple[PairMetric, ...]
    gain: Difference | None


@dataclass(frozen=True, kw_only=True)
class PairsEvalResult(Result, command="eval"):
    """Result of `dlcli eval` for a scorer of pairs; names are as in `PairsTrainResult`.

    Attributes:
        model: The run directory, and the name of the scorer in parentheses.
        model_sha256: SHA-256 of the weights.
        n_pairs: Number of labelled pairs.
        duplicates: Fraction of duplicates among them.
        seen: Those that the scorer knows from its training; None if its run directory does not tell.
    """

    KIND: ClassVar[str] = "single"

    data: str
    model: str
    model_sha256: str
    n_pairs: int
    duplicates: float
    metrics: tuple[PairMetric, ...]
    operating: tuple[ThresholdRow, ...]
    seed: int
    seconds: float
    seen: PairLeaks | None = None
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics as flat rows, then those on the pairs that the scorer does not know, where it knows some."""
        return _records(every_metric(self))


def every_metric(result: PairsTrainResult | PairsEvalResult) -> tuple[PairMetric, ...]:
    """The metrics, then those on the pairs that share no text with the training, where some do."""
    others = result.seen.others if isinstance(result, PairsEvalResult) and result.seen is not None else ()
    return (*result.metrics, *(replace(one, name=f"{one.name}, new texts") for one in others))
