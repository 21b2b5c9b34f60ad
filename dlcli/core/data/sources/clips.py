"""Videos in folders, as clips: a folder a class, apart into train, test and more, or a flat folder with labels.csv."""

from dataclasses import replace
from pathlib import Path

from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.core.data.listing import VIDEOS, first_kind, is_one
from dlcli.core.data.read_folder import read_folder
from dlcli.core.data.videos import Videos

DESCRIPTION = ""  # what `folder` says is of both
CLAIMS_LAST = True


def claims(spec: str) -> bool:
    """Whether `spec` is a video, or a folder in which the first file that is either is a video and no picture."""
    path = Path(spec)
    return bool(spec) and (is_one(VIDEOS, path) or (path.is_dir() and first_kind(path) is VIDEOS))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """The sets as `read_folder` finds them: RGB clips (n, 3, clips * frames, size, size).

    The shorter side is resized to `options.size`, if given, and the centre is cropped; videos are rotated as their metadata
    says. `core/data/frame_times.py` chooses the frames. A video with fewer than two frames, a truncated one and one that
    cannot be decoded are skipped, or refused if `options.strict`. Raises what `read_folder` raises, UsageError where clips
    are not wanted, and MissingExtraError without PyAV.
    """
    sampling = options.require_sampling(spec)
    decoder = Videos(sampling, options.size or sampling.default_size)
    return replace(read_folder(spec, options, VIDEOS, decoder), clips=sampling.shape[0])
