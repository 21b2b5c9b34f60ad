"""What `dlcli train` and `dlcli eval` take and give when they learn from labelled pairs of texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from dlcli.specs.estimates import Estimate
from dlcli.specs.option import declared, flag, option
from dlcli.support.errors import UsageError

PAIR_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "ap")
"""What --fail-under may hold to a bound for a scorer of pairs."""
ESSAY = "accuracy as the essay has it: precision"


def columns_option() -> Any:
    """--columns: which columns of a table of labelled pairs."""
    return option(
        (),
        "Of labelled pairs: the two text columns and the label, 0 or 1; left out, they are found by name.",
        parse=partial(parse_names, example="question1,question2,is_duplicate"),
        show=",".join,
        metavar="A,B,LABEL",
    )


def pair_columns_option() -> Any:
    """--pair-columns: which columns of a table of pairs, whether they are labelled or not."""
    return option(
        (),
        "Judge the two texts in each row of a table of pairs, instead of rows by rows: three columns are added, score, verdict "
        "(duplicate or different, by the threshold) and why.",
        parse=partial(parse_names, example="question1,question2"),
        show=",".join,
        metavar="A,B",
    )


def parse_names(value: Any, *, example: str) -> tuple[str, ...]:
    """`left,right,same` to names, as many as in the example; raises ValueError for another number of them."""
    names = tuple(value) if isinstance(value, (list, tuple)) else tuple(str(value).split(",")) if value else ()
    wanted = example.count(",") + 1
    if names and (len(names) != wanted or not all(names) or len(set(names)) < wanted):
        raise ValueError(f"'{','.join(names)}' is not {('two', 'three')[wanted - 2]} names, e.g. {example}")
    return names


def check_means(config: Any, allowed: Iterable[str], what: str) -> None:
    """Raise UsageError naming the first option that is set, though it means nothing for `what`."""
    for item, _ in declared(config):
        if item.name not in allowed and getattr(config, item.name) != item.default:
            raise UsageError(f"{flag(item)}: means nothing for {what}", hint="leave it out")


@dataclass(frozen=True, kw_only=True)
class PairMetric:
    """One figure over pairs, in [0, 1], by the names of `PAIR_METRICS`, ece, or `ESSAY`."""

    name: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Operating:
    """At or above `threshold`, `called` pairs are called duplicates, and `right` of these are."""

    threshold: float
    called: int
    right: int


def _records(metrics: tuple[PairMetric, ...]) -> list[dict[str, Any]]:
    names = ("value", "low", "high", "n")
    return [{"metric": one.name, **{name: getattr(one.estimate, name) for name in names}} for one in metrics]


@dataclass(frozen=True, kw_only=True)
class PairsTrainResult:
    """The outcome of `dlcli train --task pairs`; the metrics are on the test part, whose questions are in no other part."""

    KIND: ClassVar[str] = "single"

    data: str
    model: str
    settings: dict[str, Any]
    n_train: int
    n_dev: int
    n_test: int
    duplicates: float
    metrics: tuple[PairMetric, ...]
    operating: tuple[Operating, ...]
    folder: str
    seed: int
    seconds: float
    weights_sha256: str
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics as flat records."""
        return _records(self.metrics)


@dataclass(frozen=True, kw_only=True)
class PairsEvalResult:
    """The outcome of `dlcli eval` for a scorer of pairs; `duplicates` is their share among the labels."""

    KIND: ClassVar[str] = "single"

    data: str
    model: str
    model_sha256: str
    n_pairs: int
    duplicates: float
    metrics: tuple[PairMetric, ...]
    operating: tuple[Operating, ...]
    seed: int
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The metrics as flat records."""
        return _records(self.metrics)
