"""Options and result of `dlcli attack`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

from dlcli.specs import parse
from dlcli.specs.anytime import Stopped, check_anytime, stop_when_sure_option, stops_early, time_limit_option
from dlcli.specs.cluster import cluster_option
from dlcli.specs.code import trust_code_option
from dlcli.specs.corruptions import METHOD, against_option, check_corruptions, corruptions_option
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.gate import FailUnder, fail_under_option, gate
from dlcli.specs.model_and_data import arch_option, check_weights_key, weights_key_option
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.result import Result
from dlcli.specs.shared import (
    RULE_MEANINGS,
    RULES,
    data_option,
    device_option,
    label_column_option,
    output_option,
    seed_option,
    size_option,
    strict_option,
)
from dlcli.specs.usual_data import set_usual_data
from dlcli.support.errors import UsageError

METRICS = ("clean", "robust")
NORMS = ("linf", "l2", "l1")
_ATTACKS = entries("attack", "dlcli.core.attacks.methods")


def methods() -> tuple[str, ...]:
    """The choices of `method`: all attacks, and the common corruptions."""
    return tuple(sorted((*_ATTACKS(), METHOD)))


def _names(value: Any) -> tuple[str, ...]:
    """The names in `fgsm` or `fgsm,pgd`."""
    return tuple(value) if isinstance(value, (list, tuple)) else tuple(name.strip() for name in str(value).split(","))


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """Options of `dlcli attack`."""

    method: str | tuple[str, ...] = option(
        ("fgsm",),
        "Attack, or several such as fgsm,pgd: an image counts as robust if every attack on it fails. "
        f"{METHOD} stands alone: accuracy under the fifteen common corruptions in place of an attack. "
        f"Choose from {', '.join(methods())}.",
        choices=methods,
        parse=_names,
        show=",".join,
        metavar="METHOD[,METHOD]",
    )
    model: str | None = option(
        None,
        "Network to attack. Used as trained: a directory written by dlcli train or dlcli ensemble, a checkpoint with `arch`, a "
        "published network (torchvision:NAME, timm:NAME or hf:OWNER/NAME), or file.py:callable, which runs that code. Trained "
        "first, and cached: a built-in model, and the latter two if `epochs` or `ensemble` is given. Default: the built-in "
        "model for the dataset.",
        metavar="SPEC",
        reads=True,
        names_code=True,
        two_ways=True,
    )
    data: str = data_option(None, two_ways=True)
    arch: str | None = arch_option()
    weights_key: str | None = weights_key_option()
    normalise: str = normalise_option()
    surrogate: str | None = option(
        None,
        "Trained network (a directory, or file.py:callable) on which to make the images for `method=transfer`, or for the "
        "transfer rows of an ensemble. With `method=transfer` also a FILE.npz of such images, written by `save`.",
        metavar="SPEC",
        reads=True,
        names_code=True,
    )
    target: str | None = option(
        None,
        "Class that adversarial images should be classified as: a name or number, or a different class per image: random, "
        "least-likely or next. Images of the target class itself are skipped.",
        metavar="CLASS",
    )
    norm: str | None = option(
        None,
        "Norm that limits the perturbation: its largest absolute value (linf), its L2 norm (l2), or the sum of its absolute "
        "values (l1). Default: the first norm that all methods support.",
        choices=one_of(*NORMS),
    )
    eps: tuple[float, ...] = option(
        (0.2,),
        "Largest perturbation, in input units where 0 is black and 1 is white: 0.1 or 8/255. A list 0.1,0.2 or a range "
        "0:0.3:0.1 gives one row per value.",
        parse=parse.floats,
        show=parse.show_floats,
        metavar="EPS",
        minimum=0,
    )
    steps: int | None = option(
        None, "Steps of an iterative attack. Default: the attack's own number.", limit=10_000_000, minimum=1
    )
    restarts: int | None = option(
        None, "Random restarts per image. Default: the attack's own number.", limit=1_000_000, minimum=1
    )
    step_size: float | None = option(
        None,
        "Length of a step of bim, mifgsm, pgd and fmn: in input units, of fmn in units of the range of values. Default: the "
        "attack's own.",
        above=0,
    )
    queries: int | None = option(
        None,
        "Forward passes per image of a black-box attack at most. Default: the attack's own number.",
        limit=10_000_000,
        minimum=1,
    )
    corruptions: tuple[str, ...] | None = corruptions_option()
    against: str | None = against_option()
    ensemble: str | None = option(
        None,
        "Train an ensemble as well, unless `model` is one, and combine its members by this rule: "
        f"{RULE_MEANINGS}. All rules are listed; the summary line and `fail_under` are about this one.",
        choices=one_of(*RULES),
    )
    members: int | None = option(
        None, "Number of bootstrapped members of an ensemble trained here. Default: 10.", minimum=2, maximum=1000
    )
    epochs: int | None = option(
        None, "Training epochs of networks trained here. Default: the network's own number.", limit=1_000_000, minimum=1
    )
    limit: int | None = option(None, "Attack only N of the test images, keeping every class represented.", minimum=1)
    size: int | None = size_option()
    label_column: str | None = label_column_option()
    strict: bool = strict_option()
    fail_under: FailUnder | None = fail_under_option(
        "Exit with status 1 if the clean or the robust accuracy of the summary line is below a bound, e.g. robust=0.5; with "
        "robust also if a sanity check fails."
    )
    time_limit: float | None = time_limit_option("Attack images")
    stop_when_sure: bool = stop_when_sure_option(
        "Attack images",
        " Robust accuracy that passes also waits until it is decided whether twice the steps fool 1% more of the images; the "
        "other sanity checks see only the images attacked.",
    )
    save: Path | None = option(
        None,
        "Write the clean and the adversarial images, their labels and the predictions to this file.",
        metavar="FILE.npz",
        writes=True,
    )
    resume: bool = option(
        False,
        "Continue an interrupted run from the images it stored beside `output` or `save`; they are deleted when the run ends.",
    )
    trust_code: bool = trust_code_option()
    workers: int | None = option(
        None,
        "Number of parallel processes that train networks and make adversarial images, some hundred at a time. The result is "
        "the same. Default: 1, and one per GPU.",
        limit=4096,
        minimum=1,
    )
    cluster: str | None = cluster_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Write run.json, adversarial examples (.npz), figures and report.html to this directory.", "DIR"
    )

    def __post_init__(self) -> None:
        check(self)
        set_usual_data(self)
        self._check_values()
        if self.resume and self.output is None and self.save is None:
            hint = "give the one that the interrupted run was started with"
            raise UsageError("`resume` needs `output=DIR` or `save=FILE.npz`", hint=hint)
        if "transfer" in self.methods:
            self._check_transfer()
        if self.target is not None and self.ensemble is not None:
            raise UsageError("`target` needs a single network", hint="drop `ensemble`")
        if self.arch is not None and self.model is None:
            raise UsageError("`arch` needs a file of weights", hint="give `model=WEIGHTS` `arch=NAME`")
        check_weights_key(self.weights_key, self.arch)
        check_corruptions(self)
        if stops_early(self) and (self.cluster is not None or self.workers is not None):
            name = "workers" if self.cluster is None else "cluster"
            message = f"`{name}`: an attack that stops early makes its images part after part, in one process"
            raise UsageError(message, hint=f"omit `{name}`")
        check_anytime(self, METRICS)
        if self.resume and stops_early(self):
            raise UsageError("`resume` goes on with whole sets of images", hint="drop `for` and `stop_when_sure`, or `resume`")

    def _check_values(self) -> None:
        if not self.methods:
            raise UsageError("`method`: at least one is needed")
        if not self.eps:
            raise UsageError("`eps`: at least one value is needed")
        if self.norm in (None, "linf") and max(self.eps) > 1:
            raise UsageError(f"`eps`: {max(self.eps):g} is above 1", hint=_range_hint(max(self.eps)))
        if self.fail_under and self.fail_under[0] not in METRICS:
            raise UsageError(f"`fail_under`: '{self.fail_under[0]}' is not one of {', '.join(METRICS)}")
        gate(self.fail_under)
        if self.save is not None and self.save.suffix != ".npz":
            raise UsageError(f"`save`: {self.save} does not end in .npz")

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the attacks, each once."""
        return tuple(dict.fromkeys((self.method,) if isinstance(self.method, str) else self.method))

    @property
    def surrogate_is_file(self) -> bool:
        """Whether `surrogate` is a file of images, not a network."""
        return self.surrogate is not None and self.surrogate.endswith(".npz")

    def _check_transfer(self) -> None:
        if self.ensemble is not None:
            hint = "choose other methods; `surrogate` names the network on which the transfer images are made"
            raise UsageError("`method`: every ensemble has transfer rows already", hint=hint)
        if self.surrogate is None:
            hint = "name the network to make them on with `surrogate`, or a .npz that `save` wrote"
            raise UsageError("`method`: transfer has no images to transfer", hint=hint)


