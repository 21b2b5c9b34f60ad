"""What happens to a batch before its step; random changes are drawn for many steps at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.rng import generator
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.mixing import Mixing
from dlcli.support.seeds import derive

_DRAWN_AHEAD = 64
"""For how many steps random changes are drawn at once: some tenths of a second of work at most."""


@dataclass(frozen=True)
class Hooks:
    """What may happen to a batch before the step.

    `augment` changes images at random, and `mixing` then mixes them with each other. `examples(model, x, y, seed, most)`
    replaces images by others made from the current weights (adversarial training), `most` images at a time at the most.
    `class_weights` (classes,) weigh the loss. `sampling(generator)` draws the examples of an epoch, (n,) indices; None: each
    once, in random order. `together` of them, one after the other, stay in one step.
    """

    augment: Augmentation | None = None
    examples: Callable[[nn.Module, Tensor, Tensor, int, int], Tensor] | None = None
    class_weights: Tensor | None = None
    mixing: Mixing | None = None
    sampling: Callable[[torch.Generator], Tensor] | None = None
    together: int = 1

    def draw_ahead(
        self, sizes: Sequence[int], shape: Sequence[int], *, seed: int, step: int, device: torch.device
    ) -> Iterable[Any]:
        """The draws of augmentation for each of the next steps, which depend on the seed and the number of the step only.

        Args:
            sizes: The number of examples of each step.
            shape: That of an example.
            seed: Seed of the training.
            step: How many steps are done.
            device: Where the examples will be.
        """
        if self.augment is None:
            return [()] * len(sizes)
        seeds = [derive(seed, "augment", step + ahead) for ahead in range(len(sizes))]
        shapes = [torch.Size((size, *shape)) for size in sizes]
        # For many steps at once: a copy to the device in each step would make the host wait for the device each time.
        blocks = [slice(at, at + _DRAWN_AHEAD) for at in range(0, len(sizes), _DRAWN_AHEAD)]
        return chain.from_iterable(self.augment.draw_ahead(shapes[k], map(generator, seeds[k]), device) for k in blocks)
