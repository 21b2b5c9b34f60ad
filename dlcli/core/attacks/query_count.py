"""What an attack costs: how many images it has the network look at."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Queries:
    """Passes an image, as a mean over the images that were attacked."""

    forward: float
    backward: float


class Counted(nn.Module):
    """A network that answers as `model` does and counts: give it to any attack in the place of `model`.

    `forwards` and `backwards` are images that went through forward and backward passes. Gradients of several outputs that
    are taken in one vectorised pass count once.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards = 0
        self.backwards = 0

    def forward(self, x: Tensor) -> object:
        """What `model` says of `x` (n, ...)."""
        found: object = self.model(x)
        self.forwards += len(x)
        if isinstance(found, Tensor) and found.requires_grad:
            found.register_hook(self._went_back)  # type: ignore[no-untyped-call]
        return found

    def per_image(self, images: int) -> Queries:
        """The passes so far for each of `images`, at least 1; what a call spends on trying the network out is in it."""
        return Queries(self.forwards / images, self.backwards / images)

    def _went_back(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
