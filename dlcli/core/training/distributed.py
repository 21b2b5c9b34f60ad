"""Training of one network by several processes, each on its part of every batch, with the gradient of the whole batch.

The order of the examples, the learning rate and the random changes of images are those of one process, for they are drawn for
whole batches. So the weights are those of one process up to rounding, except for dropout, whose masks each process draws, and
for batch normalisation on CPUs, where each process normalises its part.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.compute.ranks import Ranks, current_ranks
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.core.training.state import random_state, under
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Task
from dlcli.support.seeds import derive

_DROPOUT = (nn.modules.dropout._DropoutNd,)


class SharedGradients(BatchGradients):
    """Leaves the gradients of the whole batch, of which each rank computes those of its part."""

    def backward(self, prepare: Callable[[], tuple[Tensor, ...]], n: int) -> Tensor:
        """See `BatchGradients`; `prepare()` gives the part of this rank, and the loss is that of the whole batch."""
        taken: list[Tensor] = []

        def part() -> tuple[Tensor, ...]:
            batch = prepare()
            taken[:] = [batch[1]]
            return batch

        return self._add_up(super().backward(part, n), taken[0])

    def _add_up(self, loss: Tensor, labels: Tensor) -> Tensor:
        """Put the sums over all ranks into the gradients, each counting by the weight of its labels; returns the mean loss."""
        ranks, parameters = current_ranks(), [one for one in self.model.parameters() if one.requires_grad]
        weight = torch.as_tensor(self.objective.weight(labels), device=loss.device).to(loss.dtype).reshape(1)
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        weighted = torch.cat([loss.reshape(1), *(one.reshape(-1) for one in gradients)]) * weight
        weighted = torch.where(weight > 0, weighted, 0)  # the mean over no labels is NaN
        used = torch.tensor([float(one.grad is not None) for one in parameters], device=loss.device)
        statistics = _running_statistics(self.model)
        together = torch.cat([weighted, weight, used, *(one.reshape(-1) for one in statistics)])
        ranks.add_up(together)
        sums, total, used, means = together.tensor_split([(end := len(weighted)), end + 1, end + 1 + len(used)])
        sums, means = sums / total, means / ranks.size
        _give([one.detach() for one in gradients], sums[1:])
        _give(statistics, means)
        for k, parameter in enumerate(parameters):
            # One that no rank used has no gradient, as in one process: the optimizer then leaves it as it is.
            if parameter.grad is None and bool(used[k]):
                parameter.grad = gradients[k]
        return sums[0]


def _give(tensors: Sequence[Tensor], values: Tensor) -> None:
    """Copy the numbers of `values` (n,) into `tensors`, one after the other."""
    for tensor, part in zip(tensors, values.split([one.numel() for one in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))


def _running_statistics(model: nn.Module) -> list[Tensor]:
    """The running means and variances that differ between ranks after a step."""
    layers = [one for one in model.modules() if isinstance(one, _BatchNorm) and not isinstance(one, nn.SyncBatchNorm)]
    found = [(one.running_mean, one.running_var) for one in layers if one.training]
    return [one for pair in found for one in pair if one is not None]


class DistributedTraining(Training):
    """`Training` by the ranks that work together: all of them make it, run its epochs and ask for its `state`."""

    gradients_class: ClassVar[type[BatchGradients]] = SharedGradients

    def __init__(
        self, model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe, *, seed: int, device: torch.device, **more: Any
    ) -> None:
        self.ranks = current_ranks()
        _check_batches(len(x), recipe, self.ranks)
        if device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        super().__init__(model, x, y, recipe, seed=seed, device=device, **more)
        if self.gradients.objective.joint:
            message = "this loss compares all examples of a batch with each other, which several processes do not see"
            raise UsageError(message, hint="choose another `loss`, or start one process")
        if not self.ranks.first:
            with preserved():
                torch.manual_seed(derive(seed, "dropout", self.ranks.rank))
                self.random = random_state(device)
        self._whole = self._needs_whole_batches()

    def _needs_whole_batches(self) -> bool:
        """Whether what happens to an example before the step depends on others in its batch, or on draws for these."""
        if self.hooks.mixing is not None or self.hooks.examples is not None:
            return True
        if self.hooks.augment is None:
            return False
        shape = torch.Size((self.ranks.size, *self.feed.shape))
        (draws,) = self.hooks.augment.draw_ahead([shape], [generator(0)], torch.device("cpu"))
        return not all(isinstance(draw, Tensor) for draw in draws)

    def _fed(self, order: Sequence[Tensor]) -> Generator[tuple[Tensor, Tensor, Any], None, None]:
        """See `Training`; where batches need not be whole, only the part of this rank is read."""
        if self._whole:
            yield from super()._fed(order)
            return
        draws = self._drawn_ahead([len(picked) for picked in order])
        parts = self.feed.batches([self.ranks.part(picked) for picked in order])
        for (x, y), drawn in zip(parts, draws, strict=True):
            yield x, y, tuple(map(self.ranks.part, drawn))

    def _prepared(self, x: Tensor, y: Tensor, drawn: Any) -> tuple[Tensor, ...]:
        found = super()._prepared(x, y, drawn)
        return tuple(map(self.ranks.part, found)) if self._whole else found

    def run_epoch(self, task: Task, stop: Callable[[], bool] = lambda: False) -> float | None:
        """See `Training`; `stop` has to give the same on all ranks (`Ranks.agreed`)."""
        mean = super().run_epoch(task, stop)
        # The number of parts decides how sums are rounded, and only the first rank's is saved.
        self.gradients.parts = max(self.ranks.of_each(self.gradients.parts))
        return mean

    def state(self) -> dict[str, Tensor]:
        """See `Training`; with the random states of all ranks."""
        found = super().state()
        for rank, states in enumerate(self.ranks.of_each(self.random)):
            found |= {f"rank {rank}.{name}": value for name, value in states.items() if rank > 0}
        return found

    def load(self, state: Mapping[str, Tensor]) -> None:
        """See `Training`; with the random state of this rank."""
        super().load(state)
        if not self.ranks.first:
            self.random = under(state, f"rank {self.ranks.rank}.")


def _check_batches(n: int, recipe: Recipe, ranks: Ranks) -> None:
    """Raise UsageError if a batch has fewer examples than there are ranks."""
    if n // steps_per_epoch(n, recipe.batch_size) < ranks.size:
        message = f"batches of {recipe.batch_size} of {count(n, 'example')} are too small for {ranks.size} processes"
        raise UsageError(message, hint="choose a larger `batch_size`, or start fewer processes")


def distribution_notes(model: nn.Module, ranks: Ranks) -> tuple[str, ...]:
    """How several processes train `model`, and where its weights differ from those of one process; none for one process."""
    if ranks.size == 1:
        return ()
    found = [f"trained by {ranks.size} processes, each on its part of every batch"]
    if any(isinstance(one, _DROPOUT) and one.p > 0 for one in model.modules()):
        found.append(f"dropout: each of the {ranks.size} processes draws its own masks, from the seed and its rank")
    layers = [one for one in model.modules() if isinstance(one, _BatchNorm)]
    if any(not isinstance(one, nn.SyncBatchNorm) for one in layers) and next(model.parameters()).device.type == "cpu":
        found.append("batch normalisation: on CPUs each process normalises its own part of a batch")
    return tuple(found)
