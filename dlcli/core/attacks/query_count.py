"""The cost of an attack: how many images it passes through the network."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Queries:
    """Passes per attacked image, as a mean."""

    forward: float
    backward: float


class QueryCounter(nn.Module):
    """A wrapper around `model` that counts its passes; give it to any attack in place of `model`.

    `forwards` and `backwards` are the numbers of images in forward and backward passes. Gradients of several outputs in one
    vectorised pass count once.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0
        self.backwards = 0

    def forward(self, x: Tensor) -> object:
        """The output of `model` for `x` (n, ...)."""
        found: object = self.model(x)
        self.forwards += len(x)
        if isinstance(found, Tensor) and found.requires_grad:
            found.register_hook(self._count_backward)
        return found

    def per_image(self, images: int) -> Queries:
        """The passes so far divided by `images`, at least 1; those of an attack's checks of the network are included."""
        return Queries(self.forwards / images, self.backwards / images)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
