"""What the attack `transfer` hands over: images made on a surrogate, or saved ones."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlcli.core.compute.forward import shape_of
from dlcli.core.data.base import ImageData
from dlcli.core.model_io.trained import TrainedNetwork, open_trained
from dlcli.support.errors import DlcliError, InputError

_SAME = "give the --data, --size, --limit and --target that they were saved with"
# How far clean images may be from those that were saved: their rounding.
_NEAR = 1e-6


def open_surrogate(spec: str, data: ImageData, device: torch.device) -> TrainedNetwork:
    """The network of `--surrogate`: a folder, or code; raises InputError if it is neither, and what `open_trained` raises."""
    if ":" not in spec and not Path(spec).is_dir():
        hint = "name a folder that dlcli train or dlcli ensemble wrote, FILE.py:CALLABLE, or a .npz that --save wrote"
        raise InputError(f"--surrogate: {spec} is no trained network", hint=hint)
    return open_trained(spec, data, device=device)


def load_saved_images(spec: str, x: Tensor, y: Tensor, eps: Sequence[float]) -> dict[float, Tensor]:
    """For each eps the images (n, c, h, w) that `--save` wrote to the file `spec`, once they are seen to be twins of `x`.

    The labels must part the images as `y` (n,) does; the numbers of the classes may be others. Raises InputError if the file
    is of another kind, or of other images, or has none at an eps.
    """
    arrays = _read(spec, [f"x_{one:g}" for one in eps if one])
    clean, labels = torch.from_numpy(arrays["x_clean"]), arrays["y"]
    if clean.shape != x.shape:
        raise InputError(f"--surrogate: {spec} holds {shape_of(clean)} images, {shape_of(x)} are attacked", hint=_SAME)
    other = ((clean - x).abs().flatten(1) > _NEAR).any(1)
    if bool(other.any()):
        raise InputError(f"--surrogate: {int(other.sum())} of {len(x)} clean images in {spec} are others", hint=_SAME)
    pairs = set(zip(labels.tolist(), y.tolist(), strict=True)) if labels.shape == y.shape else set()
    if not len(pairs) == len({one for one, _ in pairs}) == len({one for _, one in pairs}) > 0:
        raise InputError(f"--surrogate: the labels in {spec} are not those of the images", hint=_SAME)
    return {one: torch.from_numpy(arrays[f"x_{one:g}"]) for one in eps if one}


def _read(spec: str, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    path = Path(spec)
    if not path.is_file():
        raise InputError(f"--surrogate: {spec}: no such file")
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            there = list(getattr(archive, "files", ()))  # of a single array none
            if not {"x_clean", "y"} <= set(there):
                raise InputError(f"--surrogate: {spec} has no x_clean and y", hint="dlcli attack --save writes such a file")
            missing = [name for name in wanted if name not in there]
            if missing:
                found = ", ".join(name.removeprefix("x_") for name in there if name.startswith("x_") and name != "x_clean")
                lacks = ", ".join(name.removeprefix("x_") for name in missing)
                raise InputError(f"--surrogate: {spec} has no images at eps {lacks}", hint=f"it has some at --eps {found}")
            return {name: archive[name] for name in ("x_clean", "y", *wanted)}
    except DlcliError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(f"--surrogate: {spec}: not a whole .npz archive ({first})") from None
