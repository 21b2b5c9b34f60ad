"""Follows units through one forward pass, whatever code moves them about.

Behind an operation without a rule labels are lost, which is an error as soon as a layer with weights reads its result; until
then it may be part of the output, such as a softmax.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.forward import in_mode, refuse_opaque, shape_of
from dlcli.core.compute.rng import preserved
from dlcli.core.surgery.base import display_name
from dlcli.core.surgery.growth.labels import FIXED, Labels, fixed_labels, units_in
from dlcli.core.surgery.growth.layers import has_units
from dlcli.core.surgery.growth.rules import LIKE_FIRST, OWN_WEIGHTS, LabelledCall, LostLabelsError, labels_after
from dlcli.support.errors import DlcliError, InputError, MemoryLimitError


class Lost(NamedTuple):
    """Stands for labels that could not be followed, and says why."""

    why: str


class Follower(TorchFunctionMode, ABC):
    """Runs `model` and labels all that depends on its input. Subclasses say what layers do, and note what is done to units."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.drops = False
        self._paths = {module: path for path, module in model.named_modules()}
        self._parameters = {id(parameter) for parameter in model.parameters()}
        self._known: dict[int, Labels | Lost] = {}
        self._kept: list[Tensor] = []
        self._stack: list[str] = []
        self._layer: nn.Module | None = None
        self._read: Labels | None = None
        self._failed: str | None = None

    @abstractmethod
    def enter_layer(self, path: str, layer: nn.Module, labels: Labels) -> None:
        """Called before a layer with units reads what `labels` label."""

    @abstractmethod
    def leave_layer(self, path: str, layer: nn.Module, labels: Labels, output: Tensor) -> Labels:
        """Label what a layer puts out.

        Args:
            path: Where it is in the network.
            layer: The layer.
            labels: Those of what it read.
            output: What it put out.

        Returns:
            Labels in the shape of `output`.
        """

    def unite(self, units: Sequence[tuple[int, int]]) -> None:
        """Called with pairs of units that meet in a pointwise operation."""

    def fix(self, units: Sequence[int]) -> None:
        """Called with units that must stay as many as they are."""

    def part(self, units: Sequence[int]) -> None:
        """Called with the units of a slice."""

    def failure(self, module: str, sample: Tensor, reason: str) -> DlcliError:
        """The error for a network that fails in `module`."""
        return InputError(f"the model fails on an image of shape {shape_of(sample[0])}: {reason}")

    def follow(self, sample: Tensor, *, training: bool = False) -> None:
        """Run the network on `sample` (1, ...); as in training, all but normalisation and dropout, if `training`.

        Raises InputError, naming the module, for what cannot be followed.
        """
        with ExitStack() as stack:
            stack.enter_context(preserved())
            stack.enter_context(torch.no_grad())
            stack.enter_context(in_mode(self.model))
            stack.enter_context(self._listening())
            for module in self.model.modules() if training else ():
                # What draws masks or keeps statistics has no modules inside; the others may run auxiliary heads.
                module.training = any(True for _ in module.children()) and not has_units(module)
            self._know(sample, fixed_labels(sample))
            for output in _tensors(self._run(sample)):
                labels = self._known.get(id(output))
                if isinstance(labels, Labels):
                    self.fix(units_in(labels.unit))
        self._known.clear()
        self._kept.clear()

    def _run(self, sample: Tensor) -> Any:
        self._stack, self._layer, self._failed = [], None, None
        try:
            with self:
                return self.model(sample)
        except DlcliError:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise MemoryLimitError("the memory does not hold the network") from error
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise self.failure(display_name(self._failed or ""), sample, first) from error

    @contextmanager
    def _listening(self) -> Iterator[None]:
        refuse_opaque(self.model)
        handles: list[RemovableHandle] = []
        for module in list(self.model.modules()):
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            # First of all hooks, so that what others do to the output is followed too.
            handles.append(module.register_forward_hook(self._leave, prepend=True, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._stack.append(self._paths[module])
        if not has_units(module) or self._layer is not None:
            return
        path, labels = self._paths[module], self._known.get(id(args[0] if args else kwargs["input"]))
        if labels is None:
            raise InputError(f"{display_name(path)} reads what no known operation on the input made")
        if isinstance(labels, Lost):
            raise InputError(labels.why)
        self._layer, self._read = module, labels
        self.enter_layer(path, module, labels)

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        path = self._stack.pop()
        if self._layer is not module:
            return
        self._layer = None
        if isinstance(output, Tensor) and self._read is not None:
            self._know(output, self.leave_layer(path, module, self._read, output))

    def _know(self, tensor: Tensor, labels: Labels | Lost) -> None:
        self._kept.append(tensor)  # ids of tensors that are freed are used again
        self._known[id(tensor)] = labels

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = {id(leaf): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        # Read before the call: an operation in place returns its own operand, which then stands for the result.
        states = {key: self._known[key] for key in read if key in self._known}
        try:
            result = func(*args, **kwargs)
        except Exception:
            self._failed = self._failed or (self._stack[-1] if self._stack else "")
            raise
        name = getattr(func, "__name__", "").strip("_")
        if self._layer is None and states and not (name in LIKE_FIRST and id(args[0]) not in states):
            outputs = [args[0]] if name == "setitem" else [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            constants = [tensor for key, tensor in read.items() if key not in states]
            known = {key: labels for key, labels in states.items() if isinstance(labels, Labels)}
            lost = next((state for state in states.values() if isinstance(state, Lost)), None)
            self._write(LabelledCall(name, func, args, kwargs, known, constants, outputs), lost)
        return result

    def _write(self, op: LabelledCall, lost: Lost | None) -> None:
        self.drops = self.drops or op.drops
        if lost is None:
            try:
                for output, labels in zip(op.outputs, labels_after(op, self), strict=True):
                    self._know(output, labels)
                return
            except LostLabelsError as error:
                what = str(error) or f"calls {op.name}, through which units cannot be followed"
                why = f"{display_name(self._stack[-1] if self._stack else '')} {what}"
                self._lose(op, Lost(why), grows=any(units_in(labels.unit) != [FIXED] for labels in op.labels))
        else:
            self._lose(op, lost, grows=True)

    def _lose(self, op: LabelledCall, lost: Lost, *, grows: bool) -> None:
        """Note that an operation has no rule; what it computes of things that do not grow does not grow either."""
        if any(id(tensor) in self._parameters for tensor in op.constants) or (grows and op.name in OWN_WEIGHTS):
            raise InputError(lost.why)
        for labels in op.labels:
            self.fix(units_in(labels.unit))
        for output in op.outputs:
            self._know(output, lost if grows else fixed_labels(output))


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return list(chain.from_iterable(_tensors(one) for one in output))
    return [output] if isinstance(output, Tensor) else []
