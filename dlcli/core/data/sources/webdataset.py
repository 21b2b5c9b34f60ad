"""WebDataset: a tar archive of images and labels, a folder of such shards, or a pattern with braces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.core.data.base import LOAD_DEFAULTS, SCORE, Array, ImageData, LoadOptions
from dlcli.core.data.class_labels import ClassLabels, choose_labels, needed_labels
from dlcli.core.data.column_names import LABEL_COLUMNS, known_columns
from dlcli.core.data.examples import LabelledRows, form_sets
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_listing
from dlcli.core.data.score_labels import ScoreLabels, choose_scores
from dlcli.core.data.set_columns import sets_of_columns
from dlcli.core.data.shards import find_shards, has_shards, sets_of_shards
from dlcli.core.data.stored_images import StoredImage
from dlcli.core.data.tar_images import class_names, open_tar
from dlcli.support.errors import InputError

DESCRIPTION = ""  # that of `table` covers all of these
PRECEDENCE = 1
LABEL_COLUMN = True

_ENDINGS = (".tar",)


def claims(spec: str) -> bool:
    """Whether `spec` ends in .tar, or is a folder with such files and no pictures."""
    return spec.lower().endswith(_ENDINGS) or (bool(spec) and Path(spec).is_dir() and has_shards(Path(spec), _ENDINGS))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the images of archives, and their labels from members .cls or the like, or from the object in .json.

    Sets are those of the names of the archives; see `form_sets` for what is done without any. A file classes.txt beside them
    names the classes. With `options.unlabelled` every image is loaded, in order. Raises InputError if the archives cannot be
    used.
    """
    paths = find_shards(spec, _ENDINGS)
    set_of = sets_of_shards(spec, paths, options.report)
    shards = [open_tar(path) for path in paths if set_of is None or path in set_of]
    for shard in shards:
        if not shard.complete:
            options.report.warn(f"{shard.path}: has no end, so members may be missing")
    files = [StoredImage(shard, name, place) for shard in shards for place, name in enumerate(shard.names)]
    names, word = [file.name.removeprefix("./") for file in files], "image"
    if not files:
        raise InputError(f"{spec}: contains no images", hint="an example is KEY.jpg and KEY.cls, or KEY.json")
    if options.unlabelled and options.split is None:
        nothing = ClassLabels((), np.zeros(len(files), dtype=np.int64))
        listing = LabelledRows(source=spec, files=files, names=names, labels=nothing).unlabelled()
        return read_listing(spec, listing, options, word, Pictures(options))
    columns = _columns([cells for shard in shards for cells in shard.cells])
    by_shard = None if set_of is None else [set_of[shard.path] for shard in shards for _ in shard.names]
    rows = LabelledRows(
        source=spec,
        files=files,
        names=names,
        labels=_labels(spec, columns, class_names(paths[0].parent), options),
        sets=by_shard or sets_of_columns(spec, columns),
        metadata={name: _array(cells) for name, cells in columns.items()},
    )
    return read_listing(spec, form_sets(rows, options.report, options.group), options, word, Pictures(options))


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """What the examples have besides images, by name; None where one has none of a name."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _labels(spec: str, columns: dict[str, list[Any]], names: Sequence[str], options: LoadOptions) -> ClassLabels | ScoreLabels:
    if options.target == SCORE:
        return choose_scores(spec, columns, options.label_column, options.raters)
    named = {column: names for column in known_columns(list(columns), LABEL_COLUMNS)} if names else {}
    if names and options.label_column in columns:
        named[str(options.label_column)] = names
    found = choose_labels(spec, columns, options.label_column, options.report, named)
    if not columns:
        raise InputError(f"{spec}: its images have no labels", hint="an example is KEY.jpg and KEY.cls, or KEY.json")
    return needed_labels(spec, list(columns), found)


def _array(cells: Sequence[Any]) -> Array:
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
