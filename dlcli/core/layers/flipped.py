"""A network that sees every image in a mirror, for averages over flips at test time."""

from typing import Any

from torch import Tensor, nn


class Flipped(nn.Module):
    """`inner` on images (n, c, h, w) or clips (n, c, t, h, w) with left and right exchanged."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        """Gives what `inner` gives."""
        return self.inner(x.flip(-1))
