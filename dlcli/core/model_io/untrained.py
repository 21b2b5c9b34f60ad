"""A network to be trained, by what is typed: one with a name, or a file of `dlcli convert-2d-to-3d`."""

from dataclasses import replace
from pathlib import Path

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.converted import is_video_network, video_architecture
from dlcli.core.models import named_model
from dlcli.core.models.base import Architecture, check_fit


def open_model(spec: str | None, data: ImageData) -> Architecture:
    """The untrained network that `spec` names (see `find_model`), once it is seen to work on the images of `data`.

    Raises what `find_model` raises, and InputError or NumericError if the network does not return finite logits
    (n, at least as many as there are classes) for such images.
    """
    found = find_model(spec, data)
    notes = check_fit(found, data.sample(2), len(data.classes))
    return replace(found, notes=(*found.notes, *notes)) if notes else found


def find_model(spec: str | None, data: ImageData) -> Architecture:
    """The network that `spec` names, fitted to the images of `data` and to its classes.

    `spec` is as `named_model` takes it, or a converted file, which is where training then starts. Raises what that and
    `video_architecture` raise.
    """
    if spec is not None and is_video_network(Path(spec)):
        return video_architecture(Path(spec), data)
    return named_model(spec, data)
