"""Folders of videos, as clips: one folder per class, maybe under train and test, or a flat folder with labels.csv."""

from dataclasses import replace
from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.core.data.file_kinds import VIDEOS
from dlcli.core.data.listing import first_kind, is_file_of
from dlcli.core.data.read_folder import read_folder
from dlcli.core.data.videos import Videos

DESCRIPTION = ""  # the description of `folder` covers both
PRECEDENCE = 3
LABEL_COLUMN = True
FILES = VIDEOS


def claims(spec: str) -> bool:
    """Whether `spec` is a video, or a folder whose first picture or video is a video."""
    path = Path(spec)
    return bool(spec) and (is_file_of(VIDEOS, path) or (path.is_dir() and first_kind(path) is VIDEOS))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the sets of a folder, see `read_folder`: RGB clips (n, 3, clips * frames, size, size).

    The shorter side is resized to `options.size`, if given, and the centre is cropped, unless `options` has a preparation.
    Videos are rotated as their metadata says. `core/data/frame_times.py` chooses the frames. A video with fewer than two
    frames, a truncated one and one that cannot be decoded are skipped, or refused if `options.strict`. Raises what
    `read_folder` raises, UsageError if the caller takes images only, and MissingExtraError without PyAV.
    """
    sampling = options.require_sampling(spec)
    how = options.preparation
    decoder = Videos(sampling, how.crop if how is not None else options.size or sampling.default_size, how)
    return replace(read_folder(spec, options, VIDEOS, decoder), clips=sampling.shape[0])
