"""Published networks, opened with their weights: `torchvision:NAME`, `timm:NAME` and `hf:OWNER/NAME`."""

import hashlib
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.layers.normalise import normalised
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.weights_file import read_weights_file
from dlcli.core.models.base import GENERAL_RECIPE, Architecture
from dlcli.core.models.hub import Published
from dlcli.core.models.hubs import HubName, hub_name
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter


def published(spec: str | None, report: Reporter = SILENT) -> Published | None:
    """What is known about the network `spec` of a hub besides its weights; None if it is spelled otherwise."""
    found = hub_name(spec)
    return None if found is None else found.hub.published(found.name, report)


@dataclass(frozen=True)
class PretrainedNetwork:
    """A published network behind its normalisation, in evaluation mode, and the SHA-256 of its weights."""

    model: nn.Module
    card: Published
    sha256: str


def open_pretrained(spec: str, data: ImageData, report: Reporter) -> PretrainedNetwork | None:
    """The network `spec` of a hub, for images of the size of `data`, on the CPU; None if it is spelled otherwise.

    Raises UsageError if the hub has no such network, InputError if it has no outputs for classes or takes other channels, and
    ResourceError if it is neither in the cache nor can be downloaded.
    """
    found, card = hub_name(spec), published(spec, report)
    if found is None or card is None:
        return None
    if not card.classes:
        raise InputError(f"{spec}: has no outputs for classes", hint="dlcli train fine-tunes it for yours")
    source = _source(found, spec, data, report)
    with preserved():
        model = _built(source, data.size, len(card.classes), card.normalise).eval()
    return PretrainedNetwork(model, card, weights_sha256(model))


def pretrained_architecture(spec: str, data: ImageData, report: Reporter = SILENT) -> Architecture:
    """A network of a hub as an architecture: `build` starts from its weights, behind its normalisation.

    Unless the number of classes is the one that it was published with, its last layer is reinitialised.

    Args:
        spec: The network, `HUB:NAME`.
        data: What it is trained on.
        report: Receives notes on downloads.

    Returns:
        The architecture.

    Raises:
        DlcliError: As `open_pretrained` does.
    """
    found, card = hub_name(spec), published(spec, report)
    if found is None or card is None:
        raise InputError(f"{spec}: is not a network of a hub")
    source, classes = _source(found, spec, data, report), len(data.classes)
    new = classes != len(card.classes)
    notes = (f"{card.spec}: its last layer is reinitialised for {count(classes, 'class', 'classes')}",) if new else ()
    build = partial(_built, source, data.size, classes, card.normalise)
    digest = hashlib.sha256(f"{card.spec} {card.normalise} {source.sha256}".encode()).hexdigest()
    return Architecture(card.spec, build, GENERAL_RECIPE, digest, notes)


@dataclass(frozen=True)
class _Source:
    """The weights of a network of a hub, read into memory."""

    hub: HubName
    state: dict[str, Tensor]
    sha256: str


def _source(found: HubName, spec: str, data: ImageData, report: Reporter) -> _Source:
    if data.channels != 3:
        message = f"{spec} takes images of 3 channels; these have {data.channels}"
        raise InputError(message, hint="give images in colour, or choose a built-in `model`")
    file = found.hub.weights(found.name, report)
    state = {name: stored.tensor for name, stored in read_weights_file(file.path).tensors.items()}
    return _Source(found, state, file.sha256)


def _built(source: _Source, size: tuple[int, int], classes: int, normalise: str) -> nn.Module:
    model = source.hub.hub.trained(source.hub.name, source.state, size, classes)
    return normalised(model, normalise, 3)
