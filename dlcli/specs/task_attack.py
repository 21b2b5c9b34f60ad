"""Options that apply to, and the result of, `dlcli attack` on a network that predicts masks or classifies sequences."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.attack import AttackConfig, Finding
from dlcli.specs.corruptions import refuse_corruptions
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

Figure = Estimate | PointEstimate

CLEAN, WORST, NOISE = "clean", "worst of all", "noise"
"""Names of rows that are not of a single attack."""
_NOT_OF_TASKS = (
    *("arch", "surrogate", "target", "members", "epochs", "resume", "time_limit", "stop_when_sure"),
    *("workers", "cluster"),
)


def check_task_attack(config: AttackConfig, what: str) -> None:
    """Raise UsageError for options that mean nothing for a network of masks or sequences, which `what` names."""
    refuse_corruptions(config)
    for name in _NOT_OF_TASKS:
        if getattr(config, name):
            raise UsageError(f"`{name}` does not apply to a network that {what}", hint=f"omit `{name}`")


@dataclass(frozen=True, kw_only=True)
class AttackedMetric:
    """A figure of attacked examples.

    Attributes:
        name: accuracy of sequences; pixel-accuracy and miou of masks.
        estimate: The figure.
        minus_clean: The paired difference to that of the clean examples; None for these, and where there is no interval.
    """

    name: str
    estimate: Figure
    minus_clean: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class TaskAttackRow:
    """The figures that an attack left at one eps.

    Attributes:
        eps: The largest change of an example; 0 for the clean ones.
        method: The attack; `clean`, `noise`, or `worst of all`, for each example the attack that did the most harm.
        metrics: The figures, that of the summary line first.
        changed: The share of examples, or of labelled pixels, that were right before and are wrong now.
    """

    eps: float
    method: str
    metrics: tuple[AttackedMetric, ...]
    changed: float

    def figure(self, name: str) -> Figure:
        """The estimate of a metric; raises StopIteration if there is none."""
        return next(one.estimate for one in self.metrics if one.name == name)


@dataclass(frozen=True, kw_only=True)
class TaskAttackResult(Result, command="attack"):
    """The outcome of `dlcli attack` on a network that predicts masks or classifies sequences.

    `headline` is the row of the strongest attack at the largest eps; `metric` names its first figure, which `fail_under`
    calls robust, and of the clean examples clean. `eps_unit` is what eps counts.
    """

    KIND: ClassVar[str] = "single"

    method: str
    norm: str
    eps: tuple[float, ...]
    eps_unit: str
    metric: str
    data: str
    unit: str
    model: str
    model_sha256: str
    n_images: int
    n_groups: int | None
    threat_model: str
    headline: TaskAttackRow
    rows: tuple[TaskAttackRow, ...]
    findings: tuple[Finding, ...]
    seed: int
    device: str
    seconds_attack: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    @property
    def clean(self) -> TaskAttackRow:
        """The row of the clean examples."""
        return self.rows[0]

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: TaskAttackRow) -> dict[str, Any]:
    found: dict[str, Any] = {"eps": row.eps, "method": row.method, "n": row.metrics[0].estimate.n, "changed": row.changed}
    for one in row.metrics:
        name = one.name.replace("-", "_")
        found |= flat(name, one.estimate) | flat(f"{name}_minus_clean", one.minus_clean)
    return found
