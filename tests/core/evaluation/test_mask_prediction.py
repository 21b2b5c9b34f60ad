"""Pictures are predicted whole, each without what lies beside it, and in overlapping tiles where memory does not hold one."""

import torch
from torch import Tensor, nn

from dlcli.core.data.mask_labels import OUTSIDE
from dlcli.core.evaluation.mask_prediction import measure_masks, picture_logits, tiled
from dlcli.core.objectives.cross_entropy import PixelCrossEntropy

CPU = torch.device("cpu")


class Limited(nn.Module):
    """A convolution that runs out of memory on pictures of more than `most` pixels."""

    def __init__(self, kernel: int, most: int = 10**9) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Conv2d(3, 4, kernel, padding=kernel // 2)
        self.most, self.seen = most, []

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] * x.shape[-1] * x.shape[-2] > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        self.seen.append(tuple(x.shape))
        return self.layer(x)


def test_tiles_give_what_the_whole_picture_gives():
    x, y = torch.rand(2, 3, 150, 210), torch.zeros(2, 150, 210, dtype=torch.uint8)
    whole, tiles = Limited(1), Limited(1, 150 * 100)
    for one, other in zip(picture_logits(whole, x, y, CPU), picture_logits(tiles, x, y, CPU), strict=True):
        assert (one.logits - other.logits).abs().max() < 1e-5
    assert max(shape[-1] * shape[-2] for shape in tiles.seen) <= 150 * 100 and len(tiles.seen) > 4


def test_a_field_of_some_pixels_is_wrong_only_near_the_edges_of_tiles_and_little():
    x, model = torch.rand(1, 3, 96, 96), Limited(9)
    found, whole = tiled(model, x, 48, CPU), model(x)
    middle = (slice(None), slice(None), slice(8, 16), slice(8, 16))
    assert (found[middle] - whole[middle]).abs().max() < 1e-5
    assert (found - whole).abs().mean() < 0.02 * whole.abs().mean()


def test_pictures_of_other_sizes_are_cut_and_the_loss_is_a_mean_over_pixels():
    x, y = torch.rand(3, 3, 20, 24), torch.randint(0, 4, (3, 20, 24)).to(torch.uint8)
    y[1, :, 16:], y[1, 12:] = OUTSIDE, OUTSIDE
    model = Limited(3)
    found = {int(which[0]): logits for which, logits in picture_logits(model, x, y, CPU)}
    assert found[1].shape == (1, 4, 12, 16)
    assert torch.allclose(found[1], model(x[1:2, :, :12, :16]), atol=1e-5)
    changed = x.clone()
    changed[1, :, 12:] = 7.0
    again = {int(which[0]): logits for which, logits in picture_logits(model, changed, y, CPU)}
    assert torch.equal(again[1], found[1])
    objective = PixelCrossEntropy(tuple("abcd"))
    counts, loss = measure_masks(model, x, y, objective, CPU, edges=False)
    assert counts.confusion.sum() == 2 * 20 * 24 + 12 * 16
    parts = [objective.loss(model(x[k : k + 1]), y[k : k + 1]) * 480 for k in (0, 2)]
    parts.append(objective.loss(model(x[1:2, :, :12, :16]), y[1:2, :12, :16]) * 192)
    assert abs(loss - sum(part.item() for part in parts) / 1152) < 1e-5
