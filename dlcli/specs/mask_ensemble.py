"""The result of `dlcli ensemble --task segment`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.result import Result

Figure = Estimate | PointEstimate


@dataclass(frozen=True, kw_only=True)
class MaskEnsembleRow:
    """How the masks of the first `members` members do on the test images, decided by one classifier.

    Attributes:
        members: How many.
        classifier: `best member` (the largest mIoU on these very images), `mean of members`, or the rule.
        miou: Of the set; of `mean of members` the mean over them.
        pixel_accuracy: The share of labelled pixels that are right.
        gain: The mIoU less the mean over members, images or blocks of them drawn together; None where they are too few.
        pixel_gain: The same of the pixel accuracy.
    """

    members: int
    classifier: str
    miou: Figure
    pixel_accuracy: Figure
    gain: Difference | None
    pixel_gain: Difference | None

    def figure(self, name: str) -> Figure:
        """The figure that `fail_under` names."""
        return self.miou if name == "miou" else self.pixel_accuracy


@dataclass(frozen=True, kw_only=True)
class MaskMemberRow:
    """One member: its architecture, its figures on the test images, and whether an earlier run had trained it."""

    member: int
    model: str
    miou: Figure
    pixel_accuracy: Figure
    n_train: int | None
    reused: bool
    seconds: float
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class MaskEnsembleResult(Result, command="ensemble"):
    """The outcome of `dlcli ensemble --task segment`: a row for each number of members and classifier.

    `group` is the metadata column over whose groups intervals are; None: over images.
    """

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    model_sha256: str
    n_train: int
    n_test: int
    rule: str
    headline: MaskEnsembleRow | None
    rows: tuple[MaskEnsembleRow, ...]
    members: tuple[MaskMemberRow, ...]
    group: str | None
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


def _record(row: MaskEnsembleRow) -> dict[str, Any]:
    named = {"members": row.members, "classifier": row.classifier, "n": row.miou.n}
    return named | flat_all(row, "miou", "pixel_accuracy", "gain", "pixel_gain")
