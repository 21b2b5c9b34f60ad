"""Whether maps are faithful: hiding the pixels that they call important must change the target more than hiding others.

The pixels hidden for comparison have the same shape, at a random place. Scattered ones would change an image in another way,
so that any map with connected regions would differ from them.

A map may pass that and depend on the image and the structure of the network alone, not on what it learned (Adebayo et al.
2018, arXiv 1810.03292). So it is also compared with the maps that the same method makes of the network with shuffled weights.
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.rng import generator
from dlcli.core.explain.base import ExplainSettings, Maps, Target, evaluated, target_values
from dlcli.core.explain.baselines import baseline
from dlcli.core.explain.shuffled import has_weights, shuffled_weights
from dlcli.core.grouped import group_sums
from dlcli.core.stats import mean_difference, paired_difference
from dlcli.specs.estimates import Difference, PointEstimate
from dlcli.specs.explain import Faithfulness
from dlcli.support.plural import count
from dlcli.support.seeds import derive

HIDDEN = 0.1
"""Share of the pixels that are hidden."""
_PLACES = 10
"""How many random places are averaged for each image."""
_ROUNDING = 1e-6
"""The rounding of a sum in float32, as a share of its size: a smaller change of the target says nothing."""


@dataclass(frozen=True)
class DeletionCheck:
    """A deletion check of maps of the images `x` (n, c, h, w) on `model`.

    With `absolute`, for a score, pixels are ranked by how much they matter, and any change counts. Otherwise, for the logit
    of a class, they are ranked by how much they raise it, and only its fall counts: hiding what speaks against the class
    would raise it. `seed` fixes random places and shuffled weights. Images of one group (n,) are not independent: intervals are
    by group.
    """

    model: nn.Module
    x: Tensor
    target: Target
    settings: ExplainSettings
    absolute: bool
    seed: int
    groups: NDArray[np.int64] | None = None

    def run(self, method: ModuleType, maps: Maps) -> Faithfulness:
        """Check the `maps` that `method` made of the network."""
        own = self._most_important(maps)
        moved = torch.cat([self._moved(own, place) for place in range(_PLACES)])
        masks = [own, moved, *([self._shuffled_masks(method)] if has_weights(self.model) else [])]
        with evaluated(self.model):
            before = self._before()
            change, places, *rest = (self._changes(one, before) for one in masks)
        elsewhere, step = places.view(_PLACES, -1, 2).mean(0), _ROUNDING * float(before[:, 0].abs().max())
        return Faithfulness(
            hidden=HIDDEN,
            change=float(change[:, 0].mean()),
            minus_elsewhere=self._paired(change[:, 0] - elsewhere[:, 0], step),
            minus_shuffled=self._paired(change[:, 0] - rest[0][:, 0], step) if rest else None,
            other_class=None if self.absolute else float(change[:, 1].mean()),
            other_class_minus_elsewhere=None if self.absolute else self._shares(change[:, 1], elsewhere[:, 1]),
        )

    def _shuffled_masks(self, method: ModuleType) -> Tensor:
        """Masks by the network with shuffled weights, other ones for each image, so that these stay independent."""
        masks = []
        for k in range(len(self.x)):
            with shuffled_weights(self.model, derive(self.seed, "shuffled", k)):
                maps = method.explain(self.model, self.x[k : k + 1], self._of_image(k), self.settings)
            masks.append(self._most_important(maps, first=k))
        return torch.cat(masks)

    def _of_image(self, k: int) -> Target:
        return lambda outputs, rows: self.target(outputs, rows + k)

    def _before(self) -> Tensor:
        """The target of each image and the predicted class, (n, 2)."""
        every = torch.arange(len(self.x))
        return target_values(self.model, lambda numbers: self.x[numbers], every, self._target_and_class, self.settings.device)

    def _changes(self, masks: Tensor, before: Tensor) -> Tensor:
        """What hiding pixels does, from masks (m * n, h, w) and what was `before` (n, 2) to (m * n, 2).

        First the change of the target of each image, then 1 where the network predicts another class.
        """
        hidden, rows = baseline(self.x, self.settings.baseline), torch.arange(len(masks)) % len(self.x)

        def covered(numbers: Tensor) -> Tensor:
            return torch.where(masks[numbers][:, None], hidden[rows[numbers]], self.x[rows[numbers]])

        after = target_values(self.model, covered, rows, self._target_and_class, self.settings.device)
        falls, other = before[rows, 0] - after[:, 0], before[rows, 1] != after[:, 1]
        return torch.stack([falls.abs() if self.absolute else falls, other.double()], 1)

    def _target_and_class(self, outputs: Tensor, rows: Tensor) -> Tensor:
        return torch.stack([self.target(outputs, rows).float(), outputs.argmax(1).float()], 1)

    def _most_important(self, maps: Maps, first: int = 0) -> Tensor:
        """The pixels with the highest values, (n, h, w) bool; equal values are ordered at random."""
        ranked = maps.strength if self.absolute else maps.signed
        n, height, width = ranked.shape
        amount = max(1, round(HIDDEN * height * width))
        masks = torch.zeros(n, height * width, dtype=torch.bool)
        for k in range(n):
            draws = generator(derive(self.seed, "ties", first + k))
            order = torch.randperm(height * width, generator=draws)
            best = ranked[k].flatten()[order].argsort(descending=True, stable=True)[:amount]
            masks[k, order[best]] = True
        return masks.view(n, height, width)

    def _moved(self, masks: Tensor, place: int) -> Tensor:
        """The masks at random places; what leaves an image at one side enters it at the other."""
        draws = generator(derive(self.seed, "places", place))
        by = [torch.randint(side, (len(masks),), generator=draws).tolist() for side in masks.shape[1:]]
        return torch.stack([mask.roll((down, right), (0, 1)) for mask, down, right in zip(masks, *by, strict=True)])

    def _shares(self, own: Tensor, elsewhere: Tensor) -> Difference | PointEstimate:
        """The difference of two shares of images."""
        if self.groups is not None or len(own) < 2:
            return self._paired(own - elsewhere, 0.0)
        return paired_difference(own.numpy(), elsewhere.numpy())

    def _paired(self, differences: Tensor, step: float) -> Difference | PointEstimate:
        values = differences.numpy()
        if self.groups is not None:
            values = group_sums(values, self.groups) / group_sums(np.ones(len(values)), self.groups)
        if len(values) < 2:
            return PointEstimate(value=float(values.mean()), n=1, why=count(1, "image" if self.groups is None else "group"))
        return mean_difference(values, step=step)
