"""What images or clips a network was made for, by its card on disk, or by the program itself."""

from pathlib import Path
from typing import NamedTuple

import torch

from dlcli.core.model_io.converted import is_video_network, read_video_metadata
from dlcli.core.model_io.ensemble_dir import is_ensemble, member_folder
from dlcli.core.model_io.programs import is_program, read_program
from dlcli.core.model_io.run_dir import read_run_metadata
from dlcli.support.errors import InputError


class InputShape(NamedTuple):
    """The images or clips that a network takes.

    Attributes:
        video: Whether it takes clips.
        frames: Frames per clip; None for images, and where any number will do.
        side: Height and width in pixels; None if these differ.
        channels: Number of colour channels.
    """

    video: bool
    frames: int | None
    side: int | None
    channels: int


def input_shape(spec: str | None) -> InputShape | None:
    """What the run directory, ensemble, converted network or program `spec` was made for; None if it is none of these."""
    if spec is None:
        return None
    path = Path(spec)
    try:
        if is_program(path):
            return _of_program(path)
        if path.suffix == ".safetensors":
            return _of_converted(path) if is_video_network(path) else None
        metadata = read_run_metadata(member_folder(path, 0) if is_ensemble(path) else path)
    except InputError:
        return None  # opening the network reports what is wrong with it
    frames = metadata.get("frames")
    return InputShape(frames is not None, frames, _side(*metadata["size"]), metadata["channels"])


def _of_converted(weights: Path) -> InputShape:
    network = read_video_metadata(weights).image_network
    return InputShape(True, None, _side(*network.size), network.channels)


def _of_program(path: Path) -> InputShape | None:
    channels, *sides = read_program(path, torch.device("cpu")).signature.shape
    if channels is None:
        return None
    frames = sides[0] if len(sides) == 3 else None
    height, width = sides[-2:]
    side = None if height is None or width is None else _side(height, width)
    return InputShape(len(sides) == 3, frames, side, channels)


def _side(height: int, width: int) -> int | None:
    return height if height == width else None
