"""A network of steps as a classifier of whole sequences, whatever their lengths and whatever they are batched with."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dlcli.core.compute.padding import without_padding
from dlcli.core.layers.causal import Causal
from dlcli.core.layers.wrapped import hide_from_state_dict

LENGTHS = "lengths"
"""The parameter of `forward` that passes the length of each sequence to a network."""


class OnSequences(nn.Module):
    """`inner` for sequences (n, channels, t) that may be padded, see `dlcli.core.compute.padding`.

    Of outputs (n, k, t) a sequence gets those at its last step, or with the pooling `mean` their mean; outputs (n, k) are
    taken as they are. A network that is neither `Causal` nor takes `lengths` gets sequences of one length at a time, so that
    none depends on what it is batched with. The keys of the state dict are those of `inner`.

    Attributes:
        by_step: Whether to give the outputs (n, k, t) themselves, 0 where a sequence has ended.
    """

    def __init__(self, inner: nn.Module, *, by_step: bool = False) -> None:
        super().__init__()
        self.inner, self.by_step = inner, by_step
        self.takes_lengths = LENGTHS in inspect.signature(inner.forward).parameters
        hide_from_state_dict(self)

    def forward(self, x: Tensor) -> Any:
        """Takes (n, channels, t), gives (n, k), or (n, k, t) with `by_step`."""
        steps = x.shape[2]
        x, lengths = without_padding(x)
        if self.by_step:
            return self._by_step(x, lengths, steps)
        if isinstance(self.inner, Causal):
            return pooled(self.inner(x), lengths, self.inner.pooling)
        if self.takes_lengths:
            return pooled(self.inner(x, lengths), lengths)
        different = lengths.unique().tolist()
        if len(different) == 1:
            return pooled(self.inner(x), lengths)
        rows = [(lengths == steps).nonzero()[:, 0] for steps in different]
        parts = [
            pooled(self.inner(x[picked, :, :steps]), lengths[picked]) for picked, steps in zip(rows, different, strict=True)
        ]
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def _by_step(self, x: Tensor, lengths: Tensor, steps: int) -> Any:
        outputs = self.inner(x, lengths) if self.takes_lengths else self.inner(x)
        if not isinstance(outputs, Tensor) or outputs.dim() != 3:
            return outputs
        inside = torch.arange(outputs.shape[2], device=outputs.device) < lengths[:, None]
        return pad(outputs * inside[:, None], (0, steps - outputs.shape[2]))


def step_by_step(model: nn.Module) -> nn.Module:
    """`model` itself, a network of whole sequences, which from now on gives the outputs of their steps."""
    for module in model.modules():
        if isinstance(module, OnSequences):
            module.by_step = True
    return model


def pooled(outputs: Any, lengths: Tensor, pooling: str = "last") -> Any:
    """Outputs (n, k) for whole sequences, of outputs (n, k, t) of their steps; anything else as it is.

    Args:
        outputs: What a network returned.
        lengths: Of the sequences, (n,).
        pooling: As `Causal.pooling`.
    """
    if not isinstance(outputs, Tensor) or outputs.dim() != 3:
        return outputs
    ends = lengths.clamp(min=1)
    if pooling == "last":
        return outputs.gather(2, (ends - 1)[:, None, None].expand(-1, outputs.shape[1], 1))[:, :, 0]
    inside = torch.arange(outputs.shape[2], device=outputs.device) < ends[:, None]
    # Summed in float64 where there is one, for in float32 the rounding depends on how many zeros follow.
    wide = torch.float32 if outputs.device.type == "mps" else torch.float64
    return ((outputs * inside[:, None]).sum(2, dtype=wide) / ends[:, None]).to(outputs.dtype)
