"""Networks of the user's own code: what they return is read as logits, and they cannot change the images they are given.

Hooks on the network do this, so it holds wherever the network is called, and names of layers and weights stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._script import RecursiveScriptModule

LOGITS = ("logits", "out", "output", "outputs", "prediction", "predictions", "preds", "pred")
"""What the logits are called in a mapping or an object, the first of these that there is."""


def main_output(found: object) -> tuple[object, str]:
    """The logits in what a network returned, and what they are of it in words, empty if they are all of it.

    They are the entry or attribute of a usual name, the only tensor of a mapping, or the first of a tuple.

    Returns:
        The logits, or what was returned if there are none in it; and the words.
    """
    if isinstance(found, Tensor):
        return found, ""
    kind = type(found).__name__
    for name in LOGITS:
        inner = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
        if inner is not None:
            return main_output(inner)[0], f"a value of type {kind}, of which '{name}' is"
    values = list(found.values()) if isinstance(found, Mapping) else found if isinstance(found, tuple | list) else ()
    tensors = [value for value in values if isinstance(value, Tensor)]
    if isinstance(found, Mapping):
        return (tensors[0], f"a value of type {kind}, whose only tensor is") if len(tensors) == 1 else (found, "")
    return (main_output(values[0])[0], f"a {kind} of {len(values)}, the first of which is") if values else (found, "")


def two_classes(logits: Tensor) -> Tensor:
    """One logit z of each example, (n,) or (n, 1), as those of two classes, (0, z); other tensors as they are.

    Their softmax is (1 - sigmoid(z), sigmoid(z)), so the cross-entropy is that of `BCEWithLogitsLoss`.
    """
    if not logits.is_floating_point() or logits.dim() not in (1, 2) or (logits.dim() == 2 and logits.shape[1] != 1):
        return logits
    z = logits.reshape(-1, 1)
    return torch.cat([torch.zeros_like(z), z], 1)


class ForeignCall:
    """Hooks around each call of a network; what they had to do is recorded.

    Attributes:
        read_as: What the logits are in what the network returns, in evaluation mode; empty if they are all of it.
        one_logit: Whether one logit was read as those of two classes.
        splits_one: Whether it is so read; not where the one output is a score.
        writes: By mode, whether the network writes into its input; it then gets a copy.
    """

    def __init__(self) -> None:
        self.read_as, self.one_logit, self.splits_one = "", False, True
        self.writes: dict[bool, bool] = {}
        self._version = -1

    def enter(self, model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Hand the network a copy of the images if it writes into them, or if that is not known yet.

        Returns:
            Its arguments; None for those it was given.
        """
        x = args[0] if args else None
        self._version = -1
        if not isinstance(x, Tensor):
            return None
        # Not while a mode records what is done to the images, for which a copy would be another tensor.
        unknown = not torch._C._len_torch_function_stack()
        copied = self.writes.get(model.training, unknown)
        x = x.clone() if copied else x
        with suppress(RuntimeError):  # tensors of inference mode count no versions
            self._version = x._version
        return (x, *args[1:]) if copied else None

    def leave(self, model: nn.Module, args: tuple[Any, ...], found: object) -> object:
        """Read what the network returned as logits; in training mode auxiliary outputs stay beside them."""
        if self._version >= 0:
            self.writes[model.training] = args[0]._version != self._version or self.writes.get(model.training, False)
        main, words = main_output(found)
        if not isinstance(main, Tensor):
            return found
        read = two_classes if self.splits_one else _as_column
        logits = read(main)
        self.one_logit = self.one_logit or (self.splits_one and logits is not main)
        if model.training and isinstance(found, tuple | list | Mapping):
            return found if logits is main else _with_auxiliary(found, main, read)
        self.read_as = self.read_as or words
        return logits

    def notes(self) -> Iterator[str]:
        """What was done, one sentence each."""
        if self.read_as:
            yield f"the network returns {self.read_as} taken as the logits"
        if self.one_logit:
            yield "the network returns one logit, read as that of the second of two classes: sigmoid(logit) is its probability"
        if any(self.writes.values()):
            yield "the network writes into its input, so it is given a copy of the images"


def _as_column(score: Tensor) -> Tensor:
    """One score of each example, (n,), as (n, 1); other tensors as they are."""
    return score[:, None] if score.dim() == 1 else score


def _with_auxiliary(
    found: Sequence[object] | Mapping[Any, object], main: Tensor, read: Callable[[Tensor], Tensor]
) -> tuple[object, ...]:
    """`main` and then what else was returned in its shape, each as `read` reads it."""
    values = found.values() if isinstance(found, Mapping) else found
    others = [one for one in values if isinstance(one, Tensor) and one is not main and one.shape == main.shape]
    return read(main), *map(read, others)


class _Called(nn.Module):
    """Calls a network that takes no hooks."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


def guard_calls(model: nn.Module) -> nn.Module:
    """Put a `ForeignCall` around `model`, and return it; scripted TorchScript, which takes no hooks, as a part of a network."""
    call = ForeignCall()
    guarded: nn.Module = _Called(model) if isinstance(model, RecursiveScriptModule) else model
    guarded.register_forward_hook(call.leave)
    guarded.register_forward_pre_hook(call.enter)
    return guarded


def keep_one_output(model: nn.Module) -> nn.Module:
    """Leave one output of the user's own code in `model` as it is, a score, and return `model`."""
    for call in foreign_calls(model):
        call.splits_one = False
    return model


def foreign_calls(model: nn.Module) -> list[ForeignCall]:
    """The `ForeignCall` of each network of the user's own code in `model`."""
    hooks = (hook for module in model.modules() for hook in module._forward_hooks.values())
    owners = (getattr(hook, "__self__", None) for hook in hooks)
    return [owner for owner in owners if isinstance(owner, ForeignCall)]
