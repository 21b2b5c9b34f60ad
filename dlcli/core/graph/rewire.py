"""Replaces single operations of a network's forward pass, call by call, without changing its code or its state dict.

An edit is addressed by a module's path, a kind of operation and its position among those in one call of that module, as
a `Trace` counts them. Hooks on the module intercept its operations while it runs, so functional calls are reached, and an
activation module that is called twice can be replaced in one of the calls. Copies of the network carry their own hooks.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from dlcli.core.graph.trace import Op, counted_kind, is_transparent

Call = Callable[..., Any]
Edit = Callable[[Call, Call, tuple[Any, ...], dict[str, Any]], Any]
"""edit(call_next, operation, args, kwargs) returns the result; `call_next(operation, args, kwargs)` runs an operation."""

ALL_POSITIONS = -1
"""The position that stands for all operations of the kind, in the module and in all below it."""

OWN_POSITIONS = -2
"""The position that stands for all operations of the kind in the module's own code."""


@dataclass(frozen=True)
class Address:
    """Which operation: `owner` is a module's path, `kind` is `activation` or `addition`."""

    owner: str
    kind: str
    position: int


def address_of(op: Op) -> Address:
    """Where `op` is done; `op` must be of a kind that is counted."""
    kind = counted_kind(op.name)
    assert kind is not None, op.name  # noqa: S101 - a bug here, not an error of the user
    return Address(op.owner, kind, op.position)


def rewire(model: nn.Module, edits: Mapping[Address, Edit]) -> None:
    """Replace the operations of `model` at these addresses, in place and from now on.

    Positions count what earlier edits left, as a new trace of the model shows them.
    """
    for owner in dict.fromkeys(address.owner for address in edits):
        chosen = {(a.kind, a.position): edit for a, edit in edits.items() if a.owner == owner}
        _scope_of(model.get_submodule(owner)).passes.append(chosen)


def leave_out_new_modules(model: nn.Module) -> None:
    """Keep the positions of all edits, in place, after modules were put in: what these do inside is not their caller's."""
    for module in model.modules():
        if any(isinstance(hook, _Enter) for hook in module._forward_pre_hooks.values()):
            _scope_of(module)


@dataclass
class _Scope:
    passes: list[dict[tuple[str, int], Edit]] = field(default_factory=list)


def _scope_of(module: nn.Module) -> _Scope:
    scope = next((hook.scope for hook in module._forward_pre_hooks.values() if isinstance(hook, _Enter)), None)
    if scope is None:
        scope = _Scope()
        _bracket(module, _Enter(scope), _leave)
    # While a module inside runs, its operations are not those of the outer one. It pushes None, so that the outer frame is not
    # on top of the stack; activation modules do not, because what they do counts as done by their caller. Modules may have been
    # replaced since the last time.
    for below in module.modules():
        if below is not module and not is_transparent(below) and not _has_hook(below):
            _bracket(below, _pause, _leave)
    return scope


def _bracket(module: nn.Module, enter: Callable[..., None], leave: Callable[..., None]) -> None:
    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, prepend=True, always_call=True)


def _has_hook(module: nn.Module) -> bool:
    return any(isinstance(hook, _Enter) or hook is _pause for hook in module._forward_pre_hooks.values())


# One stack per thread, because a program may run several networks, or replicas of one, in threads.
class _Frames(threading.local):
    def __init__(self) -> None:
        self.stack: list[_Frame | None] = []


_FRAMES = _Frames()


class _Enter:
    def __init__(self, scope: _Scope) -> None:
        self.scope = scope

    def __call__(self, module: nn.Module, args: object) -> None:
        frame = _Frame(self.scope)
        _FRAMES.stack.append(frame)
        frame.__enter__()  # type: ignore[no-untyped-call]


def _pause(module: nn.Module, args: object) -> None:
    _FRAMES.stack.append(None)


def _leave(module: nn.Module, args: object, output: object) -> None:
    frame = _FRAMES.stack.pop()
    if frame is not None:
        frame.__exit__(None, None, None)  # type: ignore[no-untyped-call]


class _Frame(TorchFunctionMode):
    """One call of one module; the operations of modules called inside are not its own."""

    def __init__(self, scope: _Scope) -> None:
        super().__init__()
        self._passes = scope.passes
        self._counts = [Counter[str]() for _ in scope.passes]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._call_next(0, _FRAMES.stack[-1] is self, func, args, kwargs or {})

    def _call_next(self, first: int, own: bool, func: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = counted_kind(getattr(func, "__name__", ""))
        # Later edits see what earlier ones call, so each set of edits keeps its own count, and an edit continues with the sets
        # after its own: surgery composes in the order in which it is given.
        for number in range(first, len(self._passes)) if kind else ():
            edit = self._edit(number, str(kind), own)
            if edit is not None:
                return edit(partial(self._call_next, number + 1, own), func, args, kwargs)
        return func(*args, **kwargs)

    def _edit(self, number: int, kind: str, own: bool) -> Edit | None:
        position = ALL_POSITIONS
        if own:
            position = self._counts[number][kind]
            self._counts[number][kind] += 1
        chosen = self._passes[number]
        everywhere = chosen.get((kind, ALL_POSITIONS))
        return chosen.get((kind, position)) or (chosen.get((kind, OWN_POSITIONS), everywhere) if own else everywhere)
