"""Images in folders: a folder a class, apart into train, test and more, or flat with labels.csv; or without labels, or one."""

from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.core.data.listing import PICTURES, is_one
from dlcli.core.data.pictures import Pictures
from dlcli.core.data.read_folder import read_folder

DESCRIPTION = "a folder of images or of videos (a folder a class, maybe under train and test; or labels.csv)"
CLAIMS_LAST = True


def claims(spec: str) -> bool:
    """Whether `spec` is a folder, or a picture."""
    return bool(spec) and (Path(spec).is_dir() or is_one(PICTURES, Path(spec)))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """The sets as `read_folder` finds them.

    Images are grey if all files are, else RGB; turned as EXIF says. If they differ in size, or `options` names one, the shorter
    side is resized (bilinear, antialiased) to 224 or that size and the centre cropped. Raises what `read_folder` raises.
    """
    return read_folder(spec, options, PICTURES, Pictures(options))
