"""The examples under attack at one time, a row each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lanes:
    """B examples; every tensor has B rows, on the network's device, and a row never looks at another.

    `index` says which image it is, `run` which of its runs, `step` how many steps that run has taken; `clean` (B, ...) are
    the images as they were, `x` (B, ...) as they are now; `label` and `aim` are classes, `aim` -1 in an attack that aims at
    none. `memory` is what the attack itself remembers of each example.
    """

    index: Tensor
    run: Tensor
    step: Tensor
    clean: Tensor
    x: Tensor
    label: Tensor
    aim: Tensor
    memory: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, picked: Tensor) -> "Lanes":
        """The rows that `picked`, a mask (B,) or indices, picks."""
        return _each(lambda tensors: tensors[0][picked], self)

    def joined(self, others: "Lanes") -> "Lanes":
        """These rows, then those of `others`."""
        if not len(others):
            return self
        return _each(torch.cat, self, others) if len(self) else others


def _each(change: Callable[[list[Tensor]], Tensor], *lanes: Lanes) -> Lanes:
    """New lanes whose every tensor is `change` of the tensors of that name."""
    memory = {name: change([one.memory[name] for one in lanes]) for name in lanes[0].memory}
    names = [field.name for field in fields(Lanes) if field.name != "memory"]
    return Lanes(**{name: change([getattr(one, name) for one in lanes]) for name in names}, memory=memory)
