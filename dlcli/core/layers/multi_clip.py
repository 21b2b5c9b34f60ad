"""Several clips of a video, one after the other in time, for a network that takes one."""

import torch
from torch import Tensor, nn

from dlcli.core.layers.wrapped import hide_from_state_dict


class MultiClip(nn.Module):
    """`inner` for videos (n, c, clips * t, h, w): in training on one clip of each, drawn at random, else its mean logits.

    The draw is of torch's generator on the CPU. The keys of its state dict are those of `inner`.
    """

    def __init__(self, inner: nn.Module, clips: int) -> None:
        super().__init__()
        self.inner, self.clips = inner, clips
        hide_from_state_dict(self)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, c, clips * t, h, w), gives logits (n, classes)."""
        each = x.unflatten(2, (self.clips, -1)).transpose(1, 2)
        if self.training:
            drawn = torch.randint(self.clips, (len(x),)).to(x.device)
            found: Tensor = self.inner(each[torch.arange(len(x), device=x.device), drawn])
            return found
        found = self.inner(each.flatten(0, 1))
        mean: Tensor = found.unflatten(0, (len(x), self.clips)).mean(1)
        return mean


def for_clips(model: nn.Module, clips: int) -> nn.Module:
    """Wrap `model` for examples of several clips; with one clip it is `model` itself."""
    return model if clips == 1 else MultiClip(model, clips)
