"""What `dlcli attack` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate, flat_all
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.shared import RULES, data_option, device_option, output_option, seed_option, size_option, strict_option
from dlcli.support.errors import UsageError

METRICS = ("clean", "robust")
NORMS = ("linf", "l2")
METHODS = entries("attack", "dlcli.core.attacks.methods")


def _names(value: Any) -> tuple[str, ...]:
    """`fgsm` or `fgsm,pgd` to names."""
    return tuple(value) if isinstance(value, (list, tuple)) else tuple(name.strip() for name in str(value).split(","))


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """Options of `dlcli attack`."""

    method: str | tuple[str, ...] = option(
        ("fgsm",),
        "The attack, or several such as fgsm,pgd: an image is robust if none of them succeeds. There are: "
        f"{', '.join(METHODS())}.",
        choices=METHODS,
        parse=_names,
        show=",".join,
        metavar="METHOD[,METHOD]",
    )
    data: str = data_option("digits")
    model: str | None = option(
        None,
        "The network: a folder that dlcli train or dlcli ensemble wrote, a file of weights with --arch, or FILE.py:CALLABLE, "
        "which runs that code, are taken as trained. A name of ours is trained, once; so is code with --epochs or --ensemble. "
        "Left out, the one made for the data.",
        metavar="SPEC",
        reads=True,
    )
    arch: str | None = option(
        None, "The network that a file of weights belongs to, named as for --model of the others.", metavar="SPEC"
    )
    surrogate: str | None = option(
        None,
        "A trained network (a folder, or FILE.py:CALLABLE) on which the images of --method transfer, or of an ensemble's "
        "transfer rows, are made in full; for --method transfer also a FILE.npz of such images that --save wrote.",
        metavar="SPEC",
        reads=True,
    )
    target: str | None = option(
        None,
        "The class that images are to be taken for: a name or number, or for each image a random class, the least-likely or "
        "the next. Images of that class are left out.",
        metavar="CLASS",
    )
    norm: str | None = option(
        None,
        "How a change is measured: by its largest value (linf) or its Euclidean length (l2). Left out, the usual one of the "
        "method.",
        choices=one_of(*NORMS),
    )
    eps: tuple[float, ...] = option(
        (0.2,),
        "The largest change, in input units where 0 is black and 1 is white; a list 0.1,0.2 or a "
        "range 0:0.3:0.1 gives a row each.",
        parse=parse.floats,
        show=parse.show_floats,
        metavar="EPS",
        minimum=0,
    )
    steps: int | None = option(None, "How many steps an attack takes; left out, as many as is usual for it.", minimum=1)
    restarts: int | None = option(None, "From how many random starts an attack tries each image.", minimum=1)
    ensemble: str | None = option(
        None,
        "Train an ensemble too, unless --model is one, and combine its members by this rule: the most confident member decides "
        "(max), mean probability (mean) or majority (vote), or by logits. All rules are shown; this one is the headline.",
        choices=one_of(*RULES),
    )
    members: int | None = option(
        None, "How many bootstrapped networks an ensemble that is trained here has; left out, 10.", minimum=2, maximum=1000
    )
    epochs: int | None = option(None, "Training epochs; left out, the number made for the network.", minimum=1)
    limit: int | None = option(None, "Attack only N of the test images, every class among them.", minimum=1)
    size: int | None = size_option()
    strict: bool = strict_option()
    fail_under: tuple[str, float] | None = option(
        None,
        "Exit with status 1 if the headline's clean or robust accuracy is below a bound, e.g. robust=0.5; for robust also if "
        "a check says that the figure cannot be trusted.",
        parse=parse.condition,
        show=parse.show_condition,
        metavar="METRIC=V",
    )
    save: Path | None = option(
        None, "Write the attacked images and what the network says of them to this file.", metavar="FILE.npz", writes=True
    )
    resume: bool = option(
        False, "Go on from the images that an interrupted run with -o or --save left beside its output; they go at its end."
    )
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Leave run.json, adversarial examples (.npz), pictures and report.html in this folder.", "DIR"
    )

    def __post_init__(self) -> None:
        check(self)
        self._check_values()
        if self.resume and self.output is None and self.save is None:
            raise UsageError("--resume: goes with -o DIR or --save FILE.npz", hint="name the one of the interrupted run")
        if "transfer" in self.methods:
            self._check_transfer()
        if self.target is not None and self.ensemble is not None:
            raise UsageError("--target: goes with a single network", hint="leave --ensemble out")
        if self.arch is not None and self.model is None:
            raise UsageError("--arch: goes with a file of weights", hint="--model WEIGHTS --arch NAME")

    def _check_values(self) -> None:
        if not self.methods:
            raise UsageError("--method: at least one is needed")
        if not self.eps:
            raise UsageError("--eps: at least one value is needed")
        if self.norm != "l2" and max(self.eps) > 1:
            raise UsageError(f"--eps: {max(self.eps):g} is above 1", hint="no input value can change by more; --norm l2 can")
        if self.fail_under and self.fail_under[0] not in METRICS:
            raise UsageError(f"`fail_under`: '{self.fail_under[0]}' is not one of {', '.join(METRICS)}")
        if self.save is not None and self.save.suffix != ".npz":
            raise UsageError(f"--save: {self.save} does not end in .npz")

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the attacks, each once."""
        return tuple(dict.fromkeys((self.method,) if isinstance(self.method, str) else self.method))

    @property
    def surrogate_is_file(self) -> bool:
        """Whether the surrogate is a file of images."""
        return self.surrogate is not None and self.surrogate.endswith(".npz")

    def _check_transfer(self) -> None:
        if self.ensemble is not None:
            hint = "name other methods; --surrogate names the network to make such images on"
            raise UsageError("--method: transfer is among the rows of every ensemble", hint=hint)
        if self.surrogate is None:
            hint = "--surrogate SPEC names the network to make them on, or a .npz that --save wrote"
            raise UsageError("--method: transfer has no images to transfer", hint=hint)


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """How one classifier did at one eps against one attacker.

    `threat` says what the attacker knew. Of the baseline: `white-box` (its gradients), `black-box` (its answers only) or
    `transfer` (the surrogate alone). Of a classifier made of members: `transfer` (the baseline only; `transfer-inside`, where
    the baseline is a member too), `white-box` (the members and the rule, with gradients through it; `naive` where these reach
    one member or none, which flatters; `black-box` where a method asks for answers only), `adaptive` (the members: all climbed
    at once, and a smoothed max), `worst-case` (all images made by any of these). `control` knows nothing. With several methods
    an example counts as right if all of them fail on it.

    `eight_bit` is the adversarial accuracy once more after the images were rounded to 8 bits a value. `minus_mean` is the
    paired difference of adversarial accuracy, this classifier minus the mean-probability ensemble under the threat of the same
    name, or for `naive` under `white-box`. `reached` is the share of images taken for their target, before any rounding, by at
    least one method; None without targets. `upper_bound` stamps a figure for which the images were made on another network:
    whoever knows this one leaves less.
    """

    eps: float
    classifier: str
    threat: str
    clean: Estimate
    adversarial: Estimate
    eight_bit: Estimate
    minus_mean: Difference | None = None
    reached: Estimate | None = None
    upper_bound: bool = False


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """What one method alone left of the baseline at one eps; `queries` are forward passes an image, a mean over images.

    Where an ensemble has no baseline it is what was left of the mean rule. Of a minimum-norm method, `norm_quartiles` are
    those of the smallest changes found, in input units and whatever eps is, over the images that are right when clean and
    were fooled (None: none was), and `failed_images` are those that were right and not fooled. `reached` is as in rows.
    """

    eps: float
    method: str
    adversarial: Estimate
    queries: float
    seconds: float
    reached: Estimate | None = None
    norm_quartiles: tuple[float, float, float] | None = None
    failed_images: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """The headline's figures for the images of one class."""

    name: str
    clean: Estimate
    adversarial: Estimate


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A check that failed, by its name, and what was seen: the robust accuracy is not to be trusted as it stands."""

    check: str
    seen: str


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """The outcome of `dlcli attack`: one row for each eps, classifier and threat.

    `method` are the names, joined by commas; `threat_model` says all that defines the figures in a line; `reference` is the
    classifier on which the images shown and saved were made: the baseline or, of an ensemble without one, its mean rule.
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
    per_class: tuple[ClassRow, ...]
    findings: tuple[Finding, ...]
    trained: int
    reused: int
    seed: int
    device: str
    seconds_training: float
    seconds_attack: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: AttackRow) -> dict[str, Any]:
    named = {"eps": row.eps, "classifier": row.classifier, "threat": row.threat, "n": row.clean.n}
    figures = flat_all(row, "clean", "adversarial", "minus_mean", "eight_bit", "reached")
    return named | figures | {"upper_bound": row.upper_bound}
