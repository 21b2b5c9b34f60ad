"""Statistics of batch normalisation by hand."""

import pytest
import torch
from torch import nn

from dlcli.core.data.base import ImageData
from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.inflate.recalibrate import recalibrate
from dlcli.support.errors import InputError


def _video():
    norms = nn.BatchNorm2d(4), nn.BatchNorm2d(5)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), norms[0], nn.ReLU(), nn.Conv2d(4, 5, 1), norms[1], nn.Dropout(0.5))
    image = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))
    return inflate(image, torch.rand(1, 3, 8, 8), Inflation()).model.train()


@pytest.mark.parametrize("frames", [None, 4])
def test_they_are_those_of_images_as_still_clips_or_of_clips(frames):
    torch.manual_seed(0)
    model = _video()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    shape = (16, 3, 8, 8) if frames is None else (16, 3, frames, 8, 8)
    x, y = torch.rand(shape), torch.arange(16) % 2
    assert recalibrate(model, ImageData(x, y, x[:0], y[:0], ("a", "b"), "made up"), frames=3) == 16
    clips = x.unsqueeze(2).repeat(1, 1, 3, 1, 1) if frames is None else x
    first, second = model.inner[0][1], model.inner[0][4]
    with torch.no_grad():
        seen = model.inner[0][0](clips.transpose(1, 2).flatten(0, 1))
    assert torch.allclose(first.running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    halves = [half.transpose(0, 1).flatten(1).var(1) for half in seen.chunk(2)]  # two batches of 8
    assert torch.allclose(first.running_var, torch.stack(halves).mean(0), atol=1e-5)
    assert (first.momentum, second.momentum, model.training, first.training) == (0.1, 0.1, True, True)
    after = model.state_dict()
    assert {key for key in before if not torch.equal(before[key], after[key])} == {
        f"0.{k}.{name}" for k in (1, 4) for name in ("running_mean", "running_var", "num_batches_tracked")
    }


def test_without_any_there_is_nothing_to_do():
    model = inflate(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(72, 2)),
        torch.rand(1, 1, 8, 8),
        Inflation(),
    )
    x, y = torch.rand(2, 1, 8, 8), torch.arange(2)
    with pytest.raises(InputError, match="no batch normalisation"):
        recalibrate(model.model, ImageData(x, y, x, y, ("a", "b"), "made up"), frames=2)
