"""EraseReLU: the counts of the paper's figure 1 on torchvision's networks, and a block done by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.graph.trace import RELUS, record_trace
from dlcli.core.surgery import apply_surgery
from tests.core.surgery.networks import Functional, Shared, residual

# (side, blocks, ReLUs): residual blocks; dense layers; 4 branches of 9 modules; 12 + 2 + 16 + 2 + 12 branch ends; 5 stages;
# 2 branches of 8 modules; inverted residuals, those that only widen included.
COUNTS = {
    "resnet18": (32, 8, 17),
    "resnet50": (32, 16, 49),
    "densenet121": (32, 58, 121),
    "googlenet": (32, 36, 57),
    "inception_v3": (96, 44, 94),
    "vgg16_bn": (32, 5, 15),
    "squeezenet1_1": (64, 16, 26),
    "mobilenet_v2": (32, 17, 35),
}


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", COUNTS)
def test_counts_on_torchvision(name):
    import torchvision

    size, erased, relus = COUNTS[name]
    options = {"init_weights": False} if name in ("googlenet", "inception_v3", "vgg16_bn") else {}
    model = getattr(torchvision.models, name)(weights=None, **options)
    sample = torch.rand(1, 3, size, size)
    done, (note,) = apply_surgery(model, ["erase-relu"], sample)
    assert note == f"erase-relu: {erased} of {relus} ReLUs erased"
    assert len(record_trace(model, sample).ops_named(RELUS)) == relus
    assert len(record_trace(done, sample).ops_named(RELUS)) == relus - erased
    assert list(done.state_dict()) == list(model.state_dict())


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_auxiliary_heads_are_kept():
    import torchvision

    model = torchvision.models.googlenet(weights=None, init_weights=False)
    done, _ = apply_surgery(model, ["erase-relu"], torch.rand(1, 3, 64, 64))
    given = done.train()(torch.rand(2, 3, 64, 64))
    assert given.aux_logits1.shape == given.aux_logits2.shape == given.logits.shape == (2, 1000)


@pytest.mark.parametrize("block", [Shared, Functional])
def test_a_block_by_hand(block, sample):
    """One in-place ReLU serves two calls; only the one after the sum may go, in both blocks, with and without a shortcut."""
    model = residual(block).eval()
    done, (note,) = apply_surgery(model, ["erase-relu"], sample)
    assert note == "erase-relu: 2 of 7 ReLUs erased"
    x = torch.rand(3, 1, 8, 8)
    h = F.relu(model[0](x))
    for part in (model[2], model[3]):
        branch = part.conv3(F.relu(part.conv2(F.relu(part.bn1(part.conv1(h))))))
        h = branch + (h if part.down is None else part.down(h))
    assert torch.allclose(done(x), model[7](h.mean((2, 3))), atol=1e-6)
    assert not torch.allclose(done(x), model(x), atol=1e-3)


def test_gradients_are_those_of_the_block_by_hand(sample):
    model = residual().double().eval()
    done, _ = apply_surgery(model, ["erase-relu"], sample)
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    done(x).square().sum().backward()
    h = F.relu(model[0](x))
    for part in (model[2], model[3]):
        branch = part.conv3(F.relu(part.conv2(F.relu(part.bn1(part.conv1(h))))))
        h = branch + (h if part.down is None else part.down(h))
    model[7](h.mean((2, 3))).square().sum().backward()
    for mine, hand in zip(done.parameters(), model.parameters(), strict=True):
        assert torch.allclose(mine.grad, hand.grad, atol=1e-12)


@pytest.mark.parametrize(("share", "blocks"), [("1", 4), ("0.75", 3), ("0.5", 2), ("0.25", 1), ("0.01", 1)])
def test_a_share_of_the_blocks_is_spread_and_ends_with_the_last(share, blocks):
    model = nn.Sequential(nn.Conv2d(1, 4, 1), *(Shared() for _ in range(4)))
    sample = torch.rand(1, 1, 8, 8)
    done, (note,) = apply_surgery(model, [f"erase-relu={share}"], sample)
    assert note.endswith(f": {blocks} of 12 ReLUs erased")
    left = [sum(op.owner == str(k) for op in record_trace(done, sample).ops_named(RELUS)) for k in range(1, 5)]
    assert left.count(2) == blocks and left[-1] == 2
    if share == "0.5":
        assert left == [3, 2, 3, 2]


def test_the_relu_of_squeeze_and_excitation_is_not_the_blocks_last():
    class Squeezed(Shared):
        def __init__(self):
            super().__init__()
            self.squeeze = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            out = self.relu(self.conv1(x))
            gate = torch.sigmoid(F.relu(self.squeeze(F.adaptive_avg_pool2d(out, 1))))
            return x + self.conv2(out * gate)

    model = nn.Sequential(nn.Conv2d(1, 4, 1), Squeezed())
    sample = torch.rand(1, 1, 8, 8)
    done, _ = apply_surgery(model, ["erase-relu"], sample)
    assert [op.shape[2:] for op in record_trace(done, sample).ops_named(RELUS)] == [(1, 1)]
