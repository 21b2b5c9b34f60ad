"""Published networks by name: a registry; each module knows one hub.

`torchvision:resnet18` is the network `resnet18` of the hub `torchvision`, with its published weights where a trained network is
meant, and with random ones where only its structure is. `dlcli.core.models.hub.Hub` lists what a module defines.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.models.hub import Hub

__all__ = ["HUBS", "IMAGENET_WEIGHTS", "RANDOM_WEIGHTS", "ChosenWeights", "HubName", "hub_name", "resolve_weights"]

HUBS = Registry("hub", "dlcli.core.models.hubs")

IMAGENET_WEIGHTS, RANDOM_WEIGHTS = "imagenet", "none"
"""Values of `weights` that name no file: the published weights, and none of them."""


class HubName(NamedTuple):
    """A hub, and the name of a network there."""

    hub: "Hub"
    name: str


def hub_name(spec: str | None) -> HubName | None:
    """The hub and the name in `timm:resnet50`; None if `spec` is spelled otherwise."""
    hub, colon, name = (spec or "").partition(":")
    if not colon or hub not in HUBS.names():
        return None
    if not name:
        raise UsageError(f"`model`: which network of {hub}?", hint=f"`model={hub}:{HUBS.module(hub).EXAMPLE}`")
    return HubName(cast("Hub", HUBS.module(hub)), name)


class ChosenWeights(NamedTuple):
    """A network, and where its weights come from.

    Attributes:
        spec: The network.
        file: A file of weights, None if there is none.
        pretrained: Whether it starts from published weights.
    """

    spec: str | None
    file: Path | None
    pretrained: bool


def resolve_weights(spec: str | None, weights: Path | None) -> ChosenWeights:
    """Resolve the values of `weights` that name no file.

    Args:
        spec: A network, None for the default one.
        weights: What was given as its weights.

    Returns:
        The network and its weights; a name of torchvision with published weights becomes `torchvision:NAME`.

    Raises:
        UsageError: If the network has no published weights.
    """
    known = hub_name(spec) is not None
    word = "" if weights is None or weights.is_file() else str(weights)
    if word == IMAGENET_WEIGHTS:
        if not known and (spec is None or ":" in spec or spec in Registry("model", "dlcli.core.models.zoo").names()):
            message = f"`weights={IMAGENET_WEIGHTS}`: {spec or 'the default network'} has no published weights"
            raise UsageError(message, hint="name a network of torchvision, timm:NAME or hf:OWNER/NAME")
        return ChosenWeights(spec if known else f"torchvision:{spec}", None, True)
    if word == RANDOM_WEIGHTS:
        return ChosenWeights(spec, None, False)
    return ChosenWeights(spec, weights, weights is None and known)
