"""Options and result of `dlcli ensemble`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.cluster import cluster_option
from dlcli.specs.code import trust_code_option
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.gate import FailUnder, fail_under_option, gate
from dlcli.specs.log_option import check_logs, log_option
from dlcli.specs.masks import crop_option, ignore_option
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, one_of, option
from dlcli.specs.result import Result
from dlcli.specs.scores import (
    balance_option,
    member_loss_option,
    raters_option,
    score_column_option,
)
from dlcli.specs.sequences import SEQUENCES, pad_option, rate_option
from dlcli.specs.shared import (
    RULE_MEANINGS,
    RULES,
    SCORE_RULES,
    augment_option,
    data_option,
    device_option,
    group_option,
    label_column_option,
    output_option,
    seed_option,
    size_option,
    strict_option,
    surgery_option,
)
from dlcli.specs.spread import refuse_spread
from dlcli.specs.train import IMAGES, SCORES, SEGMENT, TrainConfig
from dlcli.support.errors import UsageError

METRICS = {IMAGES: ("accuracy",), SCORES: ("spearman",), SEQUENCES: ("accuracy",), SEGMENT: ("miou", "pixel-accuracy")}
"""Metrics of the rule that `fail_under` may name, by task."""
_OF_TASKS = ("loss", "huber_delta", "balance", "score_column", "raters", "rate", "pad", "ignore", "crop")
"""Options that only some tasks have, by their fields."""
STRATEGIES = ("auto", "processes", "stacked")


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig:
    """Options of `dlcli ensemble`; settings that are None take the value of the network's own recipe."""

    data: str = data_option("digits", two_ways=True)
    task: str = option(
        IMAGES,
        "images: classify images. score: predict a number for each image. sequence: classify time series, sounds or texts. "
        "segment: find the class of each pixel. As for dlcli train.",
        choices=one_of(IMAGES, SCORES, SEQUENCES, SEGMENT),
    )
    model: tuple[str, ...] = option(
        (),
        "A built-in model; a published network (torchvision:NAME, timm:NAME or hf:OWNER/NAME), which starts from its weights; "
        "or your own as package.module:callable or file.py:callable, which imports and runs that code (repeatable; members "
        "take them in turn). Default: the built-in model for the dataset.",
        metavar="SPEC",
        names_code=True,
    )
    normalise: str = normalise_option("every network")
    surgery: tuple[str, ...] = surgery_option("every network")
    members: int = option(5, "Number of networks to train, each from its own seed.", minimum=0, maximum=1000)
    add: tuple[str, ...] = option(
        (), "Add a network that dlcli train wrote, after those trained here (repeatable).", metavar="RUN"
    )
    bootstrap: float | None = option(
        None,
        "Train each member on its own sample of this fraction of the images, drawn with replacement (bagging).",
        above=0,
        maximum=1,
        metavar="SHARE",
    )
    chunk: float | None = option(None, "Like `bootstrap`, but drawn without replacement.", above=0, maximum=1, metavar="SHARE")
    snapshots: bool = option(False, "Snapshot ensemble: cyclic learning rate, one member per cycle (Huang et al. 2017).")
    rule: str = option(
        "mean",
        f"Rule that combines the members, here and when the directory is used as a model: {RULE_MEANINGS}; of scores mean or "
        "median.",
        choices=one_of(*RULES, "median"),
    )
    epochs: int | None = option(
        None, "Training epochs of each member. Default: the network's own number.", limit=1_000_000, minimum=1
    )
    batch_size: int | None = option(None, "Batch size (images per step). Default: the network's own.", minimum=1)
    optimizer: str | None = option(
        None, "Optimizer. Default: the network's own.", choices=one_of("sgd", "adam", "adamw", "adadelta")
    )
    lr: float | None = option(
        None, "Learning rate. Default: the network's own, or the usual one of the given `optimizer`.", above=0
    )
    loss: str | None = member_loss_option()
    huber_delta: float | None = option(None, "Scores: threshold of `loss=huber`, as for dlcli train.", above=0, metavar="DELTA")
    balance: str | None = balance_option()
    augment: tuple[str, ...] = augment_option()
    adversarial: tuple[str, float, float] | None = option(
        None,
        "Train every member on adversarial examples made from its current weights, e.g. fgsm:0.3, or fgsm:0.3:0.5 for half of "
        "each batch.",
        parse=parse.adversarial,
        show=parse.show_adversarial,
        metavar="METHOD:EPS[:SHARE]",
    )
    strategy: str = option(
        "auto",
        "Train members in parallel processes, or stacked into one network. auto: stacked on a single GPU if the network "
        "supports it, else processes; which is faster on a GPU has not been measured.",
        choices=one_of(*STRATEGIES),
    )
    workers: int | None = option(
        None, "Number of parallel processes.  [default: one per CPU core or GPU]", limit=4096, minimum=1
    )
    cluster: str | None = cluster_option()
    limit: int | None = option(None, "Use at most N images per split, keeping every class represented.", minimum=1)
    size: int | None = size_option()
    label_column: str | None = label_column_option()
    score_column: str | None = score_column_option()
    raters: tuple[str, ...] = raters_option()
    rate: int | None = rate_option()
    pad: bool = pad_option()
    ignore: int | None = ignore_option()
    crop: int | None = crop_option()
    group: str | None = group_option("; intervals here take images for independent, those of dlcli eval are by group.")
    strict: bool = strict_option()
    fail_under: FailUnder | None = fail_under_option(
        "Exit with status 1 if the accuracy of the rule, or of scores its correlation, is below a threshold: accuracy=0.98, "
        "spearman=0.6, of masks miou=0.5 or pixel-accuracy=0.9."
    )
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Ensemble directory, with a page, report.html.  "
        "[default: the first free of runs/DATA-ensemble, runs/DATA-ensemble-2 ...]",
        "DIR",
    )
    log: tuple[str, ...] = log_option()
    resume: bool = option(
        False,
        "Keep the members already in the directory and train those that are missing up to `members`; start in a new directory.",
    )

    def __post_init__(self) -> None:
        check(self)
        ways = {"`bootstrap`": self.bootstrap is not None, "`chunk`": self.chunk is not None, "`snapshots`": self.snapshots}
        chosen = [name for name, given in ways.items() if given]
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(chosen)} cannot be combined", hint="choose one of them")
        if self.members + len(self.add) < 2:
            raise UsageError(
                "`members`: an ensemble needs at least 2", hint="raise `members`, or add trained networks with `add`"
            )
        if self.snapshots and len(self.model) > 1:
            raise UsageError("`snapshots` come from one network, but `model` names several")
        if self.strategy == "stacked" and (self.cluster is not None or (self.workers or 1) > 1):
            refuse_spread(self, "members that are stacked are trained")
        if self.snapshots and self.strategy == "stacked":
            raise UsageError("`strategy`: snapshots are trained one after the other and cannot be stacked")
        check_logs(self.log)
        self._check_task()

    def _check_task(self) -> None:
        metrics, rules = METRICS[self.task], SCORE_RULES if self.task == SCORES else RULES
        if self.fail_under and self.fail_under[0] not in metrics:
            raise UsageError(f"`fail_under`: '{self.fail_under[0]}' is not one of {', '.join(metrics)}")
        gate(self.fail_under)
        if self.rule not in rules:
            what = "scores" if self.task == SCORES else "classes"
            raise UsageError(f"`rule`: {what} are not combined by {self.rule}", hint=f"choose {', '.join(rules)}")
        if self.task != IMAGES or any(getattr(self, name) for name in _OF_TASKS):
            self.training(0)  # refuses what does not go with the task

    @property
    def share(self) -> float:
        """The share of the training images that each member is trained on."""
        return self.bootstrap or self.chunk or 1.0

    def training(self, number: int) -> TrainConfig:
        """The training options of member `number`, counted from 0; its seed and its sample of the images come on top."""
        return TrainConfig(
            data=self.data,
            task=self.task,
            loss=self.loss,
            huber_delta=self.huber_delta,
            balance=self.balance,
            score_column=self.score_column,
            raters=self.raters,
            rate=self.rate,
            pad=self.pad,
            ignore=self.ignore,
            crop=self.crop,
            label_column=self.label_column,
            model=self.model[number % len(self.model)] if self.model else None,
            normalise=self.normalise,
            surgery=self.surgery,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            lr=self.lr,
            # A snapshot is taken where the learning rate has fallen to 0.
            schedule="cosine" if self.snapshots else None,
            augment=self.augment,
            adversarial=self.adversarial,
            limit=self.limit,
            size=self.size,
            strict=self.strict,
            seed=self.seed,
            device=self.device,
            log=self.log,
        )


