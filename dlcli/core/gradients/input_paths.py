"""Straight lines through the space of inputs, along which gradients are looked at."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.support.errors import InputError, UsageError

KINDS = ("nearest", "random", "grid")
"""Besides these there is `pair:I,J`."""

_GRID = 2.0
_COMPARED = 2000
"""Among how many images, the first ones, neighbours are looked for."""


@dataclass(frozen=True)
class InputPath:
    """Evenly spaced points on the line from the input `a` (...) to `b` (...), which begins near image `start`."""

    start: int
    a: Tensor
    b: Tensor
    points: int

    @property
    def x(self) -> Tensor:
        """The points, (points, ...), made at each call: those of many lines together may be large."""
        share = torch.linspace(0, 1, self.points, dtype=self.a.dtype).reshape(-1, *[1] * self.a.dim())
        return torch.lerp(self.a[None], self.b[None], share)

    @property
    def length(self) -> float:
        """The Euclidean length, in input units."""
        return float((self.b - self.a).norm())

    @property
    def step(self) -> float:
        """The distance of two neighbouring points, in input units."""
        return self.length / (self.points - 1)


def check_kind(kind: str) -> None:
    """Raise UsageError unless `input_paths` knows the kind."""
    if kind not in KINDS and _pair(kind) is None:
        raise UsageError(f"`path`: '{kind}' is not one of {', '.join(KINDS)} or pair:I,J", hint="`path=pair:0,1`")


def input_paths(kind: str, x: Tensor, *, points: int, count: int, seed: int) -> list[InputPath]:
    """Straight paths between images.

    Args:
        kind: `nearest`, from an image to its nearest neighbour; `random`, as far in a random direction; `grid`, one path
            through the mean image along the first principal component, from -2 to 2 standard deviations; or `pair:I,J`, one
            path from image I to image J.
        x: The images, (n, ...), floats.
        points: Points per path.
        count: Number of paths, at most.
        seed: Draws the images where paths begin.

    Returns:
        The paths.

    Raises:
        UsageError: For another kind, or images that do not exist.
        InputError: If both ends of a path would be the same image.
    """
    check_kind(kind)
    if len(x) < 2:
        raise UsageError("a path needs at least two images", hint="give more data or a larger `limit`")
    pair = _pair(kind)
    if pair is not None:
        return [_between(x, *_held(pair, len(x)), points)]
    if kind == "grid":
        return [_grid(x[:_COMPARED], points)]
    x = x[:_COMPARED]
    starts = torch.randperm(len(x), generator=generator(seed))[:count].tolist()
    near = neighbours(x, starts)
    if kind == "nearest":
        return [_between(x, start, other, points) for start, other in zip(starts, near, strict=True)]
    draws = torch.randn(len(starts), *x.shape[1:], generator=generator(seed + 1))
    return [
        _line(start, x[start], x[start] + _distance(x, start, other) * draw / draw.norm(), points)
        for start, other, draw in zip(starts, near, draws, strict=True)
    ]


def neighbours(x: Tensor, rows: list[int]) -> list[int]:
    """For each of some rows of `x` (n, ...) the nearest other one that differs from it; itself if all are equal."""
    flat = x.flatten(1)
    distances = torch.cdist(flat[rows], flat)
    distances[torch.arange(len(rows)), rows] = torch.inf
    return [_nearest_other(flat, row, far) for row, far in zip(rows, distances, strict=True)]


def _nearest_other(flat: Tensor, row: int, distances: Tensor) -> int:
    """The nearest row of `flat` (n, d) that differs from one of them; that one if all are equal."""
    # Of many rows `cdist` multiplies matrices, whose rounding leaves copies as far apart as other images.
    same = 1e-6 * (1 + float(flat[row].norm()))
    nearest = distances.argsort(stable=True).tolist()
    return next((k for k in nearest if k != row and float((flat[k] - flat[row]).norm()) > same), row)


def median_distance(x: Tensor, *, sample: int = 200) -> float:
    """The median distance of an image to its nearest neighbour, in input units, over the first `sample` images."""
    x = x[:_COMPARED]
    rows = list(range(min(sample, len(x))))
    return float(torch.tensor([_distance(x, a, b) for a, b in zip(rows, neighbours(x, rows), strict=True)]).median())


def _pair(kind: str) -> tuple[int, int] | None:
    name, _, numbers = kind.partition(":")
    first, _, second = numbers.partition(",")
    fit = name == "pair" and first.isascii() and second.isascii() and first.isdigit() and second.isdigit()
    return (int(first), int(second)) if fit else None


def _held(pair: tuple[int, int], n: int) -> tuple[int, int]:
    if max(pair) >= n or pair[0] == pair[1]:
        raise UsageError(f"`path`: pair:{pair[0]},{pair[1]} needs two different images from 0 to {n - 1}")
    return pair


def _distance(x: Tensor, a: int, b: int) -> float:
    return float((x[a] - x[b]).norm())


def _between(x: Tensor, a: int, b: int, points: int) -> InputPath:
    return _line(a, x[a], x[b], points)


def _line(start: int, a: Tensor, b: Tensor, points: int) -> InputPath:
    path = InputPath(start, a, b, points)
    if path.length == 0:
        hint = "give images that differ, or choose others with `path=pair:I,J`"
        raise InputError("there is no line to walk: the images at its two ends are the same", hint=hint)
    return path


def _grid(x: Tensor, points: int) -> InputPath:
    flat = x.flatten(1).double()
    mean = flat.mean(0)
    _, spread, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    reach = _GRID * float(spread[0]) / len(x) ** 0.5 * axes[0] * torch.sign(axes[0].sum() + 1e-30)
    a, b = (end.reshape(x[0].shape).to(x.dtype) for end in (mean - reach, mean + reach))
    return _line(int((flat - mean).norm(dim=1).argmin()), a, b, points)
