"""A convolution along time and over space, for clips whose frames lie in the batch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ENDS = ("replicate", "renorm", "zeros")
"""What a layer reads before the first frame and after the last: the frame at the end again; nothing, and the taps inside
count for more (partial convolution, Liu et al. 2018, arXiv 1811.11718, along time); or zeros."""

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)


class FrameCount:
    """How many frames a clip has, for all layers of a network: set before each pass, and left so, for what is recomputed."""

    def __init__(self) -> None:
        self.frames = 1


class TemporalConv(nn.Conv2d):
    """Conv3d with stride 1 along time, of clips as (n * t, c, h, w); t frames come out, as they went in.

    `weight` is laid out as Conv3d's, (out, in / groups, taps, kh, kw); the other settings are the Conv2d's that it comes
    from, along space. With x the frames, it gives sum_j W_j u_j(t), u_j(t) the mean of x[t + (j - taps // 2) d] over the
    `dilations` d in use: in training one, drawn for this layer and batch by torch's generator of the CPU; else all of them.
    `ends` is one of ENDS.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        weight: Tensor,
        frame_count: FrameCount,
        *,
        ends: str = "replicate",
        dilations: Sequence[int] = (1,),
    ) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
            device="meta",
        )
        self.weight = nn.Parameter(weight, requires_grad=conv.weight.requires_grad)
        if conv.bias is not None:
            self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=conv.bias.requires_grad)
        self.frame_count, self.ends, self.dilations = frame_count, ends, tuple(dilations)
        for name in _HOOKS:
            getattr(self, name).update(getattr(conv, name))
        self.train(conv.training)

    @property
    def taps(self) -> int:
        """How many frames a weight reaches over, before dilation."""
        return self.weight.shape[2]

    def forward(self, x: Tensor) -> Tensor:
        """(n * t, c, h, w) to (n * t, out, h', w')."""
        dilations = self._in_use()
        # Frames are in the batch, so the network's own code runs unchanged, and one 2-D convolution over `taps` times as many
        # channels does the work of a 3-D one. Convolution is linear: frames may be averaged and shifted before it or after
        # it, wherever there are fewer channels.
        if self.groups == 1 and self.out_channels < self.in_channels:
            parts = self._conv_forward(x, self.weight.movedim(2, 0).flatten(0, 1), None).chunk(self.taps, 1)
            read = [self._mean(part, offset, dilations) for part, offset in zip(parts, self._offsets(), strict=True)]
            found: Tensor = sum(read[1:], read[0])
            return found if self.bias is None else found + self.bias[:, None, None].to(found.dtype)
        read = [self._mean(x, offset, dilations) for offset in self._offsets()]
        weight = self.weight.transpose(1, 2).flatten(1, 2)
        convolved: Tensor = self._conv_forward(_side_by_side(read, self.groups), weight, self.bias)
        return convolved

    def fuse(self) -> "TemporalConv":
        """What the layer is in evaluation, as one wider kernel; no dilation is left to draw.

        Raises ValueError if its ends are renormalised, for each dilation by itself, which no one kernel does.
        """
        if self.ends == "renorm":
            raise ValueError("renormalised ends have no one kernel")
        old, most = self.weight.detach(), self.taps // 2 * max(self.dilations)
        wide = old.new_zeros(*old.shape[:2], 2 * most + 1, *old.shape[3:])
        for tap, offset in enumerate(self._offsets()):
            for d in self.dilations:
                wide[:, :, most + offset * d] += old[:, :, tap] / len(self.dilations)
        return TemporalConv(self, wide, self.frame_count, ends=self.ends)

    def extra_repr(self) -> str:
        """For print(model)."""
        shown = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{shown}, taps={self.taps}, dilations={self.dilations}, ends={self.ends}"

    def _offsets(self) -> range:
        return range(-(self.taps // 2), self.taps - self.taps // 2)

    def _in_use(self) -> Sequence[int]:
        if not self.training or len(self.dilations) == 1:
            return self.dilations
        return (self.dilations[int(torch.randint(len(self.dilations), ()))],)

    def _mean(self, x: Tensor, offset: int, dilations: Sequence[int]) -> Tensor:
        """u_j of all frames."""
        if offset == 0 and self.ends != "renorm":
            return x
        mean = self._shifted(x, offset, dilations[0])
        for dilation in dilations[1:]:
            mean += self._shifted(x, offset, dilation)
        return mean if len(dilations) == 1 else mean.mul_(1 / len(dilations))

    def _shifted(self, x: Tensor, offset: int, dilation: int) -> Tensor:
        """A new tensor, the frames that are `offset` times `dilation` away."""
        frames = self.frame_count.frames
        times = torch.arange(frames, device=x.device)
        firsts = torch.arange(0, len(x), frames, device=x.device)
        wanted = times + offset * dilation
        # Clamped to the clip's own frames: without that, the neighbour in the batch, another clip, would be read.
        read = _picked(x, (firsts[:, None] + wanted.clamp(0, frames - 1)).flatten())
        if self.ends == "replicate":
            return read
        share = _inside(wanted, frames).to(x.dtype)
        if self.ends == "renorm":
            share = share * self.taps / sum(_inside(times + other * dilation, frames) for other in self._offsets())
        return read * share.repeat(len(firsts))[:, None, None, None]

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        """As always, but memory formats of images are for weights of four axes."""

        # `model.to(memory_format=channels_last)` refuses weights of five axes; with time in the channels they have four.
        def flattened(t: Tensor) -> Any:
            return fn(t.flatten(1, 2)).unflatten(1, t.shape[1:3]) if t.dim() == 5 else fn(t)

        return super()._apply(flattened, recurse)  # type: ignore[no-untyped-call]


def _picked(x: Tensor, rows: Tensor) -> Tensor:
    """`x[rows]` in the memory layout of `x`, without the slow gradient of indexing."""
    if x.stride(1) > 1:
        return x.index_select(0, rows)
    return x.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)


def _side_by_side(parts: list[Tensor], groups: int) -> Tensor:
    """The channels of all parts, those of a group together."""
    if groups == 1:
        return torch.cat(parts, 1)  # of four axes, which keeps the layout of channels last
    return torch.cat([part.unflatten(1, (groups, -1)) for part in parts], 2).flatten(1, 2)


def _inside(times: Tensor, frames: int) -> Tensor:
    return ((times >= 0) & (times < frames)).int()