def _range_hint(eps: float) -> str:
    """What to write for an `eps` above 1, which is probably in units of 0 to 255."""
    pixels = f"for pixels of 0 to 255 write `eps={eps:g}/255`; " if eps <= 255 else ""
    return f"inputs lie in [0, 1]: {pixels}only `norm=l2` and `norm=l1` can exceed 1"


class ThreatKind(StrEnum):
    """What an attacker may use, as the rows of a result call it.

    A single network is under WHITE_BOX (its gradients), BLACK_BOX (only its outputs), TRANSFER (only the surrogate) or CONTROL
    (nothing at all, such as noise). A classifier made of members is attacked by:

    - TRANSFER: images made on the baseline alone; TRANSFER_INSIDE: the same images, with the baseline as one more member.
    - WHITE_BOX: the gradient of the classifier's own rule. NAIVE is the same where that gradient reaches a single member or
      none, which makes the classifier look more robust than it is. BLACK_BOX: only the outputs of the rule.
    - ADAPTIVE: the gradients of all members at once, and of a smoothed max.
    - WORST_CASE: an image counts as robust only if no set of images above fools the classifier.
    """

    TRANSFER = "transfer"
    TRANSFER_INSIDE = "transfer-inside"
    WHITE_BOX = "white-box"
    NAIVE = "naive"
    BLACK_BOX = "black-box"
    ADAPTIVE = "adaptive"
    WORST_CASE = "worst-case"
    CONTROL = "control"


