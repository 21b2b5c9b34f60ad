"""Networks of torchvision by their names, untrained; torchvision is imported when one is asked for."""

import hashlib
import inspect
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from dlcli.core.compute.foreign import guard_calls
from dlcli.core.models.base import GENERAL_RECIPE, Architecture
from dlcli.support.errors import InputError, UsageError
from dlcli.support.suggest import meant_path

_PLAIN = {"weights": None, "weights_backbone": None, "aux_loss": False, "aux_logits": False, "init_weights": True}
"""What is given to a builder that names it: auxiliary heads would make forward() return more than logits."""


def from_torchvision(name: str, own: tuple[str, ...], channels: int, classes: int, *, masks: bool = False) -> Architecture:
    """The architecture of a classification network of torchvision, with random weights.

    Args:
        name: Name of the network in `torchvision.models`.
        own: Names of the zoo, which the error for an unknown name suggests too.
        channels: Channels of the images.
        classes: Number of outputs.
        masks: Whether it may be one of `torchvision.models.segmentation`.

    Raises:
        UsageError: If torchvision has no network of that name.
        InputError: If the images do not have three channels.
    """
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    names += torchvision.models.list_models(module=torchvision.models.segmentation) if masks else []
    if name not in names:
        raise _unknown(name, own, names)
    if channels != 3:
        message = f"{name} takes images of 3 channels; these have {channels}"
        raise InputError(message, hint="choose a built-in `model` such as cifar-resnet-20")
    digest = hashlib.sha256(f"{name} of torchvision {torchvision.__version__}".encode()).hexdigest()
    return Architecture(name, partial(build_torchvision, name, classes), GENERAL_RECIPE, digest)


def _unknown(name: str, own: tuple[str, ...], names: list[str]) -> UsageError:
    """The error for a name that is no model; where models may be paths, a path is what was mistyped perhaps."""
    choose = f"choose from {', '.join(own)}, or any name of torchvision's"
    if Path(name).exists():
        return UsageError(f"no model is called '{name}', which is a file or folder here", hint=choose)
    near = meant_path(name, [*own, *names])
    return UsageError(f"no model is called '{name}', nor is there such a file or folder", hint=near or choose)


def published_side(name: str) -> int | None:
    """Height and width in pixels of the images that published weights of this network take; None if it is not torchvision's."""
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        return None
    weights = torchvision.models.get_model_weights(name)
    first: Any = next(iter(weights))  # the one of the paper; later ones may be for larger images
    return int(first.transforms().crop_size[0])


def build_torchvision(name: str, classes: int, **more: Any) -> nn.Module:
    """A network with random weights; `more` are further arguments of its builder."""
    import torchvision

    named = builder_parameters(name)
    builder = torchvision.models.get_model_builder(name)
    model: nn.Module = builder(num_classes=classes, **{key: value for key, value in _PLAIN.items() if key in named}, **more)
    # A network for masks returns a mapping of maps, of which `guard_calls` takes the logits.
    return guard_calls(model) if name in torchvision.models.list_models(module=torchvision.models.segmentation) else model


def builder_parameters(name: str) -> set[str]:
    """What the builder of a network names, or the class behind it, to which builders hand what they do not name."""
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    behind = inspect.signature(builder).return_annotation
    own = set(inspect.signature(builder).parameters)
    return own | set(inspect.signature(behind).parameters) if inspect.isclass(behind) else own
