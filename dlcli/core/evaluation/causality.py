"""Whether a network of sequences looks ahead, and how far back it looks, by changing its inputs: for any network.

All inputs from a step on are replaced, and no output before that step may move, not by a rounding error: the same numbers go
through the same operations. Where one does, the layers are compared in the order in which they are called. This is done in
float64, at many steps in one batch, so that both passes compute alike.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode, refuse_opaque
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.evaluation.receptive_field import receptive_field
from dlcli.core.layers.normalise import without_normalisation
from dlcli.core.layers.on_sequences import OnSequences
from dlcli.support.errors import InputError

MOST_STEPS = 4096
"""Sequences are cut to these for the proof."""
_PLACES = 32
"""At how many steps inputs are replaced."""
_DRAWS = 8
"""How many sequences the field is measured on: of one, an activation may be 0 where it ends."""
_BEYOND = 8
"""By how many steps sequences are longer than the field that is known."""


class Causality(NamedTuple):
    """What was found.

    Attributes:
        steps: Length of the sequences.
        places: At how many steps inputs were replaced.
        leak: The largest change of an output before the inputs that were replaced; 0 for a causal network.
        after: The largest change of an output from there on.
        layer: The first layer in whose output such a change is seen; empty without one.
        kind: Its class.
        by_step: Whether the network has an output for each step; else its layers have been compared.
        field: How many steps the last output depends on: inputs that are older change nothing. None if it depends on all.
        theory: The receptive field of the last convolution, as it follows from the layers; None without bounds.
    """

    steps: int
    places: int
    leak: float
    after: float
    layer: str
    kind: str
    by_step: bool
    field: int | None
    theory: int | None

    @property
    def verdict(self) -> str:
        """What is wrong with the network, in words; empty for a causal one."""
        if self.leak == 0:
            return ""
        first = f"the first layer that looks ahead is {self.layer} ({self.kind})"
        return f"outputs depend on later inputs, by up to {self.leak:.3g}; {first}"


class _Map(NamedTuple):
    """The output (n, ..., t) of a layer in one call."""

    layer: str
    kind: str
    values: Tensor


def prove_causal(model: nn.Module, x: Tensor, *, seed: int) -> Causality:
    """Look for outputs that depend on later inputs, and for the oldest inputs that the last output depends on.

    Args:
        model: A network of sequences, as `named_model` builds it; it is not changed.
        x: A sequence without padding, (1, channels, t), t at least 2.
        seed: Of what inputs are replaced by.

    Returns:
        What was found.

    Raises:
        InputError: If no layer has an output for each step, or the network is a program.
    """
    refuse_opaque(model)
    precise = deepcopy(model).cpu().double()
    x = x.double()[:, :, :MOST_STEPS]
    with preserved(), torch.no_grad(), in_mode(precise):
        found = _leak(precise, x, seed)
        known = receptive_field(precise, x)
        theory = known[0] if len(known) == 1 else None
        longer = _lengthened(precise, x, theory)
        return found._replace(theory=theory, field=_field(precise, longer, seed))


def _leak(model: nn.Module, x: Tensor, seed: int) -> Causality:
    steps = x.shape[2]
    places = torch.linspace(1, steps - 1, min(_PLACES, steps - 1)).round().long()
    base = x.repeat(len(places), 1, 1)
    later = torch.arange(steps) >= places[:, None]
    changed = torch.where(later[:, None], _others(base, seed), base)
    first, second = _maps(model, base), _maps(model, changed)
    if not first:
        hint = "let it return outputs (n, classes, t), or have layers that keep the steps"
        raise InputError("no layer of the network has an output for each step, so there is nothing to prove", hint=hint)
    moved = [_moved(one.values, other.values, later) for one, other in zip(first, second, strict=True)]
    by_step = not first[-1].layer
    counted = moved[-1:] if by_step else moved
    leak = max(before for before, _ in counted)
    where = next((k for k, (before, _) in enumerate(moved) if before > 0), 0) if leak > 0 else None
    layer, kind = ("", "") if where is None else (first[where].layer or "the network itself", first[where].kind)
    return Causality(steps, len(places), leak, max(after for _, after in counted), layer, kind, by_step, None, None)


def _moved(one: Tensor, other: Tensor, later: Tensor) -> tuple[float, float]:
    """The largest change before the replaced inputs, and from there on."""
    change = (one - other).abs().nan_to_num(torch.inf).flatten(1, -2).amax(1)
    zero = torch.zeros_like(change)
    return float(torch.where(later, zero, change).max()), float(torch.where(later, change, zero).max())


def _others(x: Tensor, seed: int) -> Tensor:
    """Other inputs of the same size: noise as wide as the values, around them."""
    noise = torch.randn(x.shape, generator=generator(seed), dtype=x.dtype)
    return x + noise * (x.std() if x.numel() > 1 and float(x.std()) > 0 else 1.0)


def _maps(model: nn.Module, x: Tensor) -> list[_Map]:
    """The outputs for each step of the layers of the network of steps, in the order in which they return; its own comes last.

    Its own is there only if it has an output for each step.
    """
    inner = _network_of_steps(model)
    found: list[_Map] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            values = _by_step(output, x.shape[0], x.shape[2])
            if values is not None:
                found.append(_Map(name, type(module).__name__, values))

        return hook

    with _hooked(inner, look):
        call_model(model, x)
    return found


@contextmanager
def _hooked(inner: nn.Module, look: Callable[[str], Callable[..., None]]) -> Iterator[None]:
    handles = [module.register_forward_hook(look(name)) for name, module in inner.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _network_of_steps(model: nn.Module) -> nn.Module:
    """What stands behind the normalisation and what reads an answer for whole sequences."""
    model = without_normalisation(model)
    return model.inner if isinstance(model, OnSequences) else model


def _by_step(output: Any, n: int, steps: int) -> Tensor | None:
    """An output as (n, ..., steps); None if it has no such axis. What is longer ends in padding that is cut off later."""
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.dim() < 3:
        return None
    if output.shape[0] == n and output.shape[-1] >= steps:
        return output[..., :steps]
    if output.shape[0] == n and output.shape[1] == steps:
        return output.movedim(1, -1)
    if output.shape[:2] == (steps, n):
        return output.movedim(0, -1)
    return None


def _lengthened(model: nn.Module, x: Tensor, theory: int | None) -> Tensor:
    """The sequence repeated, where it is too short to show how far the field goes; as it is for networks of one length."""
    if theory is None or theory + _BEYOND <= x.shape[2] or theory > 8 * MOST_STEPS:
        return x
    longer = x.repeat(1, 1, -(-(theory + _BEYOND) // x.shape[2]))[:, :, : theory + _BEYOND]
    try:
        call_model(model, longer)
    except InputError:
        return x
    return longer


def _field(model: nn.Module, x: Tensor, seed: int) -> int | None:
    """The fewest last steps whose inputs decide the last output, whatever came before; None if all do.

    With more steps kept, less can move, so the number is found by halving.
    """
    steps = x.shape[2]
    base = _others(x.repeat(_DRAWS, 1, 1), seed + 1)
    replaced = _others(base, seed + 2)
    expected = _last(model, base)

    def moves(kept: int) -> bool:
        older = torch.arange(steps) < steps - kept
        return not torch.equal(_last(model, torch.where(older, replaced, base)), expected)

    if moves(steps - 1):
        return None
    low, high = 0, steps - 1  # the first moves it, if anything does; the second does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if moves(middle) else (low, middle)
    return high


def _last(model: nn.Module, x: Tensor) -> Tensor:
    """The output at the last step, or that for the whole sequence where there is none by step."""
    maps = _maps(model, x)
    if maps and not maps[-1].layer:
        return maps[-1].values[..., -1]
    found = call_model(model, x)
    if not isinstance(found, Tensor):
        raise InputError(f"the model returns a {type(found).__name__}, not a tensor")
    return found