class Classifier(StrEnum):
    """What a row of a result is about; `rule` is the combination rule by which it decides, "" if there is none.

    BEST_MEMBER is the member with the highest adversarial accuracy, MEAN_OF_MEMBERS the mean accuracy of single members. ORACLE
    is right where any member is: an upper bound for every rule, not a classifier that could be deployed.
    """

    rule: str

    def __new__(cls, value: str, rule: str = "") -> Self:
        """A string, as JSON and CSV show it, that knows its rule."""
        item = str.__new__(cls, value)
        item._value_ = value
        item.rule = rule
        return item

    BASELINE = "baseline"
    BEST_MEMBER = "best member"
    MEAN_OF_MEMBERS = "mean of members"
    MEAN = "mean rule", "mean"
    MAX = "max rule", "max"
    VOTE = "vote rule", "vote"
    MEAN_LOGIT = "mean-logit rule", "mean-logit"
    MAX_LOGIT = "max-logit rule", "max-logit"
    ORACLE = "oracle"

    @classmethod
    def of_rule(cls, rule: str) -> Self:
        """The ensemble that decides by `rule`, one of `RULES`."""
        return next(one for one in cls if one.rule == rule)


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """The accuracy of one classifier at one eps against one attacker.

    With several methods an example counts as right if all of them fail on it.

    `eight_bit` is the adversarial accuracy after the images were rounded to 8 bits per value. `minus_mean` is the paired
    difference of adversarial accuracy, this classifier minus the mean-probability ensemble under the same threat (for `naive`:
    under `white-box`). `reached` is the share of images that at least one method turned into their target class, before
    rounding; None without targets. `upper_bound` marks figures from images made on another network: an attack on this network
    itself would leave less accuracy.
    """

    eps: float
    classifier: Classifier
    threat: ThreatKind
    clean: Estimate
    adversarial: Estimate
    eight_bit: Estimate
    minus_mean: Difference | None = None
    reached: Estimate | None = None
    upper_bound: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """The accuracy that one method alone left the reference network at one eps.

    The reference network is the baseline or, for an ensemble without one, its mean rule. `queries` are mean forward passes
    per image. For a minimum-norm method, `norm_quartiles` are the three quartiles of the smallest perturbations found, in
    input units and independent of eps, over images that were right when clean and were fooled (None if there are none), and
    `failed_images` counts those that were right and could not be fooled. `reached` is as in `AttackRow`.
    """

    eps: float
    method: str
    adversarial: Estimate
    queries: float
    seconds: float
    reached: Estimate | None = None
    norm_quartiles: tuple[Estimate | PointEstimate, ...] | None = None
    failed_images: int | None = None


@dataclass(frozen=True, kw_only=True)
class AttackClassRow:
    """The headline's figures for the images of one class."""

    name: str
    clean: Estimate
    adversarial: Estimate


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sanity check that failed, by name, and what it observed: the robust accuracy is probably too high."""

    check: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class AttackResult(Result, command="attack"):
    """The outcome of `dlcli attack`: one row for each eps, classifier and threat.

    `method` are the names, joined by commas; `threat_model` is a line with everything that defines the figures; `reference` is
    the classifier on which the images shown and saved were made: the baseline or, for an ensemble without one, its mean rule.
    """

    KIND: ClassVar[str] = "single"

    method: str
    norm: str
    eps: tuple[float, ...]
    data: str
    model: str
    model_sha256: str
    n_images: int
    members: int
    rule: str
    reference: str
    threat_model: str
    headline: AttackRow
    rows: tuple[AttackRow, ...]
    by_method: tuple[MethodRow, ...]
    per_class: tuple[AttackClassRow, ...]
    findings: tuple[Finding, ...]
    trained: int
    reused: int
    seed: int
    device: str
    seconds_training: float
    seconds_attack: float
    stopped: Stopped | None = None
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: AttackRow) -> dict[str, Any]:
    named = {"eps": row.eps, "classifier": row.classifier, "threat": row.threat, "n": row.clean.n}
    figures = flat_all(row, "clean", "adversarial", "minus_mean", "eight_bit", "reached")
    return named | figures | {"upper_bound": row.upper_bound}
