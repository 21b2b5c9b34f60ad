"""Options and result of `dlcli list`."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlcli.specs.option import check, one_of, option
from dlcli.specs.result import Result
from dlcli.support.tables import Table

REGISTRIES = {
    "attacks": "dlcli.core.attacks.methods",
    "data": "dlcli.core.data.sources",
    "explanations": "dlcli.core.explain.methods",
    "log": "dlcli.core.run_log.writers",
    "losses": "dlcli.core.objectives",
    "models": "dlcli.core.models.zoo",
    "pair-models": "dlcli.core.pairs.scorers",
    "published": "dlcli.core.models.hubs",
    "rules": "dlcli.core.inflate.rules",
    "sequences": "dlcli.core.data.sequences.formats",
    "surgeries": "dlcli.core.surgery.operations",
    "tasks": "dlcli.core.tasks",
    "vectors": "dlcli.core.text.vectors.encoders",
}
"""What there is to choose from, by name: the package of the registry."""
OTHER_KINDS = ("augmentations", "ensemble-rules")
"""Kinds of choices that are no registries."""
KINDS = tuple(sorted((*REGISTRIES, *OTHER_KINDS)))


@dataclass(frozen=True, kw_only=True)
class ListConfig:
    """Options of `dlcli list`."""

    kind: str | None = option(
        None,
        f"What to list: {', '.join(KINDS)}. Default: everything.",
        choices=one_of(*KINDS),
        argument=True,
        metavar="KIND",
    )
    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class ListResult(Result, command="list"):
    """Result of `dlcli list`: `table` has a row for each choice, with kind, name, what it is, and how it is chosen."""

    KIND: ClassVar[str] = "rows"

    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """All rows as flat records."""
        return [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows]
