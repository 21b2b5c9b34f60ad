"""Networks by name or path, for a program."""

from pathlib import Path

import torch
from torch import nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData, Steps
from dlcli.core.layers.normalise import normalisation_of
from dlcli.core.model_io.converted import is_video_network
from dlcli.core.model_io.ensemble_dir import is_ensemble, member_folder
from dlcli.core.model_io.input_shape import InputShape, input_shape
from dlcli.core.model_io.loaded import LoadedFacts, attach
from dlcli.core.model_io.programs import is_program
from dlcli.core.model_io.run_dir import is_run_dir, read_run_metadata
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.model_io.trained import TrainedNetwork, open_trained
from dlcli.core.model_io.weights_file import is_weights
from dlcli.core.models import MODELS, named_model, takes_sequences
from dlcli.core.models.hubs import resolve_weights
from dlcli.specs.code import has_sizes, spellings_in
from dlcli.specs.normalise import AUTO
from dlcli.support.errors import UsageError
from dlcli.support.seeds import derive
from dlcli.support.trust import Trust, trusting

__all__ = ["LoadedFacts", "load"]

_CHANNELS, _SIDE, _FRAMES = 3, 224, 8


def load(
    spec: str | Path,
    *,
    arch: str | None = None,
    weights: str | Path | None = None,
    weights_key: str | None = None,
    ensemble: str | None = None,
    normalise: str = AUTO,
    channels: int | None = None,
    size: int | None = None,
    classes: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    trust_code: bool = False,
) -> nn.Module:
    """A network that takes images in [0, 1] and returns logits, in evaluation mode; its attribute `loaded` is a LoadedFacts.

    Args:
        spec: A run directory, an ensemble, a checkpoint with `arch`, an .onnx or .pt2 file, a published network
            (torchvision:NAME, timm:NAME, hf:OWNER/NAME), file.py:callable, or the name of a built-in network or one of
            torchvision, which is untrained without `weights`.
        arch: The network that the weights in the file `spec` belong to.
        weights: A file of weights for the network `spec`.
        weights_key: Which set of weights in the file to take; None for the one that fits.
        ensemble: The rule that combines an ensemble; None for the one it was saved with.
        normalise: How the network wants its images; auto as for the option of this name.
        channels: Channels of the images, where nothing records them. Default: 3.
        size: Height and width of the images in pixels, where nothing records them. Default: 224.
        classes: Number of outputs of an untrained network.
        seed: Of the weights of an untrained network, which are those that `train` begins with.
        device: auto, cpu, cuda, cuda:N or mps.
        trust_code: Import code that a run directory names.

    Returns:
        The network.

    Raises:
        UsageError: If the arguments contradict each other, or no network has that name.
        InputError: If a file is missing or damaged, or does not fit the network.
    """
    name, chosen = str(spec), None if weights is None else Path(weights)
    with trusting(Trust(frozenset(spellings_in((name, arch or ""))), trust_code)):
        name, chosen, pretrained = resolve_weights(name, chosen)  # type: ignore[assignment]
        shape = input_shape(name)
        data = _template(name, shape, channels, size, classes)
        where = choose_device(device)
        if _untrained(name) and chosen is None and not pretrained:
            return _built(name, data, classes, seed, where)
        found = open_trained(
            name,
            data,
            arch=arch,
            weights=chosen,
            weights_key=weights_key,
            rule=ensemble,
            normalise=normalise,
            look=False,
            doubt_outputs=False,
            device=where,
        )
    return attach(found.model, _facts(found, data, shape))


def _facts(found: TrainedNetwork, data: ImageData, shape: InputShape | None) -> LoadedFacts:
    return LoadedFacts(
        found.name,
        found.classes,
        data.channels,
        data.size,
        data.frames,
        normalisation_of(found.members[0] if found.members else found.model),
        None if shape is None else shape.preparation,
        found.recorded,
    )


def _built(name: str, data: ImageData, classes: int | None, seed: int, device: torch.device) -> nn.Module:
    if classes is None:
        raise UsageError(f"`classes`: {name} is untrained, so its number of outputs has to be given", hint="`classes=10`")
    with preserved():
        torch.manual_seed(derive(seed, "init"))
        model = named_model(name, data).build().to(device).eval()
    facts = LoadedFacts(name, None, data.channels, data.size, None, normalisation_of(model), None, recorded=False)
    return attach(model, facts)


def _untrained(name: str) -> bool:
    """Whether this is the name of a network of the zoo or of torchvision, not of a file, a folder or code."""
    path = Path(name)
    opened = path.is_dir() or is_video_network(path) or is_program(path) or is_weights(path)
    known = {name, name.rpartition("-")[0]} & set(MODELS.names())
    return (":" not in name or has_sizes(name)) and len(path.parts) == 1 and (bool(known) or not opened)


def _template(name: str, shape: InputShape | None, channels: int | None, size: int | None, classes: int | None) -> ImageData:
    """Grey images of the shape that the network was made for, with classes that are called by their numbers."""
    sides, depth = (size or _SIDE,) * 2, channels or _CHANNELS
    frames: int | None = None
    if shape is not None:
        depth, frames = shape.channels, (shape.frames or _FRAMES) if shape.video else None
        sides = sides if size is not None or shape.side is None else (shape.side, shape.side)
    folder = member_folder(Path(name), 0) if is_ensemble(Path(name)) else Path(name)
    if is_run_dir(folder):
        height, width = read_run_metadata(folder)["size"]
        sides = (height, width)
    one: tuple[int, ...] = (depth, *sides) if frames is None else (depth, frames, *sides)
    task = task_of(name)
    if task.sequences is not None or takes_sequences(name):
        one = (depth, sides[1])
    x, y = torch.full((2, *one), 0.5), torch.zeros(2, dtype=torch.int64)
    names, steps = tuple(map(str, range(classes or 0))), Steps(predicted=task.predicts_next)
    return ImageData(x, y, x[:0], y[:0], names, "images", steps=steps)
