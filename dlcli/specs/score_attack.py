"""Options that apply to, and the result of, `dlcli attack` on a network that predicts scores."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.attack import AttackConfig, Finding
from dlcli.specs.corruptions import refuse_corruptions
from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.gate import gate
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

Figure = Estimate | PointEstimate

EITHER = "either"
"""The direction in which a score was moved further, for each image."""
ROBUST = "robust"
_NOT_OF_SCORES = (
    *("arch", "surrogate", "target", "ensemble", "members", "epochs", "resume", "time_limit", "stop_when_sure"),
    *("workers", "cluster"),
)


def check_score_attack(config: AttackConfig) -> None:
    """Raise UsageError for options that mean nothing for a network that predicts scores."""
    refuse_corruptions(config)
    for name in _NOT_OF_SCORES:
        if getattr(config, name):
            raise UsageError(f"`{name}` does not apply to a network that predicts scores", hint=f"omit `{name}`")
    wanted = gate(config.fail_under)
    if wanted is not None and wanted.metric != ROBUST:
        message = f"`fail_under`: '{wanted.metric}' is not {ROBUST}, the share of images whose score stays within the threshold"
        raise UsageError(message, hint=f"`fail_under={ROBUST}={wanted.bound:g}`")


@dataclass(frozen=True, kw_only=True)
class ScoreAttackRow:
    """How far scores were moved at one eps.

    Attributes:
        eps: The largest change of an image.
        direction: `up`, `down` or `either`: for each image the further of both, of all methods.
        change: The mean change of the score; of `either` the mean of its absolute value.
        moved: The share of images whose score moved by more than the threshold.
        mae: The mean absolute error on the changed images; of `either` that of the direction with the larger error.
        random: The mean absolute change by random perturbations of the same size, of which each image had as many, and the
            furthest counts; None but for `either`.
        random_moved: The share that these moved by more than the threshold.
        minus_random: The paired difference of both mean absolute changes; None as well where there is no interval.
    """

    eps: float
    direction: str
    change: Figure
    moved: Estimate
    mae: Figure
    random: Figure | None = None
    random_moved: Estimate | None = None
    minus_random: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class ScoreAttackResult(Result, command="attack"):
    """The outcome of `dlcli attack` on a network that predicts scores: three rows for each eps.

    `threshold` is the mean absolute error on the clean images, in units of the score: a change beyond it is larger than the
    error that one lives with anyway. `headline` is the row of `either` at the largest eps.
    """

    KIND: ClassVar[str] = "single"

    method: str
    norm: str
    eps: tuple[float, ...]
    data: str
    unit: str
    model: str
    model_sha256: str
    loss: str
    n_images: int
    n_groups: int | None
    threshold: float
    clean_mae: Figure
    threat_model: str
    headline: ScoreAttackRow
    rows: tuple[ScoreAttackRow, ...]
    findings: tuple[Finding, ...]
    seed: int
    device: str
    seconds_attack: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: ScoreAttackRow) -> dict[str, Any]:
    named = {"eps": row.eps, "direction": row.direction, "n": row.moved.n}
    return named | flat_all(row, "change", "moved", "mae", "random", "random_moved", "minus_random")
