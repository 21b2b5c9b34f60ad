"""Folders of images: one folder per class, maybe under train and test, or flat with or without labels.csv; or one image."""

from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, MASK, ImageData, LoadOptions
from dlcli.core.data.file_kinds import PICTURES
from dlcli.core.data.listing import is_file_of
from dlcli.core.data.masked_data import load_masked_folder
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_folder

DESCRIPTION = "a folder of images or videos (a folder per class)"
PRECEDENCE = 3
LABEL_COLUMN = True
FILES = PICTURES
MASKS = True
"""Whether it has masks."""


def claims(spec: str) -> bool:
    """Whether `spec` is a folder, or a picture."""
    return bool(spec) and (Path(spec).is_dir() or is_file_of(PICTURES, Path(spec)))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the sets of a folder, see `read_folder`.

    Images are grey if all files are, else RGB, and turned upright. If they differ in size, or `options` has a size, the shorter
    side is resized (bilinear, antialiased) to 224 or that size and the centre cropped. With masks, see `load_masked_folder`.
    Raises what these raise.
    """
    if options.target == MASK:
        return load_masked_folder(spec, options)
    return read_folder(spec, options, PICTURES, Pictures(options))
