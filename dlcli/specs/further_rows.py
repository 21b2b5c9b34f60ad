"""What `eval` finds beside its figures, as flat records: for CSV and JSON lines, and for tables."""

from collections.abc import Iterator
from typing import Any, Protocol

from dlcli.specs.abstention import Abstention
from dlcli.specs.calibration import Calibration
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.leaks import Leaks
from dlcli.specs.sample_size import ImagesNeeded
from dlcli.specs.suspects import Suspects

Row = dict[str, Any]


class BesideFigures(Protocol):
    """A result of `eval` with what its options found beside the figures; None without the option."""

    @property
    def abstention(self) -> Abstention | None:
        """Of `abstain`."""

    @property
    def calibration(self) -> Calibration | None:
        """Of `calibrate`."""

    @property
    def needed(self) -> ImagesNeeded | None:
        """Of `detect`."""

    @property
    def leaks(self) -> Leaks | None:
        """Of `leaks`, which is the default on small sets."""

    @property
    def suspects(self) -> Suspects | None:
        """Of `suspects`."""


def with_further(rows: list[Row], found: BesideFigures) -> list[Row]:
    """Records with those of what was found beside them, each with the columns of all.

    Args:
        rows: The records of the figures, which come first.
        found: The result.
    """
    # Duplicates are looked for without being asked for, which adds rows but no columns.
    leaked = _leaked(found) if rows and "metric" in rows[0] else ()
    further = [*_abstained(found), *_calibrated(found), *_needed(found), *leaked, *_suspected(found)]
    if not further:
        return rows
    columns = dict.fromkeys(name for row in (*rows, *further) for name in row)
    return [{name: row.get(name) for name in columns} for row in (*rows, *further)]


def _row(metric: str, figure: Estimate | PointEstimate | Difference | None = None, **more: Any) -> Row:
    ends = {name: getattr(figure, name, None) for name in ("value", "low", "high", "n")}
    return {"metric": metric, **ends, **more}


def _abstained(found: BesideFigures) -> Iterator[Row]:
    if (one := found.abstention) is None:
        return
    yield _row("abstain-threshold") | {"value": one.threshold}
    yield _row("abstain-answered", one.answered)
    yield _row("abstain-errors", one.errors)


def _calibrated(found: BesideFigures) -> Iterator[Row]:
    for one in () if found.calibration is None else found.calibration.metrics:
        yield _row(f"{one.name}, uncalibrated", one.before)
        yield _row(f"{one.name}, calibrated", one.after)
        yield _row(f"{one.name}, calibrated minus uncalibrated", one.difference)


def _needed(found: BesideFigures) -> Iterator[Row]:
    """A row for each share of images that only one of two networks is right on."""
    if (needed := found.needed) is None:
        return
    for one in needed.shares:
        yield _row("images-needed", share=one.share, power=one.power) | {"value": one.images, "n": needed.n}


def _leaked(found: BesideFigures) -> Iterator[Row]:
    if (leaks := found.leaks) is None or not leaks.count:
        return
    yield _row("near-duplicates") | {"value": leaks.count, "n": leaks.n}
    yield _row("top-1 without near-duplicates", leaks.without)
    yield _row("top-1 added by near-duplicates", leaks.gain)


def _suspected(found: BesideFigures) -> Iterator[Row]:
    if (suspects := found.suspects) is None:
        return
    counts = {
        "suspects": suspects.count,
        "suspects-expected-right": suspects.right,
        "wrong-labels-estimated": suspects.estimated,
    }
    for name, number in counts.items():
        yield _row(name) | {"value": number, "n": suspects.n}
    for one in suspects.suspects:
        more = {name: getattr(one, name) for name in ("index", "file", "given", "suggested", "score", "probability")}
        yield _row("suspect", **more)
