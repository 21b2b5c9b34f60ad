"""The proof of a conversion: a clip of one frame repeated must be, at every stage, what its image is to the network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.inflate.convert import InflatedNetwork, Inflation, inflate
from dlcli.core.surgery.base import deep_copy
from dlcli.support.errors import InputError

OUTPUT = "output"
"""The stage after the last."""


@dataclass(frozen=True)
class Verification:
    """How far a video network differs from its image network on still clips.

    Attributes:
        errors: Relative errors max|a - b| / max|b| by (type, stage, frames).
        agree: Number of predictions that are the same.
        compared: Number of predictions.
        images: Number of images.
        size: Their height and width, in pixels.
    """

    errors: Mapping[tuple[torch.dtype, str, int], float]
    agree: int
    compared: int
    images: int
    size: tuple[int, int]

    def worst(self, dtype: torch.dtype) -> "LargestError":
        """The largest error in a type, the first of several."""
        found = [LargestError(stage, frames, error) for (own, stage, frames), error in self.errors.items() if own == dtype]
        return max(found, key=lambda one: one.error)


class LargestError(NamedTuple):
    """A relative error, with the stage and the number of frames where it occurs."""

    stage: str
    frames: int
    error: float


@float32_precision("ieee")
@torch.no_grad()
def verify(
    model: nn.Module,
    images: Tensor,
    how: Inflation,
    lengths: Sequence[int],
    *,
    dtypes: Sequence[torch.dtype] = (torch.float64, torch.float32),
    done: Callable[[], Any] = lambda: None,
) -> Verification:
    """Inflate copies of a network and compare them with it on still clips.

    A stage whose output has neither one row per image nor one per frame is not compared.

    Args:
        model: The image network.
        images: Images (n, c, h, w).
        how: How to inflate.
        lengths: Numbers of frames of the clips.
        dtypes: Types to compute in.
        done: Called after each length.

    Returns:
        The errors.

    Raises:
        InputError: If the network cannot be inflated or does not accept the images.
        ResourceError: If a clip does not fit in memory.
    """
    errors: dict[tuple[torch.dtype, str, int], float] = {}
    agree = 0
    for dtype in dtypes:
        image = deep_copy(model).to(dtype)
        x = images.to(next(image.parameters()))
        video = _inflated(image, x[:1], how)
        for frames, found, same in _compared(image, video, x, lengths):
            errors |= {(dtype, stage, frames): error for stage, error in found.items()}
            agree += same
            done()
    always = {stage for _, stage, _ in errors if all((d, stage, k) in errors for d in dtypes for k in lengths)}
    errors = {key: error for key, error in errors.items() if key[1] in always}
    size = images.shape[2], images.shape[3]
    return Verification(errors, agree, len(images) * len(lengths) * len(dtypes), len(images), size)


def _inflated(image: nn.Module, sample: Tensor, how: Inflation) -> InflatedNetwork:
    try:
        return inflate(image, sample, how)
    except InputError as error:
        own = "verification runs in float64 and in float32: tensors that the network creates or stores must have its type"
        error.hint = error.hint or own
        raise


def _compared(
    image: nn.Module, inflated: InflatedNetwork, x: Tensor, lengths: Sequence[int]
) -> Iterator[tuple[int, dict[str, float], int]]:
    """Of each length the error by stage, and how many answers are the same.

    A stage's error is the largest of its output and of those of the inflated layers in it: a branch that hardly counts yet, as
    by a layer scale of 1e-6 or gammas of 0, would hide an error of its own.
    """
    video, layers = inflated.model, tuple(layer.path for layer in inflated.layers)
    with in_mode(image), in_mode(video):
        wanted: dict[str, Tensor] = {}
        with _watched(image, layers, wanted.__setitem__):
            logits = wanted[OUTPUT] = logits_of(image, x)
        for frames in lengths:
            seen = _Errors(wanted)
            with _watched(video.inner, layers, seen):
                found = logits_of(video, x.unsqueeze(2).expand(-1, -1, frames, -1, -1))
            seen(OUTPUT, found)
            yield frames, _by_stage(seen.errors, tuple(stages(image))), int((found.argmax(1) == logits.argmax(1)).sum())


def _by_stage(errors: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The largest error of each stage and of the layers in it."""
    found: dict[str, float] = {}
    for path, error in errors.items():
        stage = next((name for name in names if path == name or path.startswith(f"{name}.")), OUTPUT)
        found[stage] = max(error, found.get(stage, 0.0))
    order = {name: k for k, name in enumerate((*names, OUTPUT))}
    return dict(sorted(found.items(), key=lambda item: order[item[0]]))


def stages(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of a network by path: its children, and of a Sequential its own; a mere shell is what is inside."""
    prefix, inside = "", model
    while len(children := list(inside.named_children())) == 1:
        prefix, inside = f"{prefix}{children[0][0]}.", children[0][1]
    found = {}
    for name, child in children or [("", inside)]:
        parts = {f"{name}.{key}": part for key, part in child.named_children()} if isinstance(child, nn.Sequential) else {}
        found.update(parts or {name: child})
    return {prefix + name: part for name, part in found.items()}


@contextmanager
def _watched(model: nn.Module, layers: Sequence[str], seen: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Inside, what each stage and each of `layers` gives is handed to `seen`, copied, for the next may work in place."""
    parts = {path: model.get_submodule(path) for path in layers} | stages(model)
    with ExitStack() as stack:
        for name, part in parts.items():

            def hand(module: nn.Module, args: object, output: object, name: str = name) -> None:
                if isinstance(output, Tensor):
                    seen(name, output.clone())

            stack.callback(part.register_forward_hook(hand).remove)
        yield


@dataclass
class _Errors:
    """What the stages of the network for video give, beside what was `wanted`, if their first axis is that of the frames."""

    wanted: Mapping[str, Tensor]
    errors: dict[str, float] = field(default_factory=dict)

    def __call__(self, stage: str, found: Tensor) -> None:
        wanted = self.wanted.get(stage)
        if wanted is not None and found.shape[1:] == wanted.shape[1:] and len(found) % len(wanted) == 0:
            self.errors[stage] = _relative(found.unflatten(0, (len(wanted), -1)), wanted.unsqueeze(1))


def _relative(found: Tensor, wanted: Tensor) -> float:
    error, scale = float((found - wanted).abs().max()), float(wanted.abs().max())
    return error / scale if scale else error
