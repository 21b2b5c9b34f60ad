"""The training loop with a second feed: each step takes a batch of unlabelled images beside the labelled ones."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase

from dlcli.core.compute.loader import BatchLoader, channels_last
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.semi_supervised.base import SemiBatch, SemiLosses, SemiSupervised
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.parameter_groups import parameter_groups
from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.core.training.state import under
from dlcli.support.seeds import derive

NETWORKS = "networks."
"""How the names of what a method trains beside the classifier begin in the state of a training."""


class SemiGradients(BatchGradients):
    """The gradient of the losses of labelled and unlabelled images, which `losses` gives.

    `losses(supervised, x, y, views)` takes the supervised loss of labelled images.
    """

    losses: Callable[[Tensor, Tensor, Tensor, Tensor], SemiLosses]

    def _loss_of(self, part: Sequence[Tensor], batch: Sequence[Tensor]) -> Tensor:
        x, y, views = part
        found = self.losses(self._whole_loss(self.outputs(x), y), x, y, views)
        if len(views) == len(batch[2]):
            return found.labelled + found.unlabelled
        return found.labelled * self._share(y, batch[1]) + found.unlabelled * (len(views) / len(batch[2]))


class SemiTraining(Training):
    """Training on labelled images `x` with labels `y`, as `Training` has it, and on `unlabelled` images (n, c, h, w).

    The labelled images pass through the network as without the others: batch normalisation takes their statistics alone, and
    only they move its running statistics. Unlabelled images pass apart, normalised by the statistics of their own batch. So
    with a weight of 0 the network is bit for bit that of supervised training, as long as it draws no random numbers (dropout).

    A step takes `ratio` unlabelled images for each labelled one of a whole batch, in the order of shuffled passes over them.
    What the method draws comes from torch's global generator, whose state is a part of `state()`.
    """

    gradients_class = SemiGradients
    gradients: SemiGradients

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        recipe: Recipe,
        *,
        method: SemiSupervised,
        unlabelled: Tensor,
        classes: int,
        ratio: int,
        seed: int,
        device: torch.device,
        hooks: Hooks,
    ) -> None:
        super().__init__(model, x, y, recipe, seed=seed, device=device, hooks=hooks)
        self.method, self.classes = method, classes
        self.batch = ratio * -(-len(x) // steps_per_epoch(len(x), recipe.batch_size))
        self.unlabelled = BatchLoader(unlabelled, torch.arange(len(unlabelled)), device)
        self.views = Augmentation((method.views(hooks.augment or Augmentation(()), (x.shape[-2], x.shape[-1])),))
        with preserved():
            torch.manual_seed(derive(seed, "semi-supervised", "init"))
            self.networks = method.networks(x.shape[1:], classes)
        if self.networks is not None:
            self.networks.to(device)
            self._optimize(self.networks)
        self.gradients.losses = self._losses

    def _optimize(self, networks: nn.Module) -> None:
        """Have the optimizer change these too, at the rate of the recipe."""
        found = list(parameter_groups(networks, Recipe(1, 1, "sgd", 1.0, weight_decay=self.recipe.weight_decay)))
        for group in found if isinstance(found[0], dict) else [{"params": found}]:
            self.optimizer.add_param_group({**group, "initial_lr": self.recipe.lr})

    def _parameters(self) -> Iterable[nn.Parameter]:
        return chain(self.model.parameters(), self.networks.parameters() if self.networks is not None else ())

    def _fed(self, order: Sequence[Tensor]) -> Generator[tuple[Tensor, Tensor, Any], None, None]:
        unlabelled = self.unlabelled.batches(self._unlabelled_order(len(order)))
        with closing(super()._fed(order)) as labelled, closing(unlabelled) as others:
            for (x, y, drawn), (more, _) in zip(labelled, others, strict=True):
                yield x, y, (drawn, more)

    def _unlabelled_order(self, steps: int) -> tuple[Tensor, ...]:
        """Which unlabelled images the next steps take: a shuffled pass over all, and another one where it ends."""
        n, first = len(self.unlabelled), self._number * self.batch
        passes = range(first // n, -(-(first + steps * self.batch) // n))
        drawn = torch.cat([torch.randperm(n, generator=generator(derive(self.seed, "unlabelled", k))) for k in passes])
        start = first - passes[0] * n
        found: tuple[Tensor, ...] = drawn[start : start + steps * self.batch].split(self.batch)
        return found

    def _prepared(self, x: Tensor, y: Tensor, drawn: Any) -> tuple[Tensor, ...]:
        own, more = drawn
        return (*super()._prepared(x, y, own), self.views(more, generator(derive(self.seed, "views", self._number))))

    def _losses(self, supervised: Tensor, x: Tensor, y: Tensor, views: Tensor) -> SemiLosses:
        total = self.recipe.epochs * len(self.losses)
        return self.method.losses(
            SemiBatch(supervised, x, y, views, self._logits, self._by_average, self.networks, self._number, total)
        )

    def _logits(self, images: Tensor, call: Callable[[Tensor], object] | None = None) -> Tensor:
        with running_statistics_kept(self.model):
            return self.gradients.outputs(channels_last(images), call).logits[:, : self.classes]

    @torch.no_grad()
    def _by_average(self, images: Tensor) -> Tensor:
        # A copy, because buffers may be written to.
        weights = {name: value.clone() for name, value in self.average.items()}
        return self._logits(images, lambda there: functional_call(self.model, weights, (there,)))

    def finish(self, *args: Any, **others: Any) -> None:
        """See `Training`."""
        super().finish(*args, **others)
        if self.networks is not None:
            self.networks.eval()

    def state(self) -> dict[str, Tensor]:
        """See `Training`."""
        own = {} if self.networks is None else self.networks.state_dict()
        return super().state() | {f"{NETWORKS}{name}": value.to("cpu", copy=True) for name, value in own.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """See `Training`."""
        super().load(state)
        if self.networks is not None:
            self.networks.load_state_dict(under(state, NETWORKS))


@contextmanager
def running_statistics_kept(model: nn.Module) -> Iterator[None]:
    """Inside the block normalisation in training mode goes by the statistics of its batch and leaves the running ones alone."""
    layers = [module for module in model.modules() if isinstance(module, _NormBase) and module.training]
    tracked = [layer.track_running_stats for layer in layers]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, before in zip(layers, tracked, strict=True):
            layer.track_running_stats = before
