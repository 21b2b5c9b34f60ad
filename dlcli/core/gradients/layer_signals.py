"""What flows through each activation of a network: activations forward, gradients back, and how inputs share units.

Two inputs co-activate a unit if it is above zero for both. With batch normalisation that happens for a quarter of the pairs
(Balduzzi et al. 2017, arXiv 1702.08591, section 3.2); where it grows with depth towards the active fraction itself, different
inputs come to look alike to the network.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from dlcli.core.compute.batches import in_batches, memory_error_context
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import differentiate, in_mode, logits_of
from dlcli.core.compute.precision import float32_precision, to_float64
from dlcli.core.compute.rng import preserved
from dlcli.core.gradients.input_gradients import TOO_LARGE, Derivative, batch_statistics, target_sum
from dlcli.core.graph.trace import ACTIVATIONS, is_transparent
from dlcli.core.layers.selu import ScaledELU, solve_fixed_point
from dlcli.specs.probe_gradients import LayerRow

_OF_IMAGES = 4
"""Dimensions of a batch of images; videos have more."""


@float32_precision("ieee")
def layer_signals(model: nn.Module, x: Tensor, derivative: Derivative, *, device: torch.device) -> list[LayerRow]:
    """Measure the outputs and gradients of all activations.

    Args:
        model: The network, on `device`; it is left unchanged.
        x: Inputs, (n, ...), at least 2.
        derivative: Which output is differentiated, and how batch normalisation is treated.
        device: Where to compute.

    Returns:
        One row per activation, in the order of the forward pass.

    Raises:
        InputError: If the network does not accept the inputs.
        ResourceError: If memory does not suffice for one input, or for all with the statistics of a batch.
    """
    whole = derivative.norm == "batch"
    size = len(x) if whole else at_a_time(len(x), x, device)

    def tallied(batch: Tensor) -> list[_Tally]:
        return [_tally(one, gradient) for one, gradient in _passed(model, batch.detach().to(device), derivative)]

    sums: dict[str, _Tally] = {}
    statistics = batch_statistics(model, derivative.norm)
    with memory_error_context(*TOO_LARGE), preserved(), in_mode(model), statistics, torch.enable_grad():
        for tallies in in_batches(tallied, x, size=size, least=size if whole else 1, device=device):
            for tally in tallies:
                sums.setdefault(tally.name, _Tally(tally.name, tally.kind)).add(tally)
    return [tally.row() for tally in sums.values()]


@dataclass(frozen=True)
class _Seen:
    """The output of one activation and its statistics: sums over all values, and inputs above zero by unit and by channel.

    A unit is one value of an input. The units of a channel of images share their weights, and where the background is plain
    many of them never change: such a channel lives if one of its units does.
    """

    name: str
    kind: str
    output: Tensor
    total: float
    squares: float
    above: Tensor
    alive: Tensor


@dataclass
class _Tally:
    """One activation's sums over inputs."""

    name: str
    kind: str
    inputs: int = 0
    values: int = 0
    total: float = 0.0
    squares: float = 0.0
    above: Tensor | int = 0
    alive: Tensor | int = 0
    gradient: float | None = None
    directions: Tensor | int = 0
    directed: int = 0

    def add(self, other: "_Tally") -> None:
        """Count the inputs of `other` too."""
        self.inputs += other.inputs
        self.values += other.values
        self.total += other.total
        self.squares += other.squares
        self.above = self.above + other.above
        self.alive = self.alive + other.alive
        if other.gradient is not None:
            self.gradient = (self.gradient or 0.0) + other.gradient
            self.directions = self.directions + other.directions
            self.directed += other.directed

    @property
    def cosine(self) -> float | None:
        """The mean cosine of two inputs' gradients: the squared length of n unit vectors' sum is n and all their products."""
        n = self.directed
        return float(torch.as_tensor(self.directions).square().sum() - n) / (n * (n - 1)) if n > 1 else None

    def row(self) -> LayerRow:
        """The figures of all inputs."""
        n, above = self.inputs, to_float64(torch.as_tensor(self.above))
        mean = self.total / self.values
        return LayerRow(
            layer=self.name,
            kind=self.kind,
            units=len(above),
            mean=mean,
            variance=max(0.0, self.squares - self.values * mean**2) / (self.values - 1),
            active=float(above.mean()) / n,
            coactive=float((above * (above - 1)).mean()) / (n * (n - 1)),
            dead=float((torch.as_tensor(self.alive) == 0).double().mean()),
            gradient=None if self.gradient is None else math.sqrt(self.gradient / self.values),
            cosine=self.cosine,
        )


