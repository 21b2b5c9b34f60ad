"""The zoo: a registry; each module builds one network (`build`) and says how to train it (`RECIPE`).

A module with a `DEPTH` is a family: `plain` is its network of that depth, `plain-24` the one with 24 layers.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dlcli.core.models.hubs import hub_name
from dlcli.specs.code import FRAME_MLP, has_sizes
from dlcli.support.errors import DlcliError, MissingInputError, UsageError
from dlcli.support.in_memory import IN_MEMORY, InMemory
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.data.base import ImageData
    from dlcli.core.models.base import Architecture
    from dlcli.core.models.code import RecordedCode

__all__ = ["FRAME_MLP", "MODELS", "WEIGHTS_SUFFIXES", "named_model"]

MODELS = Registry("model", "dlcli.core.models.zoo")

WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")
"""How names of files of weights end, where there is no such file to look into."""

_DIGITS = 30
"""A number with this many digits or more is not one of layers."""
_MADE_FOR = {(8, 8): "digits-net", (28, 28): "mnist-net"}
_SEQUENCES = "tcn"
"""The network for sequences."""
_OF_SEQUENCES = "choose tcn, tcn-plain, wavenet, gru, or FILE.py:CALLABLE"
_SCORED, _SMALLEST_SCORED = "tiny-darknet", 16
"""The network for scores of larger images, and the smallest that it takes."""
_FOR_MASKS = "unet"


def named_model(spec: str | None, data: "ImageData", recorded: "RecordedCode | None" = None) -> "Architecture":
    """The network that `spec` names, fitted to the size and channels of the images of `data` and to its classes.

    `spec` is a name of the zoo or of torchvision (for images of three channels), a network of a hub as `timm:resnet50`, or
    `package.module:callable` or `file.py:callable`, which imports and runs that code; or `frame-mlp:` and one of these; or an
    object of the program, see `from_object`. None: the network made for images of this size. `recorded` is what the file that
    names it records of the code, if the user did not. Raises UsageError if there is no such network, and InputError if the
    named file is not there, may not be imported or its code fails, or if the network takes no such images.
    """
    from dlcli.core.models import base

    found = _named_model(spec, data, recorded)
    if data.is_sequences:
        return base.on_sequences(found, by_step=data.steps.predicted)
    if data.target == "mask":
        from dlcli.core.models.dense import dense_architecture

        return dense_architecture(found, data.channels, data.size, len(data.classes))
    return base.with_one_output(found) if data.target == "score" else found


def _named_model(spec: str | None, data: "ImageData", recorded: "RecordedCode | None") -> "Architecture":
    from dlcli.core.models import base

    channels, size, classes = data.channels, data.size, len(data.classes)
    if isinstance(spec, InMemory):
        return base.from_object(spec, channels, size, classes, frames=data.frames)
    if spec is None:
        spec = _made_for(data)
    if spec.partition(":")[0] == FRAME_MLP:
        return _over_frames(spec, data, recorded)
    if (found := hub_name(spec)) is not None:
        return base.from_hub(spec, found, channels, size, classes)
    if ":" in spec and not has_sizes(spec):
        return base.from_callable(spec, channels, size, classes, frames=data.frames, recorded=recorded)
    plain, *sizes = spec.split(":") if has_sizes(spec) else [spec]
    name, depth = _name_and_depth(_checked(plain))
    if name in MODELS.names():
        _check_takes(name, data)
        _check_target(name, data.target)
        whole = tuple(map(int, sizes))
        return base.from_zoo(spec, MODELS.module(name), channels, size, classes, depth=depth, sizes=whole)
    if data.is_sequences:
        raise UsageError(f"`model`: {spec} takes no sequences", hint=_OF_SEQUENCES)
    from dlcli.core.models.from_torchvision import from_torchvision

    return from_torchvision(spec, MODELS.names(), channels, classes, masks=data.target == "mask")


def _check_target(name: str, target: str) -> None:
    if getattr(MODELS.module(name), "MASKS", False) and target != "mask":
        raise UsageError(f"`model`: {name} has logits for each pixel, not for an image", hint="it is for `task=segment`")


def _over_frames(spec: str, data: "ImageData", recorded: "RecordedCode | None") -> "Architecture":
    from dlcli.core.models.frame_mlp import frame_mlp_architecture

    flat = spec.partition(":")[2]
    if not flat:
        message = f"{FRAME_MLP} needs the network for images whose features it takes"
        raise UsageError(message, hint=f"`model={FRAME_MLP}:squeezenet1_1` `weights=FILE`")
    return frame_mlp_architecture(
        named_model(flat, data.frame_template(), recorded), data.channels, data.size, len(data.classes)
    )


def _name_and_depth(spec: str) -> tuple[str, int | None]:
    """`plain-24` to ("plain", 24); ("lenet", None) where there is no depth."""
    family, _, depth = spec.rpartition("-")
    is_deep = family in MODELS.names() and depth.isascii() and depth.isdigit() and len(depth) < _DIGITS
    return (family, int(depth)) if is_deep else (spec, None)


def takes_sequences(spec: str) -> bool:
    """Whether `spec` is a built-in network of sequences."""
    name = spec.partition(":")[0]
    return name in MODELS.names() and getattr(MODELS.module(name), "TAKES", "images") == "sequences"


def _check_takes(name: str, data: "ImageData") -> None:
    if takes_sequences(name) and not data.is_sequences:
        raise UsageError(
            f"`model`: {name} is a network of sequences, and {data.name} holds {data.unit}s", hint="`task=sequence`"
        )
    if data.is_sequences and not takes_sequences(name):
        raise UsageError(f"`model`: {name} takes no sequences", hint=_OF_SEQUENCES)


def _made_for(data: "ImageData") -> str:
    size = data.size
    if data.is_sequences:
        return _SEQUENCES
    if data.frames is not None:
        hint = f"choose `model=besnet18`, {FRAME_MLP}:NAME or a file that dlcli convert-2d-to-3d wrote"
        raise UsageError("`model`: there is no default network for videos", hint=hint)
    if data.target == "mask":
        return _FOR_MASKS
    if size not in _MADE_FOR and data.target == "score" and min(size) >= _SMALLEST_SCORED:
        return _SCORED
    if size not in _MADE_FOR:
        message = f"`model`: there is no default network for images of {size[0]}x{size[1]}"
        names = [name for name in MODELS.names() if not takes_sequences(name)]
        raise UsageError(message, hint=f"choose from {', '.join(names)}, or FILE.py:CALLABLE")
    return _MADE_FOR[size]


def _only_weights(spec: str) -> DlcliError:
    if not Path(spec).is_file():
        return MissingInputError(f"{spec}: no such file")
    message = f"`model`: {spec} holds weights, but not the name of their network"
    return UsageError(message, hint=f"`model=NAME` `weights={spec}`")


def _checked(name: str) -> str:
    if name.endswith(IN_MEMORY):
        message = f"`model`: the network was an object of a program, {name.removesuffix(IN_MEMORY)}"
        raise UsageError(message, hint="make it in Python and load the weights into it, or name code with `arch`")
    if name.endswith(WEIGHTS_SUFFIXES):
        raise _only_weights(name)
    if name.endswith((".onnx", ".pt2")):
        raise UsageError(
            f"`model`: {name} is a program, with no layers to train or look at", hint="name the network that it was made of"
        )
    if name.endswith(".py"):
        raise UsageError(f"{name} needs the name of a callable in it", hint=f"{name}:CALLABLE")
    if "/" in name and not Path(name).exists():
        raise MissingInputError(f"`model`: {name}: no such file or folder", hint="dlcli list names the networks")
    return name
