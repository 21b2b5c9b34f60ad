"""How to train, in numbers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch

from dlcli.core.compute.device import fast_dtype
from dlcli.core.training.schedule import lr_factor
from dlcli.specs.schedule import parse_schedule
from dlcli.support.errors import UsageError
from dlcli.support.plural import count

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
}

_FUSED = ("sgd", "adam", "adamw")
_FUSES = ("cpu", "cuda", "mps")
_GRAPH_CHECKS = ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check")
"""The names, in newer and older versions of torch, of a method of most optimizers."""


@dataclass(frozen=True)
class Recipe:
    """How to train: minimise cross-entropy over shuffled batches.

    `batch_size` is the most images in a batch; `optimizer` one of sgd, adam, adamw, adadelta, with `options` its further
    settings (momentum, rho, weight_decay ...); `weight_decay` that of weights only, in place of the one in `options`, which
    is of all parameters; `schedule` as `parse_schedule` takes it, which begins after `warmup` epochs;
    `freeze` prefixes of the names of parameters that are not trained, and `rates` prefixes and learning rates of those that
    have one of their own; `label_smoothing` in [0, 1) (Szegedy et al. 2016); `clip_norm` the largest norm that the gradient of
    all weights may have (Pascanu et al. 2013; None: any); `ema` in [0, 1) the decay, a step, of an average of the weights that
    takes their place at the end (Polyak & Juditsky 1992; 0: none). `dtype` is `fast` (bfloat16 where that is native) or
    `float32`, for narrow full connections gain nothing from less; `threads` the most CPU threads (None: as many as torch
    has), for small networks lose time with more; `steps` those of an epoch, which takes the training set as often as it needs
    (None: once).
    Raises UsageError for values outside these.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    options: Mapping[str, float] = field(default_factory=dict)
    schedule: str = "constant"
    warmup: float = 0.0
    weight_decay: float | None = None
    freeze: tuple[str, ...] = ()
    rates: tuple[tuple[str, float], ...] = ()
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    ema: float = 0.0
    dtype: str = "fast"
    threads: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        for name, known in (("optimizer", OPTIMIZERS), ("dtype", ("fast", "float32"))):
            if getattr(self, name) not in known:
                raise UsageError(f"recipe: {name} '{getattr(self, name)}' is not one of {', '.join(known)}")
        try:
            parse_schedule(self.schedule)
        except ValueError as error:
            raise UsageError(f"recipe: schedule {error}") from None
        if min(self.epochs, self.batch_size, self.steps or 1) < 1 or not self.lr > 0:
            raise UsageError("recipe: epochs, batch_size, steps and lr must be above 0")
        if not (0 <= self.label_smoothing < 1 and 0 <= self.ema < 1 and (self.clip_norm is None or self.clip_norm > 0)):
            raise UsageError("recipe: label_smoothing and ema must be in [0, 1), clip_norm above 0")
        if not 0 <= self.warmup < self.epochs:
            raise UsageError(f"recipe: warmup must be from 0 to less than the {count(self.epochs, 'epoch')}")
        if self.weight_decay is not None and not (isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UsageError("recipe: weight_decay must be 0 or more")

    def epoch_steps(self, n: int) -> int:
        """How many steps an epoch takes on `n` examples."""
        return self.steps or steps_per_epoch(n, self.batch_size)

    def lr_factor(self, epoch: int, step: int, steps: int) -> float:
        """The share of each learning rate that is in force in a step, both counted from 0, in an epoch of `steps`."""
        where = {"epochs": self.epochs, "epoch": epoch, "step": step, "steps": steps}
        return lr_factor(self.schedule, warmup=self.warmup, **where)

    def lr_at(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step; arguments are those of `lr_factor`."""
        return self.lr * self.lr_factor(epoch, step, steps)


def build_optimizer(recipe: Recipe, parameters: Iterable[Any], device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of `recipe`, fused where torch can: one pass over the weights, a quarter of the time on a CPU.

    `parameters` are nn.Parameters, or groups with settings of their own (`parameter_groups`).
    """
    fused = {"fused": True} if recipe.optimizer in _FUSED and device.type in _FUSES else {}
    optimizer = OPTIMIZERS[recipe.optimizer](parameters, lr=recipe.lr, **recipe.options, **fused)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]  # as torch's schedulers have it: what the schedule takes a share of
    if device.type == "cpu":
        # Each step would ask the GPU, if there is one, whether it is recording a CUDA graph, and so initialise CUDA.
        for name in _GRAPH_CHECKS:
            setattr(optimizer, name, lambda: None)
    return optimizer


def steps_per_epoch(n: int, batch_size: int) -> int:
    """How many batches hold `n` examples."""
    return -(-n // batch_size)


def resolve_dtype(recipe: Recipe, device: torch.device) -> torch.dtype:
    """The precision in which `recipe` trains on `device`."""
    return torch.float32 if recipe.dtype == "float32" else fast_dtype(device)


def resolve_threads(recipe: Recipe) -> int:
    """On how many CPU threads `recipe` trains here."""
    return min(recipe.threads or torch.get_num_threads(), torch.get_num_threads())