@dataclass(frozen=True, kw_only=True)
class EnsembleRow:
    """How the first `members` members do on the test images, decided by one classifier.

    `classifier` is `best member` (chosen on these very images), `mean of members`, a rule, or `oracle` (any member is right: no
    rule). `gain` is the paired difference of accuracy to the mean of members, `minus_mean` that to the mean rule. `ece` is the
    expected calibration error of a rule and `nll` its negative log-likelihood in nats.
    """

    members: int
    classifier: str
    accuracy: Estimate
    gain: Difference | None
    minus_mean: Difference | None
    ece: Estimate | None
    nll: Estimate | PointEstimate | None


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """How differently the first `members` members decide, as means over all pairs of them, with intervals over images.

    `disagreement` is the share of test images on which two name different classes; `error_correlation` the correlation of
    whether they are wrong, None where no pair has errors on both sides.
    """

    members: int
    disagreement: Estimate
    error_correlation: Estimate | PointEstimate | None


@dataclass(frozen=True, kw_only=True)
class MemberRow:
    """One member: its architecture, its accuracy on the test images, and whether an earlier run had trained it."""

    member: int
    model: str
    accuracy: Estimate
    n_train: int | None
    reused: bool
    seconds: float
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class EnsembleResult(Result, command="ensemble"):
    """The outcome of `dlcli ensemble`: a row for each number of members and classifier."""

    KIND: ClassVar[str] = "single"

    data: str
    unit: str = "image"
    model: str
    model_sha256: str
    n_train: int
    n_test: int
    rule: str
    headline: EnsembleRow | None
    rows: tuple[EnsembleRow, ...]
    diversity: tuple[Diversity, ...]
    members: tuple[MemberRow, ...]
    strategy: str
    seed: int
    folder: str
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: EnsembleRow) -> dict[str, Any]:
    named = {"members": row.members, "classifier": row.classifier, "n": row.accuracy.n}
    return named | flat_all(row, "accuracy", "gain", "minus_mean", "ece", "nll")
