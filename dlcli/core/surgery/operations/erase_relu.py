"""Take out the last ReLU of every block (EraseReLU, Dong et al. 2017, arXiv 1709.07634, section 3 and figure 1).

The paper has ReLUs; networks with GELU, SiLU, Hardswish or another pointwise activation lose the last of these.

A block is what the network's own data flow makes one: the code around a residual sum (its last ReLU is the one after the
sum in ResNets), a branch that is concatenated (Inception, DenseNet, Fire), and in plain networks the layers up to a pooling.
"""

from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import Any

from torch import Tensor, nn

from dlcli.core.graph.rewire import Address, Call, address_of, rewire
from dlcli.core.graph.skips import Skip, find_skips
from dlcli.core.graph.trace import CONCATENATIONS, POOLINGS, RELUS, Op, Trace, record_trace
from dlcli.core.surgery.activations import POINTWISE, kinds_of, no_activation
from dlcli.core.surgery.base import SurgeryResult, deep_copy, parse_number
from dlcli.support.errors import InputError

_GLOBAL = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax"})

ARGUMENT = "PROPORTION of the blocks, above 0 and up to 1 (default 1), spread evenly over the depth"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a proportion or empty."""
    _proportion(argument)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy without the last ReLU of each block, or of an evenly spaced share of the blocks."""
    share = _proportion(argument)
    done = deep_copy(model)
    trace = record_trace(done, sample)
    addresses = {address_of(op): None for op in last_activations(trace)}
    chosen = _spread(list(addresses), share)
    rewire(done, dict.fromkeys(chosen, erase))
    activations = trace.ops_named(POINTWISE)
    erased = sum(address_of(op) in chosen for op in activations)
    return SurgeryResult(done, f"{kinds_of(activations, erased)} erased")


def erase(call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return x for relu(x); see `Edit`."""
    return args[0] if args else kwargs["input"]


def last_activations(trace: Trace) -> list[Op]:
    """The last activation of every block, in order; raises InputError if the network has no activation or no blocks."""
    if not trace.ops_named(POINTWISE):
        raise no_activation(trace, "erase-relu fits networks with activations in their blocks")
    found = {op.node: op for op in chain(_of_residuals(trace), _of_branches(trace))}
    found = found or {op.node: op for op in _of_stages(trace)}
    if not found:
        hint = "erase-relu fits networks of residual blocks, concatenated branches, or layers between poolings"
        what = "a ReLU" if {op.name for op in trace.ops_named(POINTWISE)} <= RELUS else "an activation"
        raise InputError(f"no block ends in {what}: no residual sum, no concatenation and no pooling marks one", hint=hint)
    return [found[node] for node in sorted(found)]


def _proportion(argument: str) -> float:
    return parse_number(argument, low=0.0, high=1.0, default=1.0)


def _spread(addresses: list[Address], share: float) -> list[Address]:
    """round(share * n) of n and at least one, evenly spaced, the last among them."""
    n, kept = len(addresses), max(1, round(share * len(addresses)))
    return [addresses[-(-(k + 1) * n // kept) - 1] for k in range(kept)]


def _of_residuals(trace: Trace) -> Iterator[Op]:
    """Where a module's code does one residual sum, all modules of that class are blocks, as those that only widen or shrink.

    A module that does several sums, such as a whole network in one forward(), has a block a sum.
    """
    sums: dict[tuple[str, int], list[Skip]] = {}
    for skip in find_skips(trace):
        sums.setdefault(skip.add.calls[-1], []).append(skip)
    classes = {trace.classes[owner] for (owner, _), skips in sums.items() if owner and len(skips) == 1}
    last: dict[tuple[str, int], Op] = {}
    for op in trace.ops_named(POINTWISE):
        block = next((call for call in reversed(op.calls) if trace.classes[call[0]] in classes), None)
        if block is not None and not _is_gate(trace, op, block):
            last[block] = op
    yield from last.values()
    for (owner, _), skips in sums.items():
        if trace.classes[owner] not in classes:
            yield from (op for op in (_after_or_in(trace, skip) for skip in skips) if op is not None)


def _is_gate(trace: Trace, op: Op, block: tuple[str, int]) -> bool:
    """Whether an activation works on one value a channel that its block pooled, as in squeeze and excitation."""
    return prod(op.shape[2:]) == 1 and any(
        other.name in _GLOBAL and block in other.calls and op.descends_from(other.node) for other in trace.ops[: op.node]
    )


def _after_or_in(trace: Trace, skip: Skip) -> Op | None:
    after = next((op for op in trace.consumers(skip.add.node) if op.name in POINTWISE), None)
    return after or next((op for op in reversed(skip.branch) if op.name in POINTWISE), None)


def _of_branches(trace: Trace) -> Iterator[Op]:
    """Activations that are concatenated, and the last on the way from one part of a concatenation to a later one (DenseNet)."""
    for cat in trace.ops_named(CONCATENATIONS):
        for node in cat.parents:
            op = trace.op(node)
            if op is not None and op.name in POINTWISE:
                yield op
            elif before := [other for other in cat.parents if other != node and trace.ancestors(node) >> other & 1]:
                way = trace.ancestors(node) & ~trace.ancestors(max(before))
                last = next((op for op in reversed(trace.ops[:node]) if way >> op.node & 1 and op.name in POINTWISE), None)
                yield from [last] if last else []


def _of_stages(trace: Trace) -> Iterator[Op]:
    """Activations that are pooled."""
    pooled = {node for pool in trace.ops_named(POOLINGS) for node in pool.parents}
    return (op for op in trace.ops_named(POINTWISE) if op.node in pooled)
