"""Options and result of `dlcli predict`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.cluster import cluster_option
from dlcli.specs.command_line import command_line
from dlcli.specs.conformal import (
    answer_option,
    calibration_option,
    check_coverage,
    check_no_sets,
    coverage_option,
    set_method_option,
)
from dlcli.specs.explain import Explanation, baseline_option, check_explain, explain_option
from dlcli.specs.model_and_data import ModelAndDataOptions, split_option
from dlcli.specs.option import option
from dlcli.specs.result import Result
from dlcli.specs.shared import data_option, output_option
from dlcli.specs.spread import prediction_workers_option, refuse_spread
from dlcli.specs.video_windows import every_option, is_duration, window_option
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table


@dataclass(frozen=True, kw_only=True)
class PredictConfig(ModelAndDataOptions):
    """Options of `dlcli predict`."""

    data: str = data_option(
        None,
        files="an image or a video, or a folder of them; a .npy of images",
        argument=True,
        two_ways=True,
        metavar="[DATA]",
    )
    split: str | None = split_option(
        "predict",
        None,
        " Default: every file below a folder, whatever its folders mean; every image of a .npz; or the test set of other data.",
    )
    limit: int | None = option(None, "Predict the first N examples only; with `every` the first N rows.", minimum=1)
    every: float | None = every_option()
    top: int = option(3, "Number of classes per row, most probable first.", minimum=1)
    coverage: float | None = coverage_option()
    sets: str = set_method_option()
    abstain: float | None = answer_option()
    calibration: str | None = calibration_option()
    explain: str | None = explain_option("each of the first 64 images")
    window: float | None = window_option()
    baseline: str | None = baseline_option()
    maps: Path | None = option(
        None, "Write the maps of `explain` to this directory, as pictures and as .npy.", metavar="DIR", writes=True
    )
    masks: Path | None = option(
        None,
        "Masks: write the mask of each image to this directory, as a PNG of label numbers with a palette, in the size of the "
        "image.",
        metavar="DIR",
        writes=True,
    )
    overlay: bool = option(False, "Masks: also write each image with the colours of its mask on it. Needs `masks`.")
    workers: int | None = prediction_workers_option()
    cluster: str | None = cluster_option()
    output: Path | None = output_option(
        "Write the rows to this file instead (.csv, .tsv, .jsonl, .parquet, or .gz of them).", "FILE"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arch is not None and self.model is None:
            hint = command_line("predict", model="WEIGHTS", data="DATA", arch="NAME")
            raise UsageError("`arch` needs a checkpoint", hint=hint)
        if self.ensemble is not None and self.model is None:
            hint = command_line("predict", model="FOLDER", data="DATA", ensemble="RULE")
            raise UsageError("`ensemble` needs a directory written by dlcli ensemble", hint=hint)
        if not is_duration(self.window):
            check_explain(self, "maps")
        check_coverage(self)
        if self.every is not None:
            refuse_spread(self, "`every` goes along one video or sound")
            check_no_sets(self, "`every`, whose rows are parts of one recording")
        if self.maps is not None and self.explain is None:
            raise UsageError("`maps` needs `explain`")
        self._check_folders()
        if self.overlay and self.masks is None:
            raise UsageError("`overlay` needs `masks`, the directory to write to")

    def _check_folders(self) -> None:
        for name in ("maps", "masks"):
            folder: Path | None = getattr(self, name)
            if folder is not None and folder.exists() and not folder.is_dir():
                raise UsageError(f"`{name}`: {folder} is not a folder", hint="name a folder, new or existing")


@dataclass(frozen=True, kw_only=True)
class PredictResult(Result, command="predict"):
    """Result of `dlcli predict`: `table` has one row per example, in the order of the data.

    `split` is the set that was predicted, empty for every file below a folder and every image of a .npz.
    `unit` is image or video; `n_images` is the number of examples, whichever they are.

    The columns are index (from 0), file (only for a folder of files: the path relative to it), label (name of the predicted
    class), probability, and then label_2, probability_2 ..., with `coverage` also set (classes, with | between them) and
    set_size, with `abstain` answered (true or false); of a network that predicts scores, score, low and high; of one
    that predicts masks, mask (with `masks`), and label, share, label_2, share_2 ... of the pixels.
    Of windows of a video there are begin and end, in seconds. With `every` of a sound there are also steps, the number of
    samples so far, and seconds.
    `explanation` is None without `explain`.
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
    explanation: Explanation | None = None
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The first rows as flat records, for a terminal."""
        return [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows[:10]]
