"""What the families of fully connected stacks in the zoo share: they differ in kind, default depth and learning rate."""

from dataclasses import dataclass
from math import prod

from torch import nn

from dlcli.core.layers.mlp_stack import mlp_stack
from dlcli.core.training.recipe import Recipe


@dataclass(frozen=True)
class StackFamily:
    """Fully connected stacks of one kind, 200 units wide, at any depth.

    Attributes:
        kind: One of the `KINDS` of `mlp_stack`.
        depth: Number of layers if none is asked for.
        lr: Learning rate of the recipe.
    """

    kind: str
    depth: int
    lr: float

    @property
    def recipe(self) -> Recipe:
        """How to train a stack of any depth."""
        return Recipe(epochs=15, batch_size=64, optimizer="adam", lr=self.lr, schedule="cosine", dtype="float32", threads=1)

    def check_depth(self, depth: int) -> str:
        """What is wrong with a depth; "" if nothing is."""
        return "" if depth >= 1 else "needs at least 1 layer"

    def build(self, channels: int, size: tuple[int, int], classes: int, *, depth: int | None = None) -> nn.Module:
        """A network of (n, channels, *size) in [0, 1] that returns logits (n, classes).

        Args:
            channels: Channels of the images.
            size: Height and width of the images in pixels.
            classes: Number of outputs.
            depth: Number of layers; None for the default of the family.
        """
        return mlp_stack(self.kind, channels * prod(size), classes, self.depth if depth is None else depth)
