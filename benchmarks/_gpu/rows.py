"""Rows of a run: one figure each, with what was asked for and whether it was met."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

ITSELF = "the CPU agrees with itself: shows that it runs"
"""The note of a comparison that has no other reference in a rehearsal."""


class Status(StrEnum):
    """What a row says.

    A check is PASSED or FAILED; a speed is MET or MISSED if a target was set, else MEASURED. NOT_ON_CPU marks what only a GPU
    can answer, NOT_MEASURED what lacks a package, data or time. ERROR is a part that raised.
    """

    PASSED = "passed"
    FAILED = "failed"
    MET = "met"
    MISSED = "missed"
    MEASURED = "measured"
    NOT_MEASURED = "not measured"
    NOT_ON_CPU = "not on a CPU"
    ERROR = "error"


@dataclass(frozen=True)
class Row:
    """One figure, `value` in `unit`, beside what was `asked`; `note` says on which data and how."""

    name: str
    status: Status
    value: float | None = None
    unit: str = ""
    asked: str = ""
    note: str = ""

    @property
    def figure(self) -> str:
        """The value with its unit, for display."""
        if self.value is None:
            return "-"
        number = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.4g}"
        return f"{number} {self.unit}".strip()


def at_most(name: str, value: float, limit: float, note: str = "") -> Row:
    """A check that an error is at most `limit`; NaN fails."""
    return Row(name, Status.PASSED if value <= limit else Status.FAILED, value, asked=f"<= {limit:g}", note=note)


def at_least(name: str, value: float, limit: float, note: str = "") -> Row:
    """A check that a share is at least `limit`; NaN fails."""
    return Row(name, Status.PASSED if value >= limit else Status.FAILED, value, asked=f">= {limit:g}", note=note)


def holds(name: str, found: bool, asked: str, note: str = "") -> Row:
    """A check that is true or false."""
    return Row(name, Status.PASSED if found else Status.FAILED, asked=asked, note=note)


def measured(name: str, value: float, unit: str, *, target: float | None = None, note: str = "") -> Row:
    """A figure, beside the least that is asked for, if anything is."""
    if target is None:
        return Row(name, Status.MEASURED, value, unit, note=note)
    return Row(name, Status.MET if value >= target else Status.MISSED, value, unit, f">= {target:g} {unit}".strip(), note)


def not_measured(name: str, why: str) -> Row:
    """A row without a figure."""
    return Row(name, Status.NOT_MEASURED, note=why)


def not_on_cpu(name: str, why: str, value: float | None = None, unit: str = "") -> Row:
    """What a CPU cannot show; `value` is what the rehearsal gave in its place."""
    return Row(name, Status.NOT_ON_CPU, value, unit, note=why)


def any_failed(rows: Iterable[Row]) -> bool:
    """Whether a check failed or a part raised; a target that was missed does not count."""
    return any(row.status in (Status.FAILED, Status.ERROR) for row in rows)


def markdown(device: str, sections: Mapping[str, Iterable[Row]]) -> str:
    """The rows as a Markdown table, with the card in its heading."""
    lines = [f"| section | what | asked | {device} | result |", "|---|---|---|---|---|"]
    for section, rows in sections.items():
        for row in rows:
            cells = (section, row.name, row.asked or "-", row.figure, row.status.value)
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def record(row: Row) -> dict[str, Any]:
    """The row in the terms of JSON, which has no NaN."""
    value = row.value if row.value is None or isfinite(row.value) else None
    return {**vars(row), "value": value, "status": row.status.value}
