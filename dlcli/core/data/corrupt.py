"""Data with the sense taken out of it: what a network fits of it, it has memorised.

Source: Zhang, Bengio, Hardt, Recht and Vinyals, Understanding Deep Learning Requires Rethinking Generalization,
arXiv 1611.03530, section 2.1.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from dlcli.core.compute.rng import derive, generator
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.memmap import CHUNK, concatenate
from dlcli.core.data.resize import MEMORY_HINT
from dlcli.support.errors import UsageError

FORMS = ("labels=P", "shuffled-pixels", "random-pixels", "gaussian")
"""What `corrupt` understands."""


def corrupt(data: ImageData, spec: str, seed: int) -> ImageData:
    """`data` with one corruption, the same for the same `seed`; the images of all sets, but the labels of training only.

    `labels=P`: each training label becomes, with probability P, one drawn uniformly from all classes, its own among them.
    `shuffled-pixels`: one permutation of the pixels for all images of all sets. `random-pixels`: a permutation for each image,
    the same for all frames of a clip.
    `gaussian`: independent normal noise with the mean and variance that each channel has in the training images; it alone
    leaves [0, 1]. The channels of a pixel stay together. Raises UsageError if `spec` is none of these, or is `gaussian` and
    the images are streamed, and ResourceError if the disk does not hold streamed images once more.
    """
    kind, equals, value = spec.partition("=")
    name = f"{data.name}, {spec}"
    if kind == "labels":
        return _with_random_labels(replace(data, name=name), _probability(spec, value if equals else "1"), derive(seed, kind))
    if equals or kind not in _IMAGES:
        raise UsageError(f"--corrupt: '{spec}' is no corruption", hint=f"there are: {', '.join(FORMS)}")
    noise = _IMAGES[kind](data, derive(seed, kind))
    return data.with_splits({key: _changed(split, noise(key), f"{spec} {seed}") for key, split in data.splits.items()}, name)


def _changed(split: Split, change: "Change", what: str) -> Split:
    """The set with its images changed; streamed ones a part at a time."""
    if split.x.is_floating_point():
        return replace(split, x=change(split.x))
    x = concatenate((change(part) for part in split.x.split(CHUNK)), tuple(split.x.shape))
    return replace(split, x=x, content_id=split.content_id and f"{split.content_id} {what}")


def _probability(spec: str, value: str) -> float:
    try:
        probability = float(value)
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise UsageError(f"--corrupt: '{spec}': the probability is a number from 0 to 1", hint="e.g. labels=0.5")
    return probability


def _with_random_labels(data: ImageData, probability: float, seed: int) -> ImageData:
    source, n = generator(seed), len(data.y_train)
    # Both are drawn for every example, so that a larger probability replaces more labels by the same ones.
    replaced = torch.rand(n, generator=source, dtype=torch.float64) < probability
    labels = torch.randint(len(data.classes), (n,), generator=source)
    return replace(data, y_train=torch.where(replaced, labels, data.y_train))


Change = Callable[[Tensor], Tensor]
"""Corrupts images (n, c, h, w) or clips; those of a set all at once, or part after part."""

Noise = Callable[[str], Change]
"""What corrupts the images of the set of that name."""


def _shuffled_pixels(data: ImageData, seed: int) -> Noise:
    height, width = data.size
    order = torch.randperm(height * width, generator=generator(seed))
    return lambda name: lambda x: x.flatten(-2)[..., order].view_as(x)


def _random_pixels(data: ImageData, seed: int) -> Noise:
    def noise(name: str) -> Change:
        source, pixels = generator(derive(seed, name)), data.size[0] * data.size[1]

        def change(x: Tensor) -> Tensor:
            out = torch.empty_like(x, memory_format=torch.contiguous_format)
            for image, given in zip(out, x, strict=True):
                image.flatten(-2)[:] = given.flatten(-2)[..., torch.randperm(pixels, generator=source)]
            return out

        return change

    return noise


def _gaussian(data: ImageData, seed: int) -> Noise:
    if not len(data.x_train):
        raise UsageError(f"--corrupt: gaussian takes its moments from training {data.unit}s, and there are none")
    if not data.x_train.is_floating_point():
        message = f"--corrupt: gaussian makes floats of all {data.unit}s, and those of {data.name} do not fit into memory"
        raise UsageError(message, hint=MEMORY_HINT)
    channels = data.x_train.transpose(0, 1).flatten(1)
    std, mean = torch.std_mean(channels, dim=1, correction=0)
    shape = (-1, *[1] * (data.x_train.dim() - 2))

    def noise(name: str) -> Change:
        def change(x: Tensor) -> Tensor:
            drawn = torch.randn(x.shape, generator=generator(derive(seed, name)))
            return drawn * std.view(shape) + mean.view(shape)

        return change

    return noise


_IMAGES: dict[str, Callable[[ImageData, int], Noise]] = {
    "shuffled-pixels": _shuffled_pixels,
    "random-pixels": _random_pixels,
    "gaussian": _gaussian,
}
