"""The surrogate of `dlcli attack`: a trained network on which images are made for another one, or images saved earlier.

A transfer attack never queries the network under attack. It makes adversarial images on a substitute and relies on networks
trained on similar data making similar mistakes (Papernot et al. 2016, arXiv 1605.07277), so its accuracy is an upper bound.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlcli.core.compute.forward import shape_of
from dlcli.core.data.base import ImageData
from dlcli.core.data.metadata import ARCHIVE_ERRORS
from dlcli.core.model_io.programs import is_program
from dlcli.core.model_io.run_dir import METADATA
from dlcli.core.model_io.score_metadata import refuse_other_tasks
from dlcli.core.model_io.trained import TrainedNetwork, open_trained
from dlcli.engines.attack.array_names import saved_name
from dlcli.support.errors import DlcliError, InputError, MissingInputError
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.suggest import meant_path

_PASS, _OWN = "; pass `normalise=", "; let its own code do as `normalise="
_SAME = "give the `data`, `size`, `limit` and `target` that they were saved with"
# Largest difference between clean images and their saved copies, from rounding.
_NEAR = 1e-6


def open_surrogate(spec: str, data: ImageData, device: torch.device, option: str = "surrogate") -> TrainedNetwork:
    """The network of `surrogate`, a directory, a program, code or an object.

    Args:
        spec: What names it.
        data: The dataset.
        device: Where it goes.
        option: The option that `spec` is of.

    Returns:
        The network.

    Raises:
        InputError: If `spec` is none of these, and what `open_trained` raises.
    """
    refuse_other_tasks(spec, "attack", option)
    is_object = isinstance(spec, InMemory)
    if not is_object and ":" not in spec and not Path(spec).is_dir() and not is_program(Path(spec)):
        raise InputError(f"`{option}`: {spec} is not a trained network", hint=_meant(spec, option))
    found = open_trained(spec, data, device=device)
    # `normalise` is that of the network under attack.
    own = {warning: f"`{option}`: {warning.replace(_PASS, _OWN)}" for warning in found.warnings}
    notes, warnings = (tuple(own.get(note, note) for note in notes) for notes in (found.notes, found.warnings))
    return replace(found, notes=notes, warnings=warnings)


def _meant(spec: str, option: str) -> str:
    """What to name in place of `spec`: the directory of the file that it is, what is called nearly so, or else any network."""
    path = Path(spec)
    if path.is_file():
        hint = f"name the run directory, {path.parent}" if (path.parent / METADATA).is_file() else ""
    else:
        hint = meant_path(spec.rstrip("/"))
    if hint:
        return hint
    saved = ", or a .npz that `save` wrote" if option == "surrogate" else ""
    files = "an .onnx or .pt2 file, a published network such as torchvision:resnet18, or FILE.py:CALLABLE"
    return f"name a directory of dlcli train or dlcli ensemble, {files}{saved}"


def load_saved_images(spec: str, x: Tensor, y: Tensor, eps: Sequence[float]) -> dict[float, Tensor]:
    """Read the adversarial images that `save` wrote, once they are seen to belong to these clean images.

    Args:
        spec: The .npz file.
        x: The clean images under attack, (n, c, h, w).
        y: Their labels, (n,). Saved labels must group the images in the same way, but may number the classes differently.
        eps: The values for which images are needed; 0 needs none.

    Returns:
        The images (n, c, h, w) by eps.

    Raises:
        InputError: If the file is of another kind, belongs to other images, or lacks an eps.
    """
    arrays = _read(spec, [one for one in eps if one])
    clean, labels = torch.from_numpy(arrays["x_clean"]), arrays["y"]
    if clean.shape != x.shape:
        raise InputError(f"`surrogate`: {spec} holds {shape_of(clean)} images, but {shape_of(x)} are under attack", hint=_SAME)
    other = ((clean - x).abs().flatten(1) > _NEAR).any(1)
    if bool(other.any()):
        differ = f"{int(other.sum())} of {count(len(x), 'clean image')} in {spec} differ from the images under attack"
        raise InputError(f"`surrogate`: {differ}", hint=_SAME)
    # Equal up to a renaming of classes: every saved label goes with exactly one label here, and the other way round.
    pairs = set(zip(labels.tolist(), y.tolist(), strict=True)) if labels.shape == y.shape else set()
    if not len(pairs) == len({one for one, _ in pairs}) == len({one for _, one in pairs}) > 0:
        raise InputError(f"`surrogate`: the labels in {spec} are not those of the images under attack", hint=_SAME)
    return {one: torch.from_numpy(arrays[f"x_{one:g}"]) for one in eps if one}


def _read(spec: str, eps: Sequence[float]) -> dict[str, np.ndarray]:
    """The clean images, their labels and, as x_EPS, the images of each eps."""
    path = Path(spec)
    if not path.is_file():
        raise MissingInputError(f"`surrogate`: {spec}: no such file")
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            there = list(getattr(archive, "files", ()))  # a .npy file gives an array, which has none
            if not {"x_clean", "y"} <= set(there):
                raise InputError(f"`surrogate`: {spec} has no x_clean and y", hint="dlcli attack writes such a file to `save`")
            wanted = {f"x_{one:g}": saved_name(there, "x", one) for one in eps}
            missing = [name for name in wanted.values() if name not in there]
            if missing:
                found = ", ".join(name.removeprefix("x_") for name in there if name.startswith("x_") and name != "x_clean")
                lacks = ", ".join(name.removeprefix("x_") for name in missing)
                raise InputError(f"`surrogate`: {spec} has no images at eps {lacks}", hint=f"it has images at eps {found}")
            return {name: archive[saved] for name, saved in {"x_clean": "x_clean", "y": "y", **wanted}.items()}
    except DlcliError:
        raise
    except ARCHIVE_ERRORS as error:
        first = str(error).partition("\n")[0]
        raise InputError(f"`surrogate`: {spec}: not a complete .npz archive ({first})") from None
