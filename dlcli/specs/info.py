"""Options and result of `dlcli info`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.option import check
from dlcli.specs.result import Result
from dlcli.specs.shared import device_option


@dataclass(frozen=True, kw_only=True)
class InfoConfig:
    """Options of `dlcli info`."""

    device: str = device_option()
    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Extra:
    """An optional group of packages.

    `missing` are the packages that are not installed, `install` the command that installs the group.
    """

    name: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]
    install: str


@dataclass(frozen=True, kw_only=True)
class CachePlace:
    """A folder in which files are kept between runs: their number and size in bytes."""

    name: str
    path: str
    files: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class InfoResult(Result, command="info"):
    """Result of `dlcli info`: what is installed, where networks run, and what is kept.

    `versions` are by distribution; `training_dtype` is the precision of training with `--precision auto`.
    """

    KIND: ClassVar[str] = "single"

    dlcli: str
    python: str
    platform: str
    versions: dict[str, str]
    device: str
    threads: int
    training_dtype: str
    extras: tuple[Extra, ...]
    cache: tuple[CachePlace, ...]
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """A record for each version, extra and place of the cache."""
        versions = [{"kind": "version", "name": name, "value": value} for name, value in self.versions.items()]
        extras = [{"kind": "extra", "name": one.name, "value": " ".join(one.missing) or "installed"} for one in self.extras]
        places = [{"kind": "cache", "name": one.name, "value": one.bytes} for one in self.cache]
        return [*versions, *extras, *places]
