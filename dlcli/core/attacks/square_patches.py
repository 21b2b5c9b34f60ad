"""The squares of the Square Attack: how large they are, where they lie, and the bump that one adds in l2.

Andriushchenko et al. 2020 (arXiv 1912.00049), section 3 and equation 2.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""The steps after which a square's share of the image is halved."""

_TILES = 5
"""How many bumps the tiling has along the shorter side."""


@dataclass(frozen=True)
class Field:
    """One square in each of n images: the place of its first row and column, (n,) each, and a mask (n, 1, rows, columns)."""

    top: Tensor
    left: Tensor
    inside: Tensor


def planes(x: Tensor) -> Tensor:
    """Images (n, ...) as (n, colours, rows, columns); a vector is an image of one row."""
    return x.reshape(len(x), -1, x.shape[-2] if x.dim() > 2 else 1, x.shape[-1])


def share(p: float, step: int) -> float:
    """The share of the image that a square of this step covers."""
    return p * 0.5 ** sum(step > end for end in HALVED_AFTER)


@cache
def sides(p: float, steps: int, rows: int, columns: int, norm: str) -> Tensor:
    """The side of the square at each step, (steps,) of int64; in l2 it is odd and at least 3 where the image allows."""
    return torch.tensor([_side(share(p, step) * rows * columns, min(rows, columns), norm) for step in range(steps)])


def _side(area: float, most: int, norm: str) -> int:
    side = round(math.sqrt(area))
    if norm == "linf":
        return min(max(side, 1), most)
    odd = max(side, 3) | 1
    return odd if odd <= most else max(1, most - 1 + most % 2)


def fields_of(drawn: Tensor, side: Tensor, x: Tensor) -> Field:
    """A square of each side (n,) in images `x` (n, colours, rows, columns), placed by two numbers in [0, 1), `drawn` (n, 2)."""
    corners = []
    for k, length in enumerate(x.shape[2:]):
        last = length - side
        corners.append(torch.minimum((drawn[:, k] * (last + 1)).long(), last))
    within = [_within(length, corner, side) for length, corner in zip(x.shape[2:], corners, strict=True)]
    return Field(corners[0], corners[1], (within[0][:, :, None] & within[1][:, None, :])[:, None])


def _within(length: int, corner: Tensor, side: Tensor) -> Tensor:
    place = torch.arange(length, device=corner.device) - corner[:, None]
    return (place >= 0) & (place < side[:, None])


def bumps(field: Field, side: Tensor, turned: Tensor) -> Tensor:
    """The bump of each square in its place, 0 elsewhere, (n, 1, rows, columns) of float64; transposed where `turned` (n,)."""
    rows, columns = field.inside.shape[2:]
    most = int(side.max())
    # A table of all bumps that are needed, by side and turn, from which each image picks its own, shifted.
    kinds = torch.unique(side)
    table = torch.stack([_padded(int(kind), most, turn) for kind in kinds for turn in (False, True)]).to(side.device)
    own = 2 * torch.searchsorted(kinds, side) + turned
    row = (torch.arange(rows, device=side.device) - field.top[:, None]).clamp(0, most - 1)
    column = (torch.arange(columns, device=side.device) - field.left[:, None]).clamp(0, most - 1)
    return table[own[:, None, None], row[:, :, None], column[:, None, :]][:, None] * field.inside


@cache
def _padded(side: int, most: int, turned: bool) -> Tensor:
    found = torch.zeros(most, most, dtype=torch.float64)
    found[:side, :side] = bump(side).T if turned else bump(side)
    return found


@cache
def bump(side: int) -> Tensor:
    """One half up, one half down, of length 1: (side, side) of float64."""
    whole = torch.cat([_hill(side // 2, side), -_hill(side - side // 2, side)])
    unit: Tensor = whole / whole.norm()
    return unit


def _hill(rows: int, columns: int) -> Tensor:
    """At the distance m from the centre (the larger of rows and columns): the sum of 1 / i^2 from i = m + 1 (equation 2)."""
    away = torch.maximum(
        (torch.arange(rows) - rows // 2).abs()[:, None].expand(-1, columns),
        (torch.arange(columns) - columns // 2).abs()[None].expand(rows, -1),
    )
    terms = 1 / torch.arange(1, max(rows, columns) // 2 + 2, dtype=torch.float64).square()
    tail: Tensor = terms.flip(0).cumsum(0).flip(0)
    return tail[away]


def tiling(colours: int, rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Bumps side by side with random signs, (colours, rows, columns) of float64; what they do not cover is 0."""
    side = max(1, min(rows, columns) // _TILES)
    down, across = rows // side, columns // side
    signs = torch.randint(0, 2, (colours, down, across), generator=generator).double() * 2 - 1
    turned = bool(torch.randint(0, 2, (), generator=generator))
    found = torch.zeros(colours, rows, columns, dtype=torch.float64)
    top, left = (rows - down * side) // 2, (columns - across * side) // 2
    tile = bump(side).T if turned else bump(side)
    found[:, top : top + down * side, left : left + across * side] = torch.kron(signs, tile[None].contiguous())
    return found
