"""The network for images that a person names."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlcli.core.compute.forward import logits_of
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.inflate.convert import check_2d
from dlcli.core.layers.normalise import normalisation_of, normalised, without_normalisation
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.converted import ImageNetwork, is_video_network
from dlcli.core.model_io.ensemble_dir import is_ensemble
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.pretrained import published
from dlcli.core.model_io.published_inputs import published_inputs
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import refuse_places, task_of
from dlcli.core.model_io.trained import open_trained
from dlcli.core.model_io.weights_file import is_weights, read_weights_file
from dlcli.core.models import FRAME_MLP, MODELS, named_model
from dlcli.core.models.hubs import hub_name, resolve_weights
from dlcli.specs.normalise import AUTO
from dlcli.specs.train import SCORES
from dlcli.support.errors import InputError, UsageError, error_context
from dlcli.support.in_memory import InMemory
from dlcli.support.reporter import SILENT, Reporter

CPU = torch.device("cpu")

_CHANNELS, _SIZE, _CLASSES = 3, 224, 1000


@dataclass(frozen=True)
class SourceNetwork:
    """A network for images in evaluation mode on the CPU, how to build it again, and the SHA-256 of its weights.

    `model` is what stands behind the normalisation that `flat` names. `learned` is what is recorded of a task other than
    that of classes.
    """

    model: nn.Module
    flat: ImageNetwork
    sha256: str
    notes: tuple[str, ...] = ()
    learned: Mapping[str, Any] = field(default_factory=dict)


def open_source(
    spec: str,
    *,
    arch: str | None,
    weights: Path | None,
    size: int | None,
    classes: int | None,
    seed: int,
    normalise: str = AUTO,
    weights_key: str | None = None,
    report: Reporter = SILENT,
) -> SourceNetwork:
    """Open the image network to convert.

    Args:
        spec: A run directory, a file of weights, or a network: a built-in name or code.
        arch: The network that a file of weights belongs to.
        weights: A file of weights for a network; without one, code keeps the weights it returns, and a built-in network gets
            random ones.
        size: Height and width of its images, in pixels.
        classes: Number of classes of a network without weights.
        seed: Of random weights.
        normalise: How it wants its images; auto for what is known about it, see `open_trained`.
        weights_key: Which set of weights in the file to take; None for the one that fits.
        report: Receives notes on downloads.

    Returns:
        The network.

    Raises:
        UsageError: If these options do not go together, or there is no such network.
        InputError: If a file cannot be read or does not fit the network.
    """
    chosen, file, pretrained = resolve_weights(spec, weights)
    if pretrained and arch is None:
        found = _published(chosen or "", size, classes, report)
    else:
        found = _opened(chosen or "", arch=arch, weights=file, weights_key=weights_key, size=size, classes=classes, seed=seed)
    if normalise == AUTO:
        return found
    wrapped = normalised(found.model, normalise, found.flat.channels)  # refuses what is for other channels
    return replace(found, flat=replace(found.flat, normalise=normalisation_of(wrapped)))


def _opened(
    spec: str,
    *,
    arch: str | None,
    weights: Path | None,
    weights_key: str | None,
    size: int | None,
    classes: int | None,
    seed: int,
) -> SourceNetwork:
    """The network as what is known about it says that it wants its images."""
    if FRAME_MLP in (spec.partition(":")[0], (arch or "").partition(":")[0]):
        raise InputError(f"{FRAME_MLP} takes clips already", hint="name the network whose features it takes")
    path = Path(spec)
    given = {"arch": arch, "weights": weights, "size": size, "classes": classes}
    if path.is_dir():
        return _from_run(path, [name for name, value in given.items() if value is not None])
    if is_video_network(path):
        raise InputError(f"{spec}: the network is 3-D already", hint="give a network for images")
    file = path if is_weights(path, may_be_name=arch is None) else weights
    if arch is not None and file is not path:
        raise UsageError("`arch`: goes with a file of weights", hint="name the file first, or omit `arch`")
    if file is None:
        return _built(spec, _shape(_CHANNELS, size or _SIZE, classes or _CLASSES), seed)
    if classes is not None:
        raise UsageError("`classes`: the weights determine how many there are", hint="omit `classes`")
    card = published_inputs(arch or spec) if size is None else None
    side = size or (card.preparation.crop if card is not None else _SIZE)
    shape = _shape(_channels_of(file, arch or spec), side, 1)  # one, for the weights know better
    found = open_trained(spec, shape, arch=arch, weights=weights, weights_key=weights_key, look=False, device=CPU)
    flat = _flat(arch or spec, shape, found.model)
    flat = flat if card is None else replace(flat, prepare=card.preparation.to_json())
    return SourceNetwork(without_normalisation(found.model), flat, found.sha256, found.notes)


def _published(spec: str, size: int | None, classes: int | None, report: Reporter) -> SourceNetwork:
    """A network of a hub with its weights, which decide how many classes there are."""
    if classes is not None:
        raise UsageError("`classes`: the published weights determine how many there are", hint="omit `classes`")
    card = published(spec, report)
    side = size or (card.preparation.crop if card is not None else _SIZE)
    shape = _shape(_CHANNELS, side, 1)
    found = open_trained(spec, shape, look=False, device=CPU, report=report)
    flat = replace(_flat(found.name, shape, found.model), classes=found.classes)
    if card is not None and size is None:
        flat = replace(flat, prepare=card.preparation.to_json())
    return SourceNetwork(without_normalisation(found.model), flat, found.sha256, found.notes)


def _from_run(path: Path, given: list[str]) -> SourceNetwork:
    if given:
        raise UsageError(f"`{given[0]}`: {path} is a run directory, which names its network", hint=f"omit `{given[0]}`")
    if is_ensemble(path):
        raise InputError(f"{path}: is an ensemble", hint="name the folder of one of its members")
    refuse_places(str(path), "convert-2d-to-3d")
    saved = load_model(path, CPU)
    flat = ImageNetwork(
        saved.spec,
        saved.surgery,
        saved.channels,
        saved.size,
        len(saved.classes),
        saved.classes,
        normalisation_of(saved.model),
        target=saved.target,
    )
    how = preparation_for(str(path), None)
    flat = flat if how is None else replace(flat, prepare=how.to_json())
    return SourceNetwork(without_normalisation(saved.model), flat, saved.sha256, learned=_learned(path))


def _learned(path: Path) -> Mapping[str, Any]:
    """How scores are read from the outputs, in the terms of JSON; empty for classes.

    The interval of a prediction is omitted: it is that of the errors on images, and clips are something else.
    """
    scores = task_of(str(path)).scores
    return {} if scores is None else {"task": SCORES, "scores": replace(scores, residual=None, n_residual=0).to_json()}


def _built(spec: str, shape: ImageData, seed: int) -> SourceNetwork:
    with preserved():
        torch.manual_seed(seed)
        model = named_model(spec, shape).build().eval()
    with error_context(spec):
        check_2d(model)
        flat = _flat(spec, _shape(_channels_read(model, shape), shape.size[0], len(shape.classes)), model)
        sha256 = weights_sha256(model)
    note = f"{spec} is taken as trained, as the code returns it"
    if isinstance(spec, InMemory):
        note = f"{spec} is a copy; the file of a converted network names it, and it is built again from code only"
    elif ":" not in spec or hub_name(spec) is not None:
        note = f"{spec} has random weights; pass a checkpoint with `arch={spec}` to convert a trained network"
    return SourceNetwork(model, flat, sha256, (note,))


def _channels_read(model: nn.Module, shape: ImageData) -> int:
    """How many channels a network reads that code gives back: those of `shape`, unless it takes no such images."""
    with suppress(InputError):
        _flat("", shape, model)
        return shape.channels
    return next(module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d))


@torch.no_grad()
def _flat(spec: str, shape: ImageData, model: nn.Module) -> ImageNetwork:
    """The description of a network, once it is seen to give finite logits for images of `shape`."""
    outputs = logits_of(model, shape.x_train[:1].to(next(model.parameters()).dtype)).shape[1]
    return ImageNetwork(spec, (), shape.channels, shape.size, outputs, None, normalisation_of(model))


def _shape(channels: int, side: int, classes: int) -> ImageData:
    """Images of nothing, which say what a network is for."""
    x, y = torch.full((2, channels, side, side), 0.5), torch.zeros(2, dtype=torch.int64)
    return ImageData(x, y, x[:0], y[:0], tuple(map(str, range(classes))), "images")


def _channels_of(file: Path, network: str) -> int:
    """How many channels the first convolution of a file of weights reads; torchvision's networks take images of three."""
    own = ":" in network or bool({network, network.rpartition("-")[0]} & set(MODELS.names()))
    if not own:
        return _CHANNELS
    tensors = (stored.tensor for stored in read_weights_file(file).tensors.values())
    return next((tensor.shape[1] for tensor in tensors if tensor.dim() == 4), _CHANNELS)
