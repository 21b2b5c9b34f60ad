"""Options and result of `dlcli verify`."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.code import trust_code_option
from dlcli.specs.option import check, option
from dlcli.specs.result import Result
from dlcli.specs.shared import device_option, seed_option


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Options of `dlcli verify`."""

    folder: Path = option(
        Path("."),
        "Output folder of a run, with its run.json. Files that the run read are looked up where it found them, relative "
        "paths in the folder in which it was started, or else in the present one.",
        argument=True,
        metavar="FOLDER",
        reads=True,
    )
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    device: str = device_option()
    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check(self)


class Verdict(StrEnum):
    """What a check found.

    SAME: what was claimed, byte for byte or bit for bit. CLOSE: figures that differ by rounding, or a share of a sample inside
    the interval of the claim. OTHER: something differs that does not decide, such as a version. REFUSED: what is claimed is not
    what was found. SKIPPED: not checked, and why.
    """

    SAME = "same"
    CLOSE = "inside its interval"
    OTHER = "another environment"
    REFUSED = "refused"
    SKIPPED = "not checked"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One claim of a record: what it is about, what is claimed and what was found."""

    what: str
    claimed: str
    found: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class VerifyResult(Result, command="verify"):
    """Result of `dlcli verify`: a row for each claim of the record in `folder`, which is that of a run of `of_command`.

    `repeated` says which part of the work was done again.
    """

    KIND: ClassVar[str] = "single"

    folder: str
    of_command: str
    checks: tuple[Check, ...]
    repeated: str
    seed: int
    notes: tuple[str, ...] = ()
    failed: str = ""

    @property
    def refused(self) -> tuple[Check, ...]:
        """The claims that do not hold."""
        return tuple(one for one in self.checks if one.verdict is Verdict.REFUSED)

    def records(self) -> list[dict[str, Any]]:
        """The checks as flat records."""
        return [
            {"what": one.what, "claimed": one.claimed, "found": one.found, "verdict": one.verdict.value} for one in self.checks
        ]
