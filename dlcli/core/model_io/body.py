"""A body on disk: the weights of a network but for its last layer, which is initialised wherever it is used."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from dlcli.core.model_io.checkpoint import read_metadata, save_tensors, weights_sha256

WEIGHTS = "weights.safetensors"
_LAST = "without the layer"


def save_body(folder: Path, model: nn.Module, last: str, more: Mapping[str, str]) -> str:
    """Write the weights of `model` into a folder, without those of the layer `last`.

    Args:
        folder: Where to write.
        model: The network.
        last: The path of its last layer.
        more: Further entries for the head of the file.

    Returns:
        The SHA-256 of the weights.
    """
    inside = (f"{last}.weight", f"{last}.bias")
    state = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in model.state_dict().items()}
    kept = {name: value for name, value in state.items() if name not in inside}
    save_tensors(folder / WEIGHTS, kept, {_LAST: last, **more})
    return weights_sha256(kept)


def missing_layer(file: Path, own: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names in `own`, the weights of a network, of those that a file of a body does not hold; none for any other file."""
    if file.suffix != ".safetensors":
        return ()
    last = read_metadata(file).get(_LAST)
    return () if last is None else tuple(name for name in own if name in (f"{last}.weight", f"{last}.bias"))
