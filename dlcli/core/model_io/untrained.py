"""A network to be trained, by what is typed: one with a name, or a file of `dlcli convert-2d-to-3d`."""

from dataclasses import replace
from pathlib import Path

from dlcli.core.data.base import CLASS, MASK, ImageData
from dlcli.core.model_io.converted import is_video_network, video_architecture
from dlcli.core.model_io.pretrained import pretrained_architecture
from dlcli.core.models import named_model
from dlcli.core.models.base import Architecture, check_fit
from dlcli.core.models.dense import dense_architecture
from dlcli.support.reporter import SILENT, Reporter


def open_model(spec: str | None, data: ImageData, *, pretrained: bool = False, report: Reporter = SILENT) -> Architecture:
    """The network to train that `spec` names (see `find_model`), once it is seen to work on the images of `data`.

    Args:
        spec: As `find_model` takes it.
        data: Images and classes.
        pretrained: Whether a network of a hub starts from its published weights.
        report: Receives notes on downloads.

    Raises:
        UsageError: If there is no such network.
        InputError: If it does not return finite logits (n, at least as many as there are classes) for such images; and what
            `find_model` raises.
        NumericError: If they are not finite.
    """
    dense = data.target == MASK
    found = pretrained_architecture(str(spec), data, report) if pretrained else find_model(spec, data)
    if pretrained and dense:
        found = dense_architecture(found, data.channels, data.size, len(data.classes))
    exactly, axes = data.target != CLASS, 2 if dense else int(data.steps.predicted)
    notes = check_fit(found, data.sample(2), len(data.classes), exactly=exactly, axes=axes)
    return replace(found, notes=(*found.notes, *notes)) if notes else found


def find_model(spec: str | None, data: ImageData) -> Architecture:
    """The network that `spec` names, fitted to the images of `data` and to its classes.

    `spec` is as `named_model` takes it, or a converted file, which is where training then starts. Raises what that and
    `video_architecture` raise.
    """
    if spec is not None and is_video_network(Path(spec)):
        return video_architecture(Path(spec), data)
    return named_model(spec, data)
