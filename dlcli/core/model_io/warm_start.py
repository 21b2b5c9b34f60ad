"""A network that starts from weights in a file instead of random ones."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.layers.dense_network import DenseNetwork
from dlcli.core.model_io.body import missing_layer
from dlcli.core.model_io.checkpoint import load_state_into, weights_sha256
from dlcli.core.model_io.published_inputs import FileNormalisation, as_in_file, as_published, file_normalisation
from dlcli.core.model_io.weights_file import read_weights_file
from dlcli.core.model_io.weights_fit import fit_weights
from dlcli.core.models import FRAME_MLP
from dlcli.core.models.base import Architecture
from dlcli.core.models.frame_mlp import FrameMlp
from dlcli.specs.normalise import AUTO, NONE


def warm_started(
    arch: Architecture,
    file: Path,
    classes: int,
    normalise: str = AUTO,
    weights_key: str | None = None,
    *,
    channels: int = 3,
) -> Architecture:
    """`arch` with the weights of `file`.

    The last layer is reinitialised if the weights are for another number of classes. For a `FrameMlp` the weights are those of
    the backbone; those of its removed last layer are ignored.

    Args:
        arch: The network that the weights belong to.
        file: Weights, as `read_weights_file` takes them.
        classes: Number of outputs.
        normalise: How it gets images, as the option of this name. auto: as is recorded beside the file, or as the published
            weights of the same network; where there are none, it is left to the caller.
        weights_key: Which set of weights in the file to take, see `fit_weights`; None for the one that fits.
        channels: Channels of the images.

    Raises:
        InputError: If the weights do not fit.
    """
    read = read_weights_file(file)
    with preserved(), torch.no_grad():
        model = arch.build()
        own = _target(model).state_dict()
        missing = missing_layer(file, own)
        held = {name: value for name, value in own.items() if name not in missing}
        fitted = fit_weights(read, held, network=arch.name, key=weights_key)
        state = fitted.state
        how = file_normalisation(file, state, arch.name.removeprefix(f"{FRAME_MLP}:")) if normalise == AUTO else None
        plan = _plan(model, state, classes, how, channels)
        plan = replace(plan, reinitialised=(*plan.reinitialised, *missing))
        build = partial(_built, arch, state, plan, str(file))
        build()
    recorded = f" {how.normalise}" if how is not None and how.recorded else ""
    digest = hashlib.sha256(f"{arch.source_sha256} {weights_sha256(state)}{recorded}".encode()).hexdigest()
    before = () if arch.name.startswith(f"{FRAME_MLP}:") else arch.notes  # the note of a frame-mlp is about random features
    return replace(
        arch, build=build, source_sha256=digest, notes=(*before, *fitted.notes, *_notes(arch, file, plan, body=bool(missing)))
    )


@dataclass(frozen=True)
class _Plan:
    """Which weights of the network are reinitialised, which of the file are ignored, and how images are normalised."""

    reinitialised: tuple[str, ...]
    ignored: tuple[str, ...]
    normalise: FileNormalisation | None
    channels: int


def _target(model: nn.Module) -> nn.Module:
    """The classifier whose weights a file has."""
    if isinstance(model, DenseNetwork):
        return model.body
    return model.backbone if isinstance(model, FrameMlp) else model


def _removed(model: nn.Module) -> tuple[str, ...]:
    """The layers of the classifier that the network does not have."""
    if isinstance(model, DenseNetwork):
        return model.removed
    return (model.head,) if isinstance(model, FrameMlp) else ()


def _plan(
    model: nn.Module, state: Mapping[str, Tensor], classes: int, normalise: FileNormalisation | None, channels: int
) -> _Plan:
    """How to start from the weights `state`; the other arguments are those of `warm_started`, and how images are normalised."""
    own = _target(model).state_dict()
    reinitialised = [key for key in own if key in state and _is_for_others(own[key], state[key], classes)]
    lost = [key for key in state if key.startswith(tuple(f"{layer}." for layer in _removed(model)))]
    return _Plan(tuple(reinitialised), tuple(lost), normalise, channels)


def _is_for_others(ours: Tensor, theirs: Tensor, classes: int) -> bool:
    """Whether a weight is of a last layer for another number of classes."""
    return ours.dim() > 0 and len(ours) == classes and ours.shape != theirs.shape and ours.shape[1:] == theirs.shape[1:]


def _built(arch: Architecture, state: Mapping[str, Tensor], plan: _Plan, source: str) -> nn.Module:
    model = arch.build()
    target = _target(model)
    own = target.state_dict()
    kept = {key: tensor for key, tensor in state.items() if key not in plan.ignored}
    load_state_into(target, {**kept, **{key: own[key] for key in plan.reinitialised}}, source=source, network=arch.name)
    return as_in_file(model, plan.normalise, plan.channels)


def _notes(arch: Architecture, file: Path, plan: _Plan, *, body: bool) -> list[str]:
    notes = []
    if body:
        notes.append(f"{file}: is a body, so the last layer of {arch.name} is initialised")
    elif plan.reinitialised:
        notes.append(f"{file}: is for another number of classes, so the last layer of {arch.name} is reinitialised")
    if plan.normalise is not None and plan.normalise.normalise != NONE:
        how = plan.normalise.normalise
        recorded = f"{arch.name}: images are normalised as its run records it ({how})"
        notes.append(recorded if plan.normalise.recorded else as_published(arch.name, how))
    return notes
