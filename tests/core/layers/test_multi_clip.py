"""Several clips for a network that takes one: which it sees, and what is made of its answers."""

import torch
from torch import nn

from dlcli.core.compute.rng import generator
from dlcli.core.layers.multi_clip import MultiClip, for_clips


class _Seen(nn.Module):
    """Says of a clip the mean of each channel of its last frame, doubled by its one weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        assert x.shape[2] == 4
        return self.weight * x[:, :, -1].mean((2, 3))


def _videos(n=6, clips=3):
    return torch.rand(n, 2, 4 * clips, 5, 5, generator=generator(0))


def test_evaluation_is_the_mean_over_the_clips():
    x, inner = _videos(), _Seen()
    parts = [inner(part) for part in x.split(4, dim=2)]
    assert torch.allclose(MultiClip(inner, 3).eval()(x), sum(parts) / 3)


def test_training_draws_one_clip_of_each_video_and_every_one_in_turn():
    x, inner = _videos(600), _Seen()
    parts = torch.stack([inner(part) for part in x.split(4, dim=2)])
    model = MultiClip(inner, 3).train()
    torch.manual_seed(1)
    found = model(x)
    drawn = (parts - found).abs().sum(2).argmin(0)
    assert torch.allclose(parts[drawn, torch.arange(600)], found)
    assert torch.bincount(drawn, minlength=3).min() > 150
    torch.manual_seed(1)
    assert torch.equal(model(x), found)
    assert not torch.equal(model(x), found)


def test_the_keys_are_those_of_the_network_inside():
    model = MultiClip(_Seen(), 2)
    assert list(model.state_dict()) == ["weight"]
    model.load_state_dict({"weight": torch.tensor(5.0)})
    assert model.inner.weight.item() == 5


def test_one_clip_needs_no_wrapper():
    inner = _Seen()
    assert for_clips(inner, 1) is inner
    assert isinstance(for_clips(inner, 2), MultiClip)
