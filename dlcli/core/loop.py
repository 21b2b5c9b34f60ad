"""The one training loop: tensors in memory, seeded order, the fast precision of the device."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import cos, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.device import fast_dtype, out_of_memory, threads
from dlcli.core.logits import logits_of
from dlcli.core.rng import derive, generator, preserved
from dlcli.support.errors import NumericError, ResourceError, UsageError
from dlcli.support.report import Task

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
}

_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
}
"""The share of the learning rate that is in force when the share `done` in [0, 1) of all steps is done."""


@dataclass(frozen=True)
class Recipe:
    """How to train: minimise cross-entropy over shuffled batches.

    `batch_size` is the most images in a batch; `optimizer` one of sgd, adam, adamw, adadelta, with `options` its further
    settings (momentum, rho, weight_decay ...); `schedule` constant or cosine (to 0, Loshchilov & Hutter 2017);
    `dtype` is `fast` (bfloat16 where that is native) or `float32`; `threads` the most CPU threads (None: as many as torch
    has), for small networks lose time with more.
    Raises UsageError for values outside these.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    options: Mapping[str, float] = field(default_factory=dict)
    schedule: str = "constant"
    dtype: str = "fast"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("optimizer", _OPTIMIZERS), ("schedule", _SCHEDULES), ("dtype", ("fast", "float32"))):
            if getattr(self, name) not in known:
                raise UsageError(f"recipe: {name} '{getattr(self, name)}' is not one of {', '.join(known)}")
        if self.epochs < 1 or self.batch_size < 1 or not self.lr > 0:
            raise UsageError("recipe: epochs, batch_size and lr must be above 0")

    def lr_at(self, done: float) -> float:
        """The learning rate when the share `done` in [0, 1) of all steps is done."""
        return self.lr * _SCHEDULES[self.schedule](done)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """How many batches hold `n` examples."""
    return -(-n // batch_size)


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype | None = None,
    task: Task,
) -> float:
    """Train `model` in place on images `x` (n, c, h, w) and labels `y` (n,), and return the mean loss of the last epoch.

    The model ends on `device`, in evaluation mode. Weights stay float32; with `dtype` bfloat16 (None: as the recipe says)
    only the forward and backward pass run in it, by autocast. The same seed, device and thread count give the same
    weights to the bit. `task` counts steps. Raises NumericError, naming epoch and step, if a loss or a weight is not finite,
    and ResourceError if the memory of the device does not suffice.
    """
    dtype = dtype or resolve_dtype(recipe, device)
    steady = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with preserved(), threads(resolve_threads(recipe)), steady, _memory_named(recipe.batch_size):
        torch.manual_seed(derive(seed, "dropout"))
        model.to(device).to(memory_format=torch.channels_last).train()
        x, y = x.to(device).contiguous(memory_format=torch.channels_last), y.to(device)
        optimizer = _OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr, **recipe.options)
        order = generator(derive(seed, "order"))
        mean_loss = 0.0
        for epoch in range(recipe.epochs):
            losses = _epoch(model, x, y, recipe, epoch, optimizer=optimizer, order=order, dtype=dtype, task=task)
            mean_loss = _checked_mean(losses, model, recipe, epoch)
            task.say(f"epoch {epoch + 1}/{recipe.epochs}, loss {mean_loss:.4f}")
        # Back to the usual layout, so that a network just trained and one read from a file compute the same to the bit.
        model.to(memory_format=torch.contiguous_format).eval()
    return mean_loss


def _epoch(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: Recipe,
    epoch: int,
    *,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    dtype: torch.dtype,
    task: Task,
) -> Tensor:
    """One pass over the data; the loss of each step (steps,), on the device, so that no step waits for the host."""
    steps = steps_per_epoch(len(x), recipe.batch_size)
    losses = torch.zeros(steps, device=x.device)
    # Even batches rather than a short last one, which would weigh its examples more, and of one example breaks BatchNorm.
    for step, picked in enumerate(torch.randperm(len(x), generator=order).tensor_split(steps)):
        picked = picked.to(x.device)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr_at((epoch + step / steps) / recipe.epochs)
        with nullcontext() if dtype == torch.float32 else torch.autocast(x.device.type, dtype=dtype):
            logits = model(x[picked])
        loss = F.cross_entropy(logits.float(), y[picked])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        losses[step] = loss.detach()
        task.advance()
    return losses


def _checked_mean(losses: Tensor, model: nn.Module, recipe: Recipe, epoch: int) -> float:
    """The mean loss, once the epoch's losses and the weights it ended with are seen to be finite."""
    bad = (~losses.isfinite()).nonzero()
    weights_fine = all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    if len(bad) or not weights_fine:
        step = int(bad[0]) if len(bad) else len(losses) - 1
        lr = recipe.lr_at((epoch + step / len(losses)) / recipe.epochs)
        where = f"epoch {epoch + 1}, step {step + 1} of {len(losses)}, learning rate {lr:g}"
        raise NumericError(f"training diverged: the loss is not finite at {where}", hint="a smaller learning rate may help")
    return float(losses.mean())


def resolve_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The precision in which `recipe` trains on `device`."""
    return torch.float32 if recipe.dtype == "float32" else fast_dtype(device)


def resolve_threads(recipe: Recipe) -> int:
    """On how many CPU threads `recipe` trains here."""
    return min(recipe.threads or torch.get_num_threads(), torch.get_num_threads())


def predict_logits(model: nn.Module, x: Tensor, *, device: torch.device, batch_size: int = 256) -> Tensor:
    """The logits (n, classes) of images `x` (n, c, h, w): float32, on the CPU, computed in float32 and evaluation mode.

    The model must be on `device`; its modes are put back. Raises what `logits_of` raises.
    """
    with evaluating(model), torch.no_grad():
        return torch.cat([logits_of(model, batch.to(device)).float().cpu() for batch in torch.split(x, batch_size)])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each submodule has the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _memory_named(batch_size: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ResourceError(f"the memory does not hold the network and a batch of {batch_size} images") from error
