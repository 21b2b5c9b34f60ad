"""Options and result of `dlcli cache`."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlcli.specs.option import check, one_of, option
from dlcli.specs.parse import number, show_number
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table

_DAYS = {"d": 1.0, "w": 7.0, "h": 1 / 24}


def _age(value: Any) -> float | None:
    """Days of an age such as `30d`, `4w` or `12h`; a number alone counts days."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value).strip()
    unit = _DAYS.get(text[-1:])
    days = number(text[:-1] if unit else text) * (unit or 1)
    if days < 0:
        raise ValueError(f"'{value}' is below 0")
    return days


def _show_age(days: float) -> str:
    return f"{show_number(days)}d"


@dataclass(frozen=True, kw_only=True)
class CacheConfig:
    """Options of `dlcli cache`."""

    action: str = option(
        "ls",
        "ls: list what is kept between runs. prune: remove what was not used for a while.",
        choices=one_of("ls", "prune"),
        argument=True,
    )
    older: float | None = option(
        None,
        "Only what was last used longer ago than this, e.g. 30d, 4w or 12h. prune needs it.",
        parse=_age,
        show=_show_age,
        metavar="AGE",
        minimum=0,
    )
    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check(self)
        if self.action == "prune" and self.older is None:
            raise UsageError(
                "prune needs `older`", hint="`older=30d` removes what was not used for 30 days; `older=0d` everything"
            )


@dataclass(frozen=True, kw_only=True)
class CacheResult(Result, command="cache"):
    """Result of `dlcli cache`: `table` has a row for each file with its kind, path, size, days since its last use, and status.

    The status is `kept`, `removed`, or `in use` for a file that another run holds. `n_bytes` is the size of what is listed,
    `n_removed` that of what was removed.
    """

    KIND: ClassVar[str] = "rows"

    folder: str
    n_bytes: int
    n_removed: int
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """All rows as flat records."""
        return [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows]
