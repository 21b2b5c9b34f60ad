"""A recorded forward pass: which operations ran, in which module's code, and which outputs they read.

Nothing is traced symbolically: the network runs once on real input, so control flow, functional calls and shared modules
appear as they are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.forward import in_mode, refuse_opaque, shape_of
from dlcli.core.compute.rng import preserved
from dlcli.support.errors import DlcliError, InputError, MemoryLimitError

RELUS = frozenset({"relu", "relu_", "relu6"})
ACTIVATIONS = RELUS | {
    "elu",
    "elu_",
    "selu",
    "selu_",
    "celu",
    "leaky_relu",
    "leaky_relu_",
    "prelu",
    "rrelu",
    "softplus",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "hardtanh",
}
ADDITIONS = frozenset({"add", "add_"})
CONCATENATIONS = frozenset({"cat", "concat", "concatenate"})
POOLINGS = frozenset(
    f"{adaptive}{kind}_pool{d}d{indices}"
    for adaptive in ("", "adaptive_")
    for kind in ("max", "avg")
    for d in (1, 2, 3)
    for indices in ("", "_with_indices")
)
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
WEIGHTED = CONVOLUTIONS | {"linear", "bilinear", "multi_head_attention_forward", "scaled_dot_product_attention"}

_ONLY_SHAPES = frozenset(
    {f"new_{what}" for what in ("empty", "full", "ones", "zeros", "tensor")}
    | {f"{what}_like" for what in ("empty", "full", "ones", "zeros", "rand", "randn", "randint")}
)
"""What these return depends on the shape and type of a tensor, not on its values: masks of windows are made so."""

_TRANSPARENT = (
    *(nn.ReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.CELU, nn.LeakyReLU, nn.PReLU, nn.RReLU),
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus, nn.Identity),
)

SAMPLE = 0
"""The node that stands for the input of the network."""


def counted_kind(name: str) -> str | None:
    """What an operation is counted as: `activation`, `addition` or nothing."""
    if name in ACTIVATIONS:
        return "activation"
    return "addition" if name in ADDITIONS else None


def is_transparent(module: nn.Module) -> bool:
    """Whether what the module does is counted as done by its caller: activation modules, of which one may serve many calls."""
    return isinstance(module, _TRANSPARENT)


@dataclass(frozen=True)
class Op:
    """An operation on what came from the input.

    `node` counts from 1 in the order of execution. `owner` is the path of the module whose own code ran it (the caller's,
    for activation modules), `layer` that of the innermost module, `calls` has (path, number) of all calls that were under
    way, the owner's last, and `position` is how many operations of the same kind the owner's call ran before. `operands`
    are the nodes behind its positional tensors (None: a weight or a constant), `parents` all nodes it read, `ancestors` a
    bit set of all nodes it descends from, itself included. `shape` is that of its (first) output.
    """

    node: int
    name: str
    owner: str
    layer: str
    calls: tuple[tuple[str, int], ...]
    position: int
    operands: tuple[int | None, ...]
    parents: tuple[int, ...]
    ancestors: int
    shape: tuple[int, ...]

    def descends_from(self, node: int) -> bool:
        """Whether `node` is this operation or one that it descends from."""
        return bool(self.ancestors >> node & 1)


@dataclass(frozen=True)
class Trace:
    """All operations of one forward pass on `shape`, in order; `classes` has the class of each module's path."""

    ops: tuple[Op, ...]
    shape: tuple[int, ...]
    classes: Mapping[str, type[nn.Module]]

    def op(self, node: int) -> Op | None:
        """The operation of a node; None for the sample."""
        return None if node == SAMPLE else self.ops[node - 1]

    def ancestors(self, node: int) -> int:
        """Bit set of the nodes that `node` descends from, itself and the sample included."""
        return 1 if node == SAMPLE else self.ops[node - 1].ancestors

    def ops_named(self, names: frozenset[str]) -> list[Op]:
        """The operations with one of these names, in order."""
        return [op for op in self.ops if op.name in names]

    def consumers(self, node: int) -> list[Op]:
        """The operations that read `node`."""
        return [op for op in self.ops[node:] if node in op.parents]


def record_trace(model: nn.Module, sample: Tensor, *, training: bool = False) -> Trace:
    """Run `model` on `sample` (n, c, h, w) and write down what happens; it may be on any device, of any floating type.

    In evaluation mode the model is left as it was; `training` runs it as in training, which changes running statistics.
    Raises InputError if the model fails on such a sample, ResourceError if the memory does not suffice.
    """
    like = next((p for p in chain(model.parameters(), model.buffers()) if p.is_floating_point()), sample)
    recorder = _Recorder(model)
    with ExitStack() as stack:
        stack.enter_context(preserved())
        stack.enter_context(torch.no_grad())
        stack.enter_context(in_mode(model, training=training))
        stack.enter_context(recorder.listening(model))
        recorder.know(given := sample.to(like), SAMPLE)
        with recorder:
            _run(model, given)
    classes = {path: type(module) for path, module in model.named_modules()}
    return Trace(tuple(recorder.ops), tuple(sample.shape), classes)


