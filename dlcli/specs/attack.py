"""What `dlcli attack` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.shared import data_option, device_option, output_option, seed_option, size_option, strict_option
from dlcli.support.errors import UsageError

RULES = ("max", "mean", "vote", "mean-logit", "max-logit")
METRICS = ("clean", "robust")
NORMS = ("linf", "l2")
METHODS = entries("attack", "dlcli.core.attacks")


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
        parse=_names,
        show=",".join,
        metavar="METHOD[,METHOD]",
    )
    data: str = data_option("digits")
    model: str | None = option(
        None,
        "The network: a folder that dlcli train wrote, a file of weights with --arch, or FILE.py:CALLABLE, which runs that "
        "code, are taken as trained. A name of ours is trained, once; so is code with --epochs or --ensemble. Left out, the "
        "one made for the data.",
        metavar="SPEC",
        reads=True,
    )
    arch: str | None = option(
        None, "The network that a file of weights belongs to, named as for --model of the others.", metavar="SPEC"
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
        "Train an ensemble too and combine its members by this rule: the most confident member decides (max), mean "
        "probability (mean) or majority (vote), or by logits. All rules are shown; this one is the headline.",
        choices=one_of(*RULES),
    )
    members: int = option(10, "How many bootstrapped networks the ensemble has.", minimum=2, maximum=1000)
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
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Leave run.json, adversarial examples (.npz), a picture grid and report.html in this folder.", "DIR"
    )

    def __post_init__(self) -> None:
        check(self)
        self._check_methods()
        if not self.eps:
            raise UsageError("--eps: at least one value is needed")
        if self.norm != "l2" and max(self.eps) > 1:
            raise UsageError(f"--eps: {max(self.eps):g} is above 1", hint="no input value can change by more; --norm l2 can")
        if self.fail_under and self.fail_under[0] not in METRICS:
            raise UsageError(f"--fail-under: '{self.fail_under[0]}' is not one of {', '.join(METRICS)}")
        if self.save is not None and self.save.suffix != ".npz":
            raise UsageError(f"--save: {self.save} does not end in .npz")
        if self.arch is not None and self.model is None:
            raise UsageError("--arch: goes with a file of weights", hint="--model WEIGHTS --arch NAME")

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the attacks, each once."""
        return tuple(dict.fromkeys((self.method,) if isinstance(self.method, str) else self.method))

    def _check_methods(self) -> None:
        if not self.methods:
            raise UsageError("--method: at least one is needed")
        for name in self.methods:
            if name not in METHODS():
                raise UsageError(f"--method: '{name}' is not one of {', '.join(METHODS())}")


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """How one classifier did at one eps against one attacker.

    `threat` says what the attacker knew. Of the baseline: `white-box` (its gradients) or `black-box` (its answers only). Of
    a classifier made of members: `transfer` (the baseline only; `transfer-inside`, where the baseline is a member too),
    `white-box` (the members and the rule, with gradients through it; `naive` where these reach one member or none, which
    flatters; `black-box` where a method asks for answers only), `adaptive` (the members: all climbed at once, and a smoothed
    max), `worst-case` (all images made by any of these). `control` knows nothing. With several methods an example counts as
    right if all of them fail on it. `eight_bit` is the adversarial accuracy once more after the images were rounded to 8
    bits a value. `minus_mean` is the paired difference of adversarial accuracy, this classifier minus the mean-probability
    ensemble under the threat of the same name, or for `naive` under `white-box`.
    """

    eps: float
    classifier: str
    threat: str
    clean: Estimate
    adversarial: Estimate
    eight_bit: Estimate
    minus_mean: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """What one method alone left of the baseline at one eps; `queries` are forward passes an image, a mean over images."""

    eps: float
    method: str
    adversarial: Estimate
    queries: float
    seconds: float


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

    `method` are the names, joined by commas; `threat_model` says all that defines the figures in a line.
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
    record: dict[str, Any] = {"eps": row.eps, "classifier": row.classifier, "threat": row.threat, "n": row.clean.n}
    for name in ("clean", "adversarial", "minus_mean", "eight_bit"):
        figure = getattr(row, name)
        record[name] = figure.value if figure else None
        record[f"{name}_low"] = figure.low if figure else None
        record[f"{name}_high"] = figure.high if figure else None
    return record
