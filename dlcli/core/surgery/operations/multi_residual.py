"""Several residual functions a block, x + f1(x) + ... + fk(x), not more blocks (Abdi & Nahavandi 2016, arXiv 1609.05672).

The added ones are copies of the block's own branch, with weights redrawn from a normal distribution with the standard
deviation of the block's own weights. They stand in the state dict under the block, as `residuals.0...`; all other keys stay.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.graph.rewire import Address, Call, address_of, rewire
from dlcli.core.graph.skips import Skip
from dlcli.core.graph.trace import record_trace
from dlcli.core.surgery.base import WEIGHT_LAYERS, SurgeryResult, deep_copy, display_name, parse_whole
from dlcli.core.surgery.operations.residual_scale import skips_of
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = "K, the number of residual functions a block, 2 or more"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a whole number from 2 up."""
    parse_whole(argument, low=2)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with k branches in each residual block.

    Raises InputError if there is none, or if a block is not a module of its own, called once, that does one residual sum.
    """
    k = parse_whole(argument, low=2)
    done = deep_copy(model)
    skips = skips_of(record_trace(done, sample))
    _check_blocks(skips)
    for skip in skips:
        _multiply(done, skip, k)
    record_trace(done, sample)
    return SurgeryResult(done, f"{count(len(skips), 'residual block')} with {k} branches each")


def _check_blocks(skips: tuple[Skip, ...]) -> None:
    owners = [skip.owner for skip in skips]
    for owner in owners:
        if not owner or owners.count(owner) > 1:
            message = f"{display_name(owner)} does several residual sums, or is called several times"
            raise InputError(message if owner else "the residual sums are done by the network itself, not by blocks in it")
        if any(other != owner and other.startswith(f"{owner}.") for other in owners):
            raise InputError(f"{owner} is a residual block that holds others")


def _multiply(model: nn.Module, skip: Skip, k: int) -> None:
    block = model.get_submodule(skip.owner)
    if hasattr(block, "residuals"):
        raise InputError(f"{display_name(skip.owner)} has several residual functions already")
    address = address_of(skip.add)
    copies = nn.ModuleList(_duplicate_branch(block, skip, Address("", address.kind, address.position)) for _ in range(k - 1))
    given = _Given()
    block.register_module("residuals", copies)
    block.register_forward_pre_hook(given.push, with_kwargs=True)
    block.register_forward_hook(given.pop, always_call=True)
    rewire(model, {address: _Joined(skip.operand, copies, given)})


def _duplicate_branch(block: nn.Module, skip: Skip, address: Address) -> nn.Module:
    duplicate = deep_copy(block)
    inside = len(skip.owner) + 1
    needed = {op.layer for op in skip.branch}
    for path in {op.layer for op in skip.shortcut} - needed:
        parent, _, name = path[inside:].rpartition(".")
        if name and path.startswith(f"{skip.owner}."):
            setattr(duplicate.get_submodule(parent), name, nn.Identity())
    _redraw(duplicate)
    rewire(duplicate, {address: _Caught(skip.operand)})
    return duplicate


def _redraw(duplicate: nn.Module) -> None:
    for module in duplicate.modules():
        if isinstance(module, WEIGHT_LAYERS):
            weight: Any = module.weight
            with torch.no_grad():
                weight.normal_(0.0, math.sqrt(float(weight.square().mean())))


class _Given:
    """What a block is called with, while it runs."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def push(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.calls.append((args, kwargs))

    def pop(self, module: nn.Module, args: object, output: object) -> None:
        self.calls.pop()


class _BranchError(Exception):
    """Carries the branch's value out of a duplicate, whose sum and all after it are not wanted."""

    def __init__(self, branch: Tensor) -> None:
        super().__init__("the sum of a residual block was reached outside of it")
        self.branch = branch


class _Caught:
    """An edit of the sum in a duplicate."""

    def __init__(self, operand: int) -> None:
        self._operand = operand

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise _BranchError(args[self._operand])


class _Joined:
    """An edit of the sum in a block: the branches of its copies are added to its own."""

    def __init__(self, operand: int, copies: nn.ModuleList, given: _Given) -> None:
        self._operand, self._copies, self._given = operand, copies, given

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given, by_name = self._given.calls[-1]
        result = call_next(operation, args, kwargs)
        for duplicate in self._copies:
            result = call_next(torch.add, (result, _branch(duplicate, given, by_name)), {})
        return result


def _branch(duplicate: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    try:
        duplicate(*args, **kwargs)
    except _BranchError as caught:
        return caught.branch
    raise InputError("a residual block reached no sum, as it did on the sample")
