"""How weights in a file want their images: as their run records it, or as the published weights of the same network."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from dlcli.core.data.preparation import Preparation
from dlcli.core.layers.normalise import normalised
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.run_dir import METADATA, read_run_metadata
from dlcli.core.model_io.weights_file import is_weights
from dlcli.core.models import MODELS
from dlcli.core.models.hub import Published
from dlcli.core.models.hubs import hub_name
from dlcli.specs.normalise import NONE, parse_normalisation
from dlcli.support.errors import DlcliError
from dlcli.support.reporter import SILENT, Reporter


class FileNormalisation(NamedTuple):
    """The normalisation of weights in a file.

    Attributes:
        normalise: A value of the option `normalise`.
        recorded: Whether it was written down with these weights; else it is that of the published ones.
    """

    normalise: str
    recorded: bool


def published_inputs(arch: str | None, report: Reporter = SILENT) -> Published | None:
    """What is published about weights of the network `arch`, for others of it; None if nothing is.

    Args:
        arch: A network of a hub, or a name of torchvision.
        report: Receives notes on downloads.
    """
    if (found := hub_name(arch)) is not None:
        with suppress(DlcliError):  # building the network reports what is wrong with its name
            return found.hub.published(found.name, report)
        return None
    if arch is None or ":" in arch or arch in MODELS.names():
        return None
    from dlcli.core.models.hubs.torchvision import published_plain

    return published_plain(arch)


def preparation_of_mixed(file: str | None, arch: str | None, weights: Path | None = None) -> Preparation | None:
    """How a network whose weights are in a file wants pictures that differ in size; None if that is not published.

    Args:
        file: The file, or the network that `weights` belong to.
        arch: The network that the weights in `file` belong to.
        weights: The file, if `file` names a network.
    """
    of_file = arch if file is not None and is_weights(Path(file)) else file if weights is not None else None
    card = published_inputs(of_file)
    return None if card is None else card.preparation


def file_normalisation(file: Path, state: Mapping[str, Tensor], arch: str) -> FileNormalisation | None:
    """How weights in a file want their images; None if nothing is known.

    Args:
        file: The file; that of a run directory stands beside its metadata.
        state: The weights in it, as the network names them.
        arch: The network that they belong to.
    """
    if (file.parent / METADATA).is_file():
        with suppress(DlcliError):
            metadata = read_run_metadata(file.parent)
            if metadata["weights_sha256"] == weights_sha256(state):
                return FileNormalisation(metadata.get("normalise", NONE), recorded=True)
    card = published_inputs(arch)
    return None if card is None else FileNormalisation(card.normalise, recorded=False)


def as_in_file(model: nn.Module, found: FileNormalisation | None, channels: int) -> nn.Module:
    """`model` behind the normalisation that was found for its weights, unless it is a published one for other channels."""
    if found is None or (not found.recorded and parse_normalisation(found.normalise).channels not in (None, channels)):
        return model
    return normalised(model, found.normalise, channels)


def as_published(name: str, normalise: str) -> str:
    """The note that `normalise` was taken from the published weights of the network `name`."""
    return f"{name}: images are normalised as for its published weights ({normalise}); `normalise=HOW` changes that"
