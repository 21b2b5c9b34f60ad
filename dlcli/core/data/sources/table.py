"""Tables that name images or videos and their labels: labels.csv or any other csv, tsv or jsonl."""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.core.data.file_kinds import VIDEOS
from dlcli.core.data.labels_table import list_table, list_unlabelled_table, open_table
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_listing
from dlcli.core.data.videos import Videos

DESCRIPTION = "labels.csv, .parquet, .tar, COCO's .json"
PRECEDENCE = 1
LABEL_COLUMN = True

_ENDING = re.compile(r"\.(csv|tsv|jsonl|ndjson)(\.gz)?", re.IGNORECASE)


def claims(spec: str) -> bool:
    """Whether `spec` ends as a table does, or is an array in .json."""
    return _ENDING.search("".join(Path(spec).suffixes[-2:])) is not None or _is_json_array(Path(spec))


def _is_json_array(path: Path) -> bool:
    if path.suffix.lower() == ".json":
        with suppress(OSError), path.open("rb") as file:
            return file.read(1000).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return False


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the files that a table names, see `list_table`; with `options.unlabelled` those of all rows, in their order.

    Raises InputError if the table or the files cannot be used, and UsageError for videos if the caller takes images only.
    """
    opened = open_table(Path(spec), options.report)
    kind, every = opened.kind, options.unlabelled and options.split is None
    listing = list_unlabelled_table(opened) if every else list_table(opened, kind, options)
    if kind is not VIDEOS:
        return read_listing(spec, listing, options, kind.word, Pictures(options))
    sampling = options.require_sampling(spec)
    decoder = Videos(sampling, options.size or sampling.default_size)
    return replace(read_listing(spec, listing, options, kind.word, decoder), clips=sampling.shape[0])
