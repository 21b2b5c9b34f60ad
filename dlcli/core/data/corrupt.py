"""Corrupt labels or images at random, to measure how much a network memorises.

Source: Zhang, Bengio, Hardt, Recht and Vinyals, Understanding Deep Learning Requires Rethinking Generalization,
arXiv 1611.03530, section 2.1.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.memmap import CHUNK, concatenate
from dlcli.core.data.resize import MEMORY_HINT
from dlcli.support.errors import UsageError
from dlcli.support.seeds import derive

FORMS = ("labels=P", "shuffled-pixels", "random-pixels", "gaussian")
"""The specs that `corrupt` accepts."""


def corrupt(data: ImageData, spec: str, seed: int) -> ImageData:
    """Corrupt a dataset: the images of all sets, or only the labels of the training set.

    `labels=P` replaces each training label, with probability P, by one drawn uniformly from all classes, including its own.
    `shuffled-pixels` applies one permutation of the pixels to all images of all sets. `random-pixels` applies another
    permutation to each image, the same for all frames of a clip. `gaussian` draws independent normal noise with the mean and
    variance of each channel of the training images; only its values leave [0, 1]. The channels of a pixel stay together.

    Args:
        data: The dataset.
        spec: One of FORMS.
        seed: The same seed gives the same corruption.

    Returns:
        The corrupted dataset; its name ends in `spec`.

    Raises:
        UsageError: If `spec` is none of FORMS, or is `gaussian` and the training images are streamed or missing.
        ResourceError: If the disk has no room for a second copy of streamed images.
    """
    kind, equals, value = spec.partition("=")
    name = f"{data.name}, {spec}"
    if kind == "labels":
        return _with_random_labels(replace(data, name=name), _probability(spec, value), derive(seed, kind))
    if equals or kind not in _IMAGES:
        raise UsageError(f"`corrupt`: unknown corruption '{spec}'", hint=f"choose from {', '.join(FORMS)}")
    noise = _IMAGES[kind](data, derive(seed, kind))
    return data.with_splits({key: _changed(split, noise(key), f"{spec} {seed}") for key, split in data.splits.items()}, name)


def keeps_images(spec: str) -> bool:
    """Whether a corruption changes labels of the training set alone."""
    return spec.partition("=")[0] == "labels"


def _changed(split: Split, change: "Change", what: str) -> Split:
    """Change the images of a set; streamed ones chunk by chunk."""
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
        raise UsageError(f"`corrupt`: '{spec}': the probability must be a number from 0 to 1", hint="for example labels=0.5")
    return probability


def _with_random_labels(data: ImageData, probability: float, seed: int) -> ImageData:
    source, n = generator(seed), len(data.y_train)
    # Both are drawn for every example, so that a larger P replaces a superset of the labels, by the same new ones.
    replaced = torch.rand(n, generator=source, dtype=torch.float64) < probability
    labels = torch.randint(len(data.classes), (n,), generator=source)
    return replace(data, y_train=torch.where(replaced, labels, data.y_train))


Change = Callable[[Tensor], Tensor]
"""Corrupts images (n, c, h, w) or clips; called once per set, or once per chunk in order."""

Noise = Callable[[str], Change]
"""Makes the corruption of the images of a set, by its name."""


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
        raise UsageError(f"`corrupt`: gaussian needs training {data.unit}s for their mean and variance, and there are none")
    if not data.x_train.is_floating_point():
        message = f"`corrupt`: gaussian needs all {data.unit}s as floats, and those of {data.name} do not fit into memory"
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
