"""Rebuild an untrained network from its metadata: its name, the shape of its examples, its classes and its surgery."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import CLASS, MASK, SCORE, ImageData, Steps
from dlcli.core.evaluation.dense_alignment import aligned
from dlcli.core.models import named_model
from dlcli.core.models.code import RecordedCode
from dlcli.core.surgery import apply_surgery


def build_model(
    spec: str,
    channels: int,
    size: tuple[int, int],
    classes: Sequence[str],
    surgery: Sequence[str] = (),
    *,
    frames: int | None = None,
    recorded: RecordedCode | None = None,
    target: str = CLASS,
    sequences: bool = False,
    by_step: bool = False,
) -> nn.Module:
    """Build an untrained network and apply surgery to it; torch's global generator keeps its state.

    Args:
        spec: Name of the network, as `named_model` takes it.
        channels: Channels of the images or frames.
        size: Height and width in pixels.
        classes: Names of the outputs, in order.
        surgery: Operations as `apply_surgery` takes them, in order.
        frames: Frames per clip; None for images.
        recorded: What the file that names the network records of its code; None if the user named it.
        target: What its examples have, CLASS, SCORE or MASK of `dlcli.core.data.base`.
        sequences: Whether they are sequences, of as many steps as an image would be wide.
        by_step: Whether the next step of these is predicted.

    Raises:
        UsageError: If there is no such network or operation.
        InputError: If the network does not accept such images, or an operation cannot be applied to it.
    """
    one = (channels, size[1]) if sequences else example_shape(channels, size, frames)
    nothing, labels = torch.empty(0, *one), no_labels(target, size)
    shape = ImageData(nothing, labels, nothing, labels, tuple(classes), "", steps=Steps(predicted=by_step))
    return build_with_surgery(lambda: named_model(spec, shape, recorded).build(), surgery, one)


def no_labels(target: str, size: tuple[int, int]) -> Tensor:
    """The labels of no example, by which data are known to have classes, scores or masks."""
    if target == MASK:
        return torch.empty(0, *size, dtype=torch.uint8)
    return torch.empty(0, dtype=torch.float32 if target == SCORE else torch.int64)


def build_with_surgery(build: Callable[[], nn.Module], surgery: Sequence[str], shape: Sequence[int]) -> nn.Module:
    """What `build` makes, after `surgery`, for examples of a shape; torch's generator is left as it was."""
    with preserved():
        model = build()
        sample = torch.zeros(1, *shape)
        return aligned(apply_surgery(model, surgery, sample)[0] if surgery else model, sample)


def example_shape(channels: int, size: tuple[int, int], frames: int | None) -> tuple[int, ...]:
    """The shape of an image, or of a clip of `frames` images."""
    return (channels, *size) if frames is None else (channels, frames, *size)
