"""The result of `dlcli attack --method corruptions`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.result import Result


@dataclass(frozen=True, kw_only=True)
class CorruptionRow:
    """The accuracy under one corruption at one severity, from 1 to 5; `baseline` is that of the baseline network."""

    corruption: str
    severity: int
    accuracy: Estimate
    baseline: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class CorruptionError:
    """The error under one corruption, the mean over its five severities.

    `relative` is the corruption error CE of the paper: this error divided by that of the baseline network; None without one, or
    where that makes no error.
    """

    corruption: str
    error: Estimate
    baseline: Estimate | None = None
    relative: Estimate | PointEstimate | None = None


@dataclass(frozen=True, kw_only=True)
class CorruptionResult(Result, command="attack"):
    """The outcome of `dlcli attack --method corruptions`.

    Attributes:
        model: The network.
        model_sha256: The SHA-256 of its weights.
        against: The baseline network, "" without one.
        against_sha256: The SHA-256 of its weights.
        settings: The published set whose settings of severity are used, `CIFAR-10-C` or `ImageNet-C`.
        clean: Accuracy on the clean images.
        mean_error: The error, the mean over corruptions and severities.
        relative_error: mCE, the mean over corruptions of the errors relative to those of the baseline.
        relative_degradation: Relative mCE: the same for the errors beyond those on clean images.
        minus_baseline: Accuracy under corruptions minus that of the baseline on the same images.
        by_corruption: A row for each corruption.
        rows: A row for each corruption and severity.
    """

    KIND: ClassVar[str] = "single"

    method: str
    data: str
    model: str
    model_sha256: str
    against: str = ""
    against_sha256: str = ""
    settings: str
    n_images: int
    clean: Estimate
    mean_error: Estimate
    relative_error: Estimate | PointEstimate | None = None
    relative_degradation: Estimate | PointEstimate | None = None
    minus_baseline: Difference | None = None
    by_corruption: tuple[CorruptionError, ...]
    rows: tuple[CorruptionRow, ...]
    trained: int
    reused: int
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    @property
    def robust(self) -> Estimate:
        """Accuracy under corruptions, the mean over all of them and their severities."""
        error = self.mean_error
        return Estimate(1 - error.value, 1 - error.high, 1 - error.low, error.n)

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [
            {"corruption": row.corruption, "severity": row.severity, "n": row.accuracy.n}
            | flat_all(row, "accuracy", "baseline")
            for row in self.rows
        ]
