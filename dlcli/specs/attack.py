"""What `dlcli attack` takes and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import parse
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import check, entries, one_of, option
from dlcli.specs.shared import data_option, device_option, model_option, output_option, seed_option, size_option, strict_option
from dlcli.support.errors import UsageError

RULES = ("max", "mean", "vote")
METRICS = ("clean", "robust")


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """Options of `dlcli attack`."""

    method: str = option("fgsm", "The attack.", choices=entries("attack", "dlcli.core.attacks"))
    data: str = data_option("digits")
    model: str | None = model_option(None)
    eps: tuple[float, ...] = option(
        (0.2,),
        "The largest change of any input value, in input units where 0 is black and 1 is white; a list 0.1,0.2 or a "
        "range 0:0.3:0.1 gives a row each.",
        parse=parse.floats,
        show=parse.show_floats,
        metavar="EPS",
        minimum=0,
        maximum=1,
    )
    ensemble: str | None = option(
        None,
        "Train an ensemble too and combine its members by this rule: the most confident member decides (max), mean "
        "probability (mean) or majority (vote). All rules are shown; this one is the headline.",
        choices=one_of(*RULES),
    )
    members: int = option(10, "How many bootstrapped networks the ensemble has.", minimum=2, maximum=1000)
    epochs: int | None = option(None, "Training epochs; left out, the number made for the network.", minimum=1)
    limit: int | None = option(None, "Attack only N of the test images, every class among them.", minimum=1)
    size: int | None = size_option()
    strict: bool = strict_option()
    fail_under: tuple[str, float] | None = option(
        None,
        "Exit with status 1 if the headline's clean or robust accuracy is below a bound, e.g. robust=0.5.",
        parse=parse.condition,
        show=parse.show_condition,
        metavar="METRIC=V",
    )
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Leave run.json, adversarial examples (.npz), a picture grid and report.html in this folder.", "DIR"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.eps:
            raise UsageError("--eps: at least one value is needed")
        if self.fail_under and self.fail_under[0] not in METRICS:
            raise UsageError(f"--fail-under: '{self.fail_under[0]}' is not one of {', '.join(METRICS)}")


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """How one classifier did at one eps.

    `threat` says what the attacker knew: `white-box` (this very network's gradients), `transfer` (examples made on
    the baseline, so the adversarial accuracy is an upper bound on what an attacker leaves) or `control` (nothing: noise).
    `minus_mean` is the paired difference of adversarial accuracy, this classifier minus the mean-probability ensemble.
    """

    eps: float
    classifier: str
    threat: str
    clean: Estimate
    adversarial: Estimate
    minus_mean: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """The outcome of `dlcli attack`: one row for each eps and classifier."""

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
    headline: AttackRow
    rows: tuple[AttackRow, ...]
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
    for name, figure in (("clean", row.clean), ("adversarial", row.adversarial), ("minus_mean", row.minus_mean)):
        record[name] = figure.value if figure else None
        record[f"{name}_low"] = figure.low if figure else None
        record[f"{name}_high"] = figure.high if figure else None
    return record
