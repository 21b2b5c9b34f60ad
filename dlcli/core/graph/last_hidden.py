"""The last hidden layer of any network: what its last linear layer reads, and which images lie close together in it.

The layer is found by one forward pass written down (`core/graph/trace.py`), so it is the one that is called last, in whatever
order the modules are declared; a head whose output does not reach the logits is passed over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.batches import in_batches
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import in_mode, is_opaque, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import preserved
from dlcli.core.graph.output_ops import MarkedEnd, leading_to_output
from dlcli.core.graph.trace import WEIGHTED, record_trace
from dlcli.support.plural import count

NEIGHBOURS = 5
"""Number of neighbours whose classes are compared."""


@float32_precision("ieee")
@torch.no_grad()
def hidden_features(model: nn.Module, x: Tensor, *, device: torch.device, batch_size: int = 256) -> NDArray[np.float32] | None:
    """The inputs of the last layer with weights before the logits.

    That layer is a Linear, or a 1x1 Conv2d, whose input is averaged over its positions (as is that of a Linear over tokens).

    Args:
        model: The network, on `device`; it runs in evaluation mode, and its modes, hooks, gradients and random states are
            left as found.
        x: Images (n, c, h, w), floats or bytes, at least one.
        device: Where to compute.
        batch_size: Images per forward pass, fewer where memory requires it.

    Returns:
        Features (n, d); None if there is no such layer: for an ensemble, whose members each end in one, a network with
        another path around it, a scripted one, or one that ends in another kind of layer.

    Raises:
        InputError: If the network does not accept the images.
        ResourceError: If memory does not suffice for one image.
    """
    last = _find_last_layer(model, to_float(x[:1]).to(device))
    if last is None:
        return None
    parts: list[Tensor] = []
    with in_mode(model), preserved(), last.recorded() as seen:

        def features(batch: Tensor) -> tuple[Tensor, ...]:
            seen.clear()
            logits_of(model, to_float(batch).to(device))
            read = seen[last.call] if last.call < len(seen) else None
            if read is None or read.dim() < 2 or len(read) != len(batch):
                return ()  # not one row per image: crops or positions were folded into the batch
            return (last.averaged(read).float().cpu(),)

        for part in in_batches(features, x, size=at_a_time(batch_size, x, device), device=device):
            if not part:
                return None
            parts += part
    found: NDArray[np.float32] = torch.cat(parts).numpy()
    return found


@torch.no_grad()
def last_layer(model: nn.Module, sample: Tensor) -> str | None:
    """The path of the layer whose inputs are `hidden_features`, by a pass on `sample` (1, c, h, w).

    None where there is none, or it is called more than once. Raises what `record_trace` raises.
    """
    last = _find_last_layer(model, sample)
    if last is None or last.call:
        return None
    return next((path for path, module in model.named_modules() if module is last.layer and path), None)


def neighbours_agree(
    clean: NDArray[np.floating],
    labels: NDArray[np.integer],
    changed: NDArray[np.floating],
    predicted: NDArray[np.integer],
    *,
    neighbours: int = NEIGHBOURS,
) -> NDArray[np.bool_]:
    """For which images most of the nearest clean images have the class that the network predicts, (n,).

    After the k-nearest-neighbour test of Papernot and McDaniel 2018 (arXiv 1803.04765, section IV), here of one layer.
    Distances are Euclidean, and an image's own clean version is not among its neighbours.

    Args:
        clean: Hidden features (n, d) of the unchanged images.
        labels: Their true classes (n,).
        changed: Hidden features (n, d) of the same images in the same order, changed or not.
        predicted: The network's predictions (n,) on the changed images.
        neighbours: How many of the nearest clean images vote.

    Returns:
        One bool per image (n,).

    Raises:
        ValueError: Unless there are more images than neighbours.
    """
    from sklearn.neighbors import NearestNeighbors  # here, because it takes a second to import

    if len(clean) <= neighbours:
        raise ValueError(f"{count(len(clean), 'image')} have no {neighbours} neighbours each")
    near = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(clean).kneighbors(changed, return_distance=False)
    own = near == np.arange(len(clean))[:, None]
    own[~own.any(1), -1] = True  # the clean version is further away than all of these, of which one is not needed
    others = labels[near[~own].reshape(len(clean), neighbours)]
    agree: NDArray[np.bool_] = 2 * (others == predicted[:, None]).sum(1) > neighbours
    return agree


@dataclass(frozen=True)
class _LastLayer:
    """The layer through which every path to the logits runs, and the index of its call, from 0."""

    layer: nn.Module
    call: int

    @contextmanager
    def recorded(self) -> Iterator[list[Tensor]]:
        """Record the inputs of the layer in the list, call by call, while the context lasts."""
        seen: list[Tensor] = []

        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append((args[0] if args else kwargs["input"]).detach().clone())  # the network may change it in place

        handle = self.layer.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield seen
        finally:
            handle.remove()

    def averaged(self, read: Tensor) -> Tensor:
        """Average an input of the layer over positions (n, d, h, w) or tokens (n, ..., d), to (n, d)."""
        if isinstance(self.layer, nn.Conv2d):
            return read.float().mean((2, 3))
        return read.float().flatten(1, -2).mean(1) if read.dim() > 2 else read


def _find_last_layer(model: nn.Module, sample: Tensor) -> _LastLayer | None:
    """The last layer, by a pass on `sample` (1, c, h, w)."""
    if is_opaque(model):
        return None  # it takes no hooks
    ended = MarkedEnd(model)
    trace = record_trace(ended, sample)
    weighted = [op for op in leading_to_output(trace) if op.name in WEIGHTED]
    if not weighted or not all(weighted[-1].descends_from(op.node) for op in weighted):
        return None
    path, number = weighted[-1].calls[-1]
    layer = ended.get_submodule(path)
    if not _is_linear(layer):
        return None
    calls = {other for op in trace.ops for name, other in op.calls if name == path and other < number}
    return _LastLayer(layer, len(calls))


def _is_linear(layer: nn.Module) -> bool:
    """Whether it maps each position separately, all of its inputs to all of its outputs."""
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)
