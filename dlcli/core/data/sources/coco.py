"""COCO's JSON of images, annotations and categories: a file, or a folder with a _annotations.coco.json for each set."""

from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.core.data.coco_images import read_coco, rows_of
from dlcli.core.data.examples import form_sets
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_listing
from dlcli.core.data.set_names import set_of_file
from dlcli.core.data.shards import sets_of_shards
from dlcli.support.errors import MissingInputError

DESCRIPTION = ""  # that of `table` covers all of these
PRECEDENCE = 2

_IN_FOLDER = "_annotations.coco.json"


def claims(spec: str) -> bool:
    """Whether `spec` ends in .json, or is a folder with files called _annotations.coco.json in it or in its folders."""
    return spec.lower().endswith(".json") or bool(spec and _files(Path(spec)))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the images of files of COCO's layout, where the category of an image is its class.

    The name of a file, or of its folder below `spec`, tells of its set; see `form_sets` for what is done without sets. With
    `options.unlabelled` every image is loaded, in order. Raises InputError if the files cannot be used.
    """
    path = Path(spec)
    paths = _files(path) if path.is_dir() else [path]
    if not path.exists():
        raise MissingInputError(f"{spec}: there is no such file")
    set_of = sets_of_shards(spec, paths, options.report) if path.is_dir() else None
    named = set_of_file(path.name) if path.is_file() else None
    parts = [read_coco(one, options.report) for one in paths if set_of is None or one in set_of]
    sets = [named] if named else None if set_of is None else [set_of[one] for one in paths if one in set_of]
    rows = rows_of(spec, parts, sets, options.report)
    every = options.unlabelled and options.split is None
    listing = rows.unlabelled() if every else form_sets(rows, options.report)
    return read_listing(spec, listing, options, rows.word, Pictures(options))


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob(_IN_FOLDER), *folder.glob(f"*/{_IN_FOLDER}")])
