"""Parquet files of images: one, or a folder of shards, as Hugging Face's datasets write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlcli.core.data.base import LOAD_DEFAULTS, SCORE, ImageData, LoadOptions
from dlcli.core.data.class_labels import ClassLabels, choose_labels, needed_labels
from dlcli.core.data.examples import LabelledRows, form_sets
from dlcli.core.data.locate import locate_files
from dlcli.core.data.parquet_images import ParquetShard, open_shard
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_listing
from dlcli.core.data.score_labels import ScoreLabels, choose_scores
from dlcli.core.data.set_columns import sets_of_columns
from dlcli.core.data.shards import find_shards, has_shards, sets_of_shards
from dlcli.core.data.stored_images import ImageFile, StoredImage
from dlcli.support.errors import InputError

DESCRIPTION = ""  # that of `table` covers all of these
PRECEDENCE = 1
LABEL_COLUMN = True

_ENDINGS = (".parquet", ".pq")


def claims(spec: str) -> bool:
    """Whether `spec` ends in .parquet, or is a folder with such files and no pictures."""
    return spec.lower().endswith(_ENDINGS) or (bool(spec) and Path(spec).is_dir() and has_shards(Path(spec), _ENDINGS))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the images of parquet files, a column of encoded images or of paths, and the labels in another column.

    Sets are those of the names of the files, or of a column of sets; see `form_sets` for what is done without any. Labels are
    named by the metadata of the schema, if they are there. With `options.unlabelled` every row is loaded, in order.

    Raises InputError if the files cannot be used, and MissingExtraError without pyarrow.
    """
    paths = find_shards(spec, _ENDINGS)
    set_of = sets_of_shards(spec, paths, options.report)
    shards = [open_shard(path) for path in paths if set_of is None or path in set_of]
    columns = _columns(spec, shards)
    files, names = _files(spec, shards, options)
    word, every = "image", options.unlabelled and options.split is None
    if every:
        nothing = ClassLabels((), np.zeros(len(files), dtype=np.int64))
        rows = LabelledRows(source=spec, files=files, names=names, labels=nothing)
        return read_listing(spec, rows.unlabelled(), options, word, Pictures(options))
    labels = _labels(spec, columns, shards[0].class_names, options)
    by_shard = None if set_of is None else [set_of[shard.path] for shard in shards for _ in range(shard.rows)]
    rows = LabelledRows(
        source=spec,
        files=files,
        names=names,
        labels=labels,
        sets=by_shard or sets_of_columns(spec, columns),
        metadata={name: np.array(cells, dtype=object) for name, cells in columns.items()},
    )
    return read_listing(spec, form_sets(rows, options.report, options.group), options, word, Pictures(options))


def _labels(
    spec: str, columns: dict[str, list[object]], names: Mapping[str, Sequence[str]], options: LoadOptions
) -> ClassLabels | ScoreLabels:
    if options.target == SCORE:
        return choose_scores(spec, columns, options.label_column, options.raters)
    return needed_labels(spec, list(columns), choose_labels(spec, columns, options.label_column, options.report, names))


def _columns(spec: str, shards: Sequence[ParquetShard]) -> dict[str, list[object]]:
    """The columns of plain values of all shards together, which must have the same ones."""
    for shard in shards[1:]:
        if (shard.image, set(shard.cells), shard.class_names) != (shards[0].image, set(shards[0].cells), shards[0].class_names):
            raise InputError(f"{spec}: {shard.path.name} has other columns or classes than {shards[0].path.name}")
    if not any(shard.rows for shard in shards):
        raise InputError(f"{spec}: has no rows")
    inside = shards[0].image.path
    return {name: [cell for shard in shards for cell in shard.cells[name]] for name in shards[0].cells if name != inside}


def _files(spec: str, shards: Sequence[ParquetShard], options: LoadOptions) -> tuple[list[ImageFile], list[str]]:
    """The images of all shards and their names."""
    files: list[ImageFile] = []
    names: list[str] = []
    for shard in shards:
        found = shard.names()
        if shard.image.data:
            files += [StoredImage(shard, name, row) for row, name in enumerate(found)]
        else:
            located = locate_files(spec, shard.path.parent, found, options.report)
            files, found = [*files, *located.paths], located.names
        names += found
    return files, names
