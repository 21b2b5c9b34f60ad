"""The squares of the Square Attack: their sizes, their places, and the patch that one adds in l2 (the paper's eta).

Andriushchenko et al. 2020 (arXiv 1912.00049), section 3 and equation 2.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dlcli.core.compute.device import send

HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""The steps after which the fraction of the image that a square covers is halved."""

_TILES = 5
"""How many patches the tiling has along the shorter side of the image."""


@dataclass(frozen=True)
class Squares:
    """One square in each of n images: its first row and first column, (n,) each, and its mask (n, 1, rows, columns)."""

    top: Tensor
    left: Tensor
    inside: Tensor


def as_planes(x: Tensor) -> Tensor:
    """Images (n, ...) as (n, channels, rows, columns); a vector is an image of one row."""
    return x.reshape(len(x), -1, x.shape[-2] if x.dim() > 2 else 1, x.shape[-1])


def covered_fraction(p: float, step: int) -> float:
    """The fraction of the image that the square of this step covers."""
    return p * 0.5 ** sum(step > end for end in HALVED_AFTER)


@cache
def side_lengths(p: float, steps: int, rows: int, columns: int, norm: str) -> Tensor:
    """The side of the square at each step.

    Args:
        p: The fraction of the image that the first square covers.
        steps: The number of steps.
        rows: The height of the image.
        columns: The width of the image.
        norm: In l2 sides are odd and at least 3 where the image allows, because patches have a centre.

    Returns:
        The sides in pixels, (steps,) of int64.
    """
    return torch.tensor([_side(covered_fraction(p, step) * rows * columns, min(rows, columns), norm) for step in range(steps)])


def _side(area: float, most: int, norm: str) -> int:
    side = round(math.sqrt(area))
    if norm == "linf":
        return min(max(side, 1), most)
    odd = max(side, 3) | 1
    return odd if odd <= most else max(1, most - 1 + most % 2)


def place_squares(drawn: Tensor, side: Tensor, x: Tensor) -> Squares:
    """Squares of the sides (n,) in images `x` (n, channels, rows, columns), placed by `drawn` (n, 2), uniform in [0, 1)."""
    corners = []
    for k, length in enumerate(x.shape[2:]):
        last = length - side
        corners.append(torch.minimum((drawn[:, k] * (last + 1)).long(), last))
    within = [_within(length, corner, side) for length, corner in zip(x.shape[2:], corners, strict=True)]
    return Squares(corners[0], corners[1], (within[0][:, :, None] & within[1][:, None, :])[:, None])


def _within(length: int, corner: Tensor, side: Tensor) -> Tensor:
    place = torch.arange(length, device=corner.device) - corner[:, None]
    return (place >= 0) & (place < side[:, None])


def patches(squares: Squares, side: Tensor, transposed: Tensor, dtype: torch.dtype) -> Tensor:
    """The patch that each square adds.

    Args:
        squares: One square per image.
        side: Their sides (n,), on the CPU, so that it is known which occur without waiting for the device.
        transposed: Which patches are transposed, a mask (n,).
        dtype: The floating type of the result. Patches are computed in float64 on the CPU and rounded to it.

    Returns:
        The patches, 0 outside of the squares: (n, 1, rows, columns).
    """
    rows, columns, device = *squares.inside.shape[2:], transposed.device
    most = int(side.max())
    # Images in a batch are at different steps, so their squares differ in size. To build a patch for each image would be a
    # loop in Python; instead one table holds the patch of every side that occurs, and each image gathers from it, shifted
    # to its square. Places outside are clamped and then masked.
    kinds = torch.unique(side)
    table = torch.stack([_padded(kind, most, flip) for kind in kinds.tolist() for flip in (False, True)])
    table = send(table.to(dtype), device)
    own = send(2 * torch.searchsorted(kinds, side), device) + transposed
    row = (torch.arange(rows, device=device) - squares.top[:, None]).clamp(0, most - 1)
    column = (torch.arange(columns, device=device) - squares.left[:, None]).clamp(0, most - 1)
    return table[own[:, None, None], row[:, :, None], column[:, None, :]][:, None] * squares.inside


@cache
def _padded(side: int, most: int, transposed: bool) -> Tensor:
    found = torch.zeros(most, most, dtype=torch.float64)
    found[:side, :side] = patch(side).T if transposed else patch(side)
    return found


@cache
def patch(side: int) -> Tensor:
    """A positive and a negative half, of l2 norm 1 together: (side, side) of float64."""
    whole = torch.cat([_half(side // 2, side), -_half(side - side // 2, side)])
    unit: Tensor = whole / whole.norm()
    return unit


def _half(rows: int, columns: int) -> Tensor:
    """At the distance m from the centre (the larger of rows and columns): the sum of 1 / i^2 from i = m + 1 (equation 2)."""
    away = torch.maximum(
        (torch.arange(rows) - rows // 2).abs()[:, None].expand(-1, columns),
        (torch.arange(columns) - columns // 2).abs()[None].expand(rows, -1),
    )
    terms = 1 / torch.arange(1, max(rows, columns) // 2 + 2, dtype=torch.float64).square()
    tail: Tensor = terms.flip(0).cumsum(0).flip(0)
    return tail[away]


def tiling(channels: int, rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Patches side by side with random signs.

    Args:
        channels: The number of channels; each has signs of its own.
        rows: The height of the image.
        columns: The width of the image.
        generator: The source of the signs and of whether patches are transposed.

    Returns:
        The image (channels, rows, columns), float64; what the patches do not cover is 0.
    """
    side = max(1, min(rows, columns) // _TILES)
    down, across = rows // side, columns // side
    signs = torch.randint(0, 2, (channels, down, across), generator=generator).double() * 2 - 1
    transposed = bool(torch.randint(0, 2, (), generator=generator))
    found = torch.zeros(channels, rows, columns, dtype=torch.float64)
    top, left = (rows - down * side) // 2, (columns - across * side) // 2
    tile = patch(side).T if transposed else patch(side)
    found[:, top : top + down * side, left : left + across * side] = torch.kron(signs, tile[None].contiguous())
    return found