def _tally(one: _Seen, gradient: Tensor | None) -> _Tally:
    """The sums of one batch."""
    sums = _Tally(one.name, one.kind, len(one.output), one.output.numel(), one.total, one.squares, one.above, one.alive)
    if gradient is None:
        return sums
    each = to_float64(gradient.flatten(1))
    lengths = each.norm(dim=1, keepdim=True)
    directions = (each / lengths.where(lengths > 0, 1.0)).sum(0)
    return replace(sums, gradient=float(each.square().sum()), directions=directions, directed=int((lengths > 0).sum()))


def _passed(model: nn.Module, given: Tensor, derivative: Derivative) -> list[tuple[_Seen, Tensor | None]]:
    """Each activation of a batch (n, ...) with its gradient."""
    watcher = _Watcher(model)
    with watcher.following(), watcher:
        logits = logits_of(model, given.clone().requires_grad_())
    total = target_sum(logits, derivative)
    outputs = [one.output for one in watcher.seen]
    known = [k for k, output in enumerate(outputs) if output.requires_grad]
    by = [outputs[k] for k in known]
    found = differentiate(total, by) if by and total.requires_grad else ()
    gradients = dict(zip(known, found, strict=False))
    return [(one, gradients.get(k)) for k, one in enumerate(watcher.seen)]


class _Watcher(TorchFunctionMode):
    """Keeps what each activation puts out, and what is counted of it before anything is written over it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.seen: list[_Seen] = []
        self._paths = {module: path for path, module in model.named_modules()}
        self._inside: list[nn.Module] = [model]
        self._times: Counter[str] = Counter()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Know inside the block whose forward() runs."""

        def enter(module: nn.Module, args: object) -> None:
            self._inside.append(module)

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._inside.pop()

        handles = (register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _scaled(self, operation: str) -> tuple[float, str]:
        """By what the module multiplies its operation, and what that makes it."""
        module = self._inside[-1]
        if not isinstance(module, ScaledELU):
            return 1.0, operation
        return module.lam, "selu" if math.isclose(module.alpha, solve_fixed_point(0, 1).alpha) else operation

    def _named(self, operation: str) -> str:
        module = self._inside[-1]
        path = next((self._paths[one] for one in reversed(self._inside) if one in self._paths), "")
        is_itself = module in self._paths and (is_transparent(module) or isinstance(module, ScaledELU))
        name = path if path and is_itself else f"{path} {operation}".strip()
        self._times[name] += 1
        return f"{name} {self._times[name]}" if self._times[name] > 1 else name

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ACTIVATIONS and isinstance(output, Tensor) and not _repeats(self.seen, output):
            scale, kind = self._scaled(name.rstrip("_"))
            values = to_float64(output.detach()) * scale
            total, squares, positive = float(values.sum()), float(values.square().sum()), values > 0
            above = positive.flatten(1).sum(0)
            alive = positive.flatten(2).any(2).sum(0) if positive.dim() >= _OF_IMAGES else above
            self.seen.append(_Seen(self._named(kind), kind, output, total, squares, above, alive))
        return output


def _repeats(seen: list[_Seen], output: Tensor) -> bool:
    """Whether the last activation put out the same: `relu` that calls `relu_` is one activation."""
    return bool(seen) and seen[-1].output is output
