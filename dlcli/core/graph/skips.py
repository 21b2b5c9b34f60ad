"""Additive skips in any network, found in the flow of one forward pass: y = shortcut(x) + branch(x)."""

from dataclasses import dataclass

from dlcli.core.graph.trace import ADDITIONS, SAMPLE, WEIGHTED, Op, Trace


@dataclass(frozen=True)
class Skip:
    """A residual block: the sum `add`, whose positional operand `operand` (0 or 1) is the residual branch.

    `fork` is the node x that both ways start from; `branch` and `shortcut` are the operations along them, in order.
    """

    add: Op
    operand: int
    fork: int
    branch: tuple[Op, ...]
    shortcut: tuple[Op, ...]

    @property
    def depth(self) -> int:
        """How many layers with weights the branch has."""
        return _weighted(self.branch)

    @property
    def owner(self) -> str:
        """The path of the module whose code does the sum."""
        return self.add.owner


def find_skips(trace: Trace) -> tuple[Skip, ...]:
    """All residual blocks, in order (He et al. 2016, arXiv 1512.03385, equations 1 and 2).

    Where two branches are added, the one with more layers (convolutions, fully connected layers, attention) is the residual
    branch; a sum of branches with equally many is not a skip. Of several branches summed onto one shortcut, each is a block.
    """
    found: dict[int, Skip] = {}
    for op in trace.ops_named(ADDITIONS):
        skip = _skip(trace, op, found)
        if skip is not None:
            found[op.node] = skip
    return tuple(found.values())


def _skip(trace: Trace, op: Op, found: dict[int, Skip]) -> Skip | None:
    nodes = op.operands
    if len(nodes) != 2 or nodes[0] is None or nodes[1] is None or nodes[0] == nodes[1]:
        return None
    # Both operands descend from the fork, and nodes count in the order of execution: the fork is the latest ancestor that
    # they share. An operand that is an ancestor of the other is the fork itself, the identity shortcut.
    common = trace.ancestors(nodes[0]) & trace.ancestors(nodes[1])
    fork = common.bit_length() - 1
    if fork < SAMPLE:
        return None
    ways = tuple(_way(trace, node, common) for node in (nodes[0], nodes[1]))
    # A projection shortcut has a convolution too, so the branch is the way with more layers, not the way with any.
    depths = [_weighted(_without(way, node, found, fork)) for way, node in zip(ways, nodes, strict=True)]
    if depths[0] == depths[1]:
        return None
    operand = int(depths[1] > depths[0])
    return Skip(op, operand, fork, ways[operand], ways[1 - operand])


def _way(trace: Trace, node: int, common: int) -> tuple[Op, ...]:
    own = trace.ancestors(node) & ~common
    return tuple(op for op in trace.ops[:node] if own >> op.node & 1)


def _without(way: tuple[Op, ...], node: int | None, found: dict[int, Skip], fork: int) -> tuple[Op, ...]:
    """What a way has beside the branches already summed onto the same shortcut: in (x + f(x)) + g(x), nothing."""
    skip = found.get(node) if node is not None else None
    return skip.shortcut if skip is not None and skip.fork == fork else way


def _weighted(way: tuple[Op, ...]) -> int:
    return sum(op.name in WEIGHTED for op in way)
