"""The network for video around the tree of one for images."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from dlcli.core.layers.temporal import FrameCount
from dlcli.core.layers.wrapped import hide_from_state_dict


class VideoNet(nn.Module):
    """`inner`, a network for images whose `TemporalConv`s share `frame_count`, run on all frames of a clip.

    Time ends by a maximum, just before the module at the path `head`; "" : after the network. So the answer on a clip of one
    frame repeated is that on the frame, however long the clip. The keys of the state dict are those of `inner`.

    `origin` is what it takes to build the network again, in the terms of JSON, where that is not its name alone.
    """

    origin: Mapping[str, Any] | None = None

    def __init__(self, inner: nn.Module, frame_count: FrameCount, head: str) -> None:
        super().__init__()
        self.inner, self.frame_count, self.head = inner, frame_count, head
        hide_from_state_dict(self)
        if head:
            inner.get_submodule(head).register_forward_pre_hook(_PoolTime(frame_count))

    def forward(self, x: Tensor) -> Any:
        """Clips (n, c, t, h, w), or images (n, c, h, w) as clips of one frame; logits (n, classes)."""
        clips = x if x.dim() == 5 else x.unsqueeze(2)
        self.frame_count.frames = clips.shape[2]
        found = self.inner(clips.transpose(1, 2).flatten(0, 1))
        return found if self.head else _pooled(found, self.frame_count)


def origin_of(model: nn.Module) -> Mapping[str, Any] | None:
    """The origin of the network for video that `model` is or has inside."""
    return next((part.origin for part in model.modules() if isinstance(part, VideoNet)), None)


class _PoolTime:
    """A hook before the head; a class and no closure, so that copies of the network have their own clock."""

    def __init__(self, frame_count: FrameCount) -> None:
        self.frame_count = frame_count

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_pooled(args[0], self.frame_count), *args[1:])


def _pooled(x: Tensor, frame_count: FrameCount) -> Tensor:
    most: Tensor = x.unflatten(0, (-1, frame_count.frames)).amax(1)
    return most
