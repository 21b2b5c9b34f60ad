"""Pairs of dense rows on an accelerator: every row is multiplied with every other one, tile by tile.

A GPU does that for hundreds of thousands of rows in the time in which a CPU searches by cells, so that no pair is missed. The
code is the same on every device. On a CPU numpy multiplies faster, and `cell_join` skips most of the products.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.batches import if_it_fits
from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.precision import float32_precision
from dlcli.support.errors import ResourceError

WORK = 1 << 26
"""Products per tile: 256 MB in float32, and 1 GB of places in the worst case, where every product reaches the bound."""

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


def device_candidates(
    vectors: Floats, bound: float, work: int, *, device: torch.device, rows: Numbers | None = None
) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Find the pairs of rows whose product is at least `bound`.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        bound: Smallest product.
        work: Products per tile; less is taken where memory does not suffice.
        device: Where the products are computed.
        rows: Numbers of the rows to compare with all, themselves included. None compares all rows and gives each pair once,
            with the lower row first.

    Yields:
        The two rows of each pair of a tile, the first of them one of `rows`, and how many rows are finished with the tile.

    Raises:
        ResourceError: If memory does not suffice for a single product.
    """
    n, side = len(vectors), max(1, int(work**0.5))
    chosen = np.arange(n, dtype=np.int32) if rows is None else rows
    right = _resident(vectors, device)
    tiles = _Tiles(right if rows is None else _resident(vectors[rows], device), right, bound, side, device)
    for start in range(0, len(chosen), side):
        block = range(start, min(start + side, len(chosen)))
        for other in range(start if rows is None else 0, n, side):
            for first, second in tiles.at_least(block, range(other, min(other + side, n))):
                once = first < second if rows is None else slice(None)
                yield chosen[first[once]], second[once], 0
        none = np.empty(0, np.int32)
        yield none, none, len(block)


class _Tiles:
    """Tiles of the product of all rows of `left` with all rows of `right`, of at most `side` rows and columns."""

    def __init__(self, left: Tensor, right: Tensor, bound: float, side: int, device: torch.device) -> None:
        self.left, self.right, self.bound, self.side, self.device = left, right, bound, side, device

    def at_least(self, rows: range, columns: range) -> Iterator[tuple[Numbers, Numbers]]:
        """The places of a tile whose product reaches the bound, in parts if the tile is too large."""
        if max(len(rows), len(columns)) > self.side:
            for part in _parts(rows, self.side):
                for other in _parts(columns, self.side):
                    yield from self.at_least(part, other)
            return
        found = self._places(rows, columns)
        if found is None:
            # Kept for all later tiles, which would not fit either.
            self.side = max(len(rows), len(columns)) // 2
            yield from self.at_least(rows, columns)
        else:
            yield found[0] + np.int32(rows.start), found[1] + np.int32(columns.start)

    def _places(self, rows: range, columns: range) -> Numbers | None:
        """Row and column within the tile of each product that reaches the bound, (2, found); None if memory ran out."""
        search = partial(self._search, slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        try:
            return if_it_fits(search, self.device, divisible=max(len(rows), len(columns)) > 1)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            message = f"`device`: not enough memory on {self.device} to compare two vectors"
            raise ResourceError(message, hint="use `device=cpu`") from None

    @float32_precision("ieee")  # TF32 would move products by more than the candidates' distance from the threshold.
    def _search(self, rows: slice, columns: slice) -> Numbers:
        reached = self.left[rows].to(self.device) @ self.right[columns].to(self.device).T >= self.bound
        found: Numbers = reached.nonzero().T.to(torch.int32).cpu().numpy()
        return found


def _parts(numbers: range, size: int) -> list[range]:
    return [numbers[k : k + size] for k in range(0, len(numbers), size)]


def _resident(vectors: Floats, device: torch.device) -> Tensor:
    """The rows on the device, or on the CPU if they do not fit there; tiles are then copied one by one."""
    # An array that is mapped from a file is read-only, which torch does not take.
    tensor = torch.from_numpy(np.require(vectors, np.float32, ["C", "W"]))
    found = if_it_fits(partial(tensor.to, device), device, divisible=True)
    return tensor if found is None else found