@contextmanager
def keep_output(model: nn.Module, x: Tensor, node: int) -> Iterator[list[Tensor]]:
    """Keep the output of an operation, with its graph, while the block runs `model` once.

    Args:
        model: The network whose trace has the operation.
        x: What the block runs it on.
        node: The operation in the trace.

    Yields:
        A list that holds the output after the run, and nothing if there were fewer operations.
    """
    recorder = _Recorder(model, node)
    with recorder.listening(model):
        recorder.know(x, SAMPLE)
        with recorder:
            yield recorder.wanted


def _run(model: nn.Module, sample: Tensor) -> None:
    try:
        model(sample)
    except DlcliError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise MemoryLimitError("the memory does not hold the network and one image") from error
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the model fails on an image of shape {shape_of(sample[0])}: {first}") from error


def _name(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    name = getattr(func, "__name__", "")
    if name == "hardtanh":  # what nn.ReLU6 calls
        bounds = args[1:3] or (kwargs.get("min_val", -1.0), kwargs.get("max_val", 1.0))
        return "relu6" if tuple(bounds) == (0.0, 6.0) else name
    return name


@dataclass
class _Call:
    path: str
    number: int
    transparent: bool
    counts: Counter[str] = field(default_factory=Counter)


class _Recorder(TorchFunctionMode):
    def __init__(self, model: nn.Module, wanted: int | None = None) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.wanted: list[Tensor] = []
        self._wanted = wanted
        self._stack: list[_Call] = [_Call("", 0, transparent=False)]
        self._calls = 0
        self._nodes: dict[int, int] = {}
        # Tensors are recognised by id. Python reuses the id of an object that is freed, so every tensor stays alive until the
        # recording ends; for one image that is cheap.
        self._kept: list[Tensor] = []
        self._paths = {module: path for path, module in model.named_modules()}

    @contextmanager
    def listening(self, model: nn.Module) -> Iterator[None]:
        refuse_opaque(model)
        handles: list[RemovableHandle] = []
        for module in list(model.modules()):
            # always_call: a forward pass that raises, in a network that catches it, must not leave its call on the stack.
            handles.append(module.register_forward_pre_hook(self._enter))
            handles.append(module.register_forward_hook(self._leave, prepend=True, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: object) -> None:
        self._calls += 1
        self._stack.append(_Call(self._paths[module], self._calls, is_transparent(module) and len(self._stack) > 1))

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        self._stack.pop()

    def know(self, tensor: Tensor, node: int) -> None:
        self._kept.append(tensor)
        self._nodes[id(tensor)] = node

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Read before the call: an operation in place returns its own operand, which then stands for the result.
        operands = tuple(self._nodes.get(id(a)) for a in args if isinstance(a, Tensor))
        read = [self._nodes.get(id(leaf)) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        parents = tuple(dict.fromkeys(node for node in read if node is not None))
        result = func(*args, **(kwargs or {}))
        name = _name(func, args, kwargs or {})
        written = [args[0]] if name == "__setitem__" else [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self._write(name, operands, parents, written)
        return result

    def _write(self, name: str, operands: tuple[int | None, ...], parents: tuple[int, ...], outputs: list[Tensor]) -> None:
        calls = tuple((call.path, call.number) for call in self._stack if not call.transparent)
        owner = next(call for call in reversed(self._stack) if not call.transparent)
        kind = counted_kind(name)
        # The position is counted even where the operation is not recorded (on constants, say), because `rewire` counts calls
        # as they run and cannot know what flows into them.
        position = owner.counts[kind] if kind else 0
        if kind:
            owner.counts[kind] += 1
        if not parents or not outputs or name in _ONLY_SHAPES:
            return
        node = len(self.ops) + 1
        # A set of ancestors as the bits of one integer: union, intersection and membership are single operations, and the
        # latest common ancestor of two nodes is the highest bit of an intersection.
        ancestors = 1 << node
        for parent in parents:
            ancestors |= 1 if parent == SAMPLE else self.ops[parent - 1].ancestors
        layer, shape = self._stack[-1].path, tuple(outputs[0].shape)
        self.ops.append(Op(node, name, owner.path, layer, calls, position, operands, parents, ancestors, shape))
        self.wanted += outputs if node == self._wanted else []
        for output in outputs:
            self.know(output, node)
