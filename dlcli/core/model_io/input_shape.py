"""What images or clips a network was made for, by its card on disk, or by the program itself."""

from pathlib import Path
from typing import NamedTuple

import torch

from dlcli.core.data.preparation import Preparation, preparation_from_json
from dlcli.core.model_io.converted import is_video_network, read_video_metadata
from dlcli.core.model_io.ensemble_dir import is_ensemble, member_folder
from dlcli.core.model_io.pretrained import published
from dlcli.core.model_io.programs import is_program, read_program
from dlcli.core.model_io.run_dir import read_run_metadata
from dlcli.support.errors import InputError
from dlcli.support.in_memory import InMemory
from dlcli.support.reporter import SILENT, Reporter


class InputShape(NamedTuple):
    """The images or clips that a network takes.

    Attributes:
        video: Whether it takes clips.
        frames: Frames per clip; None for images, and where any number will do.
        side: Height and width in pixels; None if these differ.
        channels: Number of colour channels.
        preparation: How pictures and frames are resized and cropped; None for the shorter side to `side`.
    """

    video: bool
    frames: int | None
    side: int | None
    channels: int
    preparation: Preparation | None = None


def preparation_for(spec: str | None, size: int | None, report: Reporter = SILENT) -> Preparation | None:
    """How the network `spec` wants pictures resized and cropped, unless a `size` is given; None if it records nothing."""
    shape = None if size is not None else input_shape(spec, report)
    return None if shape is None else shape.preparation


def input_shape(spec: str | None, report: Reporter = SILENT) -> InputShape | None:
    """What the run directory, ensemble, converted network, program or network of a hub `spec` was made for.

    None if it is none of these. What a hub raises for its network is raised.
    """
    if spec is None or isinstance(spec, InMemory):
        return None
    if (card := published(spec, report)) is not None:
        return InputShape(False, None, card.preparation.crop, 3, card.preparation)
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
    how = preparation_from_json(metadata.get("prepare"), str(path))
    return InputShape(frames is not None, frames, _side(*metadata["size"]), metadata["channels"], how)


def _of_converted(weights: Path) -> InputShape:
    network = read_video_metadata(weights).image_network
    return InputShape(True, None, _side(*network.size), network.channels, network.preparation)


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
