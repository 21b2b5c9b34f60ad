"""What `dlcli predict` takes and gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.eval import arch_option, split_option, trained_option
from dlcli.specs.option import check, option
from dlcli.specs.shared import (
    clips_option,
    data_option,
    device_option,
    fps_option,
    frames_option,
    output_option,
    rule_option,
    seed_option,
    size_option,
    strict_option,
)
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Options of `dlcli predict`."""

    model: str | None = trained_option()
    data: str = data_option("digits", argument=True, metavar="[DATA]")
    arch: str | None = arch_option()
    ensemble: str | None = rule_option()
    split: str = split_option()
    top: int = option(3, "How many classes a row names, the most probable first.", minimum=1)
    limit: int | None = option(None, "Predict the first N examples only.", minimum=1)
    size: int | None = size_option()
    frames: int | None = frames_option()
    clips: int | None = clips_option()
    fps: float | None = fps_option()
    strict: bool = strict_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option(
        "Write the rows to this file instead (.csv, .tsv, .jsonl, .parquet, or .gz of them).", "FILE"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.arch is not None and self.model is None:
            raise UsageError("--arch: goes with a file of weights", hint="dlcli predict WEIGHTS DATA --arch NAME")
        if self.ensemble is not None and self.model is None:
            hint = "dlcli predict FOLDER DATA --ensemble RULE"
            raise UsageError("--ensemble: goes with a folder that dlcli ensemble wrote", hint=hint)


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """The outcome of `dlcli predict`: in `table` a row an example, in the order of the data.

    `unit` is what an example is, an image or a video; `n_images` is how many of either there are.

    Its columns are index (from 0), file (of data that come as files, as it is called from their folder on), label (the name of
    the predicted class), probability, and then label_2, probability_2 ...
    """

    KIND: ClassVar[str] = "rows"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    n_images: int
    device: str
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The first rows as flat records, for a terminal."""
        return [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows[:10]]
