"""The pointwise activations of a network: what they are called, and putting others in their place."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from dlcli.core.graph import rewire
from dlcli.core.graph.rewire import OWN_POSITIONS, Address, Call
from dlcli.core.graph.trace import ACTIVATIONS, RELUS, Op, Trace
from dlcli.core.layers.selu import ScaledELU
from dlcli.core.surgery.base import replace_modules, traces
from dlcli.support.errors import InputError
from dlcli.support.plural import count

POINTWISE = ACTIVATIONS - {"hardtanh"}
"""Operations that stand between layers. hardtanh is not among them: it also clips, as a gate or an output."""

_MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU),
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus, ScaledELU),
)
_KINDS = {
    **dict.fromkeys(RELUS, "ReLU"),
    **{"leaky_relu": "leaky ReLU", "leaky_relu_": "leaky ReLU", "prelu": "PReLU", "rrelu": "RReLU"},
    **{"elu": "ELU", "elu_": "ELU", "celu": "CELU", "selu": "SELU", "selu_": "SELU", "gelu": "GELU"},
    **{"silu": "SiLU", "mish": "Mish", "hardswish": "Hardswish", "softplus": "Softplus"},
}
_GATES = frozenset({"tanh", "tanh_", "sigmoid", "sigmoid_", "hardsigmoid", "hardtanh", "logsigmoid", "softsign"})
"""Pointwise operations that are often gates or outputs, and are left alone."""

_IN_PLACE = {"relu": 1, "relu6": 1, "silu": 1, "mish": 1, "hardswish": 1, "selu": 1, "elu": 2, "celu": 2, "leaky_relu": 2}
"""At which position a function of torch takes `inplace`."""


def kinds_of(ops: Sequence[Op], changed: int | None = None) -> str:
    """`17 ReLUs`, or `30 activations (10 Hardswishes, 20 ReLUs)`; with `changed`, `9 of 17 ReLUs`."""
    found = Counter(_KINDS[op.name] for op in ops)
    parts = [count(number, kind, f"{kind}es" if kind.endswith("sh") else "") for kind, number in sorted(found.items())]
    what = parts[0] if len(parts) == 1 else count(len(ops), "activation") + (f" ({', '.join(parts)})" if parts else "")
    return what if changed is None else f"{changed} of {what}"


def no_activation(trace: Trace, hint: str) -> InputError:
    """The error for a network without pointwise activations; it names those that could be something else."""
    if there := trace.ops_named(POINTWISE):
        return InputError(f"the network has {kinds_of(there)} already", hint=hint)
    others = sorted({op.name.rstrip("_") for op in trace.ops_named(_GATES)})
    if others:
        hint = f"it calls {' and '.join(others)}, which may be a gate or an output and is left alone: put nn.ReLU in its place"
    return InputError("the network has no ReLU, GELU, SiLU or other pointwise activation between layers", hint=hint)


def replace_activations(
    model: nn.Module, sample: Tensor, make: Callable[[Any], nn.Module], edit: "ReplaceActivation"
) -> list[Op]:
    """Replace every pointwise activation of a network, in place: ReLU, GELU, SiLU, Hardswish and the like.

    Args:
        model: The network.
        sample: An example of its input, (1, c, h, w).
        make: Returns the replacement of an activation module.
        edit: Replaces functional calls of an activation, and knows which ones stay.

    Returns:
        The calls that are replaced, of a forward pass before.

    Raises:
        InputError: If there is none.
    """
    kinds = tuple(kind for kind in _MODULES if kind not in edit.stays)
    if isinstance(model, kinds):
        raise InputError(f"the network is a {type(model).__name__} and nothing else")
    runs = traces(model, sample)
    calls = [op for op in runs[0].ops_named(edit.names) if not issubclass(runs[0].classes[op.layer], edit.stays)]
    # Modules are replaced as modules, so that print(model) shows the truth and hooks stay; functional calls have no module,
    # and are replaced when they run. The training pass counts too: auxiliary heads run there only.
    owners = {
        trace.classes[op.owner]
        for trace in runs
        for op in trace.ops_named(edit.names)
        if not issubclass(trace.classes[op.layer], _MODULES)
    }
    functional = [path for path, module in model.named_modules() if type(module) in owners]
    paths = replace_modules(model, kinds, make)
    # In the own code of these modules only, for what was put in calls activations too.
    rewire.rewire(model, {Address(path, "activation", OWN_POSITIONS): edit for path in functional})
    if not functional and not paths:
        raise no_activation(runs[0], "surgery fits networks with activations between their layers")
    return calls


class ReplaceActivation:
    """An edit: `function(x)` for an activation of x; those in modules of the classes `stays` or named in `keeps` stay."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        *,
        stays: tuple[type[nn.Module], ...] = (),
        keeps: frozenset[str] = frozenset(),
    ) -> None:
        self._function, self.stays, self.names = function, stays, POINTWISE - keeps

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run `function` for an activation, in place if that was."""
        name = getattr(operation, "__name__", "")
        if name not in self.names:
            return call_next(operation, args, kwargs)
        x = args[0] if args else kwargs["input"]
        at = _IN_PLACE.get(name, len(args))
        if name.endswith("_") or kwargs.get("inplace", len(args) > at and args[at]):
            return x.copy_(self._function(x.clone()))  # the backward pass needs what is overwritten
        return self._function(x)
