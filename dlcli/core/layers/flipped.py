"""Networks that see every image in a mirror, for averages over flips at test time."""

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


class MeanOfMirrored(nn.Module):
    """The mean of the maps (n, k, h, w) that `inner` gives for images and for their mirror images, the latter turned back."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) to maps (n, k, h, w)."""
        found: Tensor = (self.inner(x) + self.inner(x.flip(-1)).flip(-1)) / 2
        return found
