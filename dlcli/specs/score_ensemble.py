"""The result of `dlcli ensemble --task score`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.result import Result

Figure = Estimate | PointEstimate


@dataclass(frozen=True, kw_only=True)
class ScoreEnsembleRow:
    """How the first `members` members do on the test images, decided by one classifier.

    Attributes:
        members: How many.
        classifier: `best member` (the smallest error on these very images), `mean of members`, or a rule.
        mae: Mean absolute error, in units of the score; of `mean of members` the mean over them.
        spearman: Rank correlation with the true scores; None for the mean of members, and where all predictions are equal.
        gain: The mean over members of the absolute error less that of the classifier, paired; None below 10 images.
        minus_best: The same for the best member.
    """

    members: int
    classifier: str
    mae: Figure
    spearman: Figure | None
    gain: Difference | None
    minus_best: Difference | None


@dataclass(frozen=True, kw_only=True)
class ScoreSpread:
    """How far the scores of the first `members` members are apart, and whether that tells the error.

    Attributes:
        members: How many.
        spread: Standard deviation of their scores of an image, the root of the mean square over images.
        tells_error: Rank correlation of the spread of an image with the absolute error of the rule on it; None where one of
            them is the same for all images.
    """

    members: int
    spread: float
    tells_error: Figure | None


@dataclass(frozen=True, kw_only=True)
class ScoreMemberRow:
    """One member: its architecture, its figures on the test images, and whether an earlier run had trained it."""

    member: int
    model: str
    mae: Figure
    spearman: Figure | None
    n_train: int | None
    reused: bool
    seconds: float
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class ScoreEnsembleResult(Result, command="ensemble"):
    """The outcome of `dlcli ensemble --task score`: a row for each number of members and classifier."""

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    model_sha256: str
    n_train: int
    n_test: int
    rule: str
    headline: ScoreEnsembleRow | None
    rows: tuple[ScoreEnsembleRow, ...]
    spread: tuple[ScoreSpread, ...]
    members: tuple[ScoreMemberRow, ...]
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


def _record(row: ScoreEnsembleRow) -> dict[str, Any]:
    named = {"members": row.members, "classifier": row.classifier, "n": row.mae.n}
    return named | flat_all(row, "mae", "spearman", "gain", "minus_best")
