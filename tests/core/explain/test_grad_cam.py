import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from dlcli.core.ensembles.combine import RuleModel
from dlcli.core.explain.base import ExplainSettings, classes
from dlcli.core.explain.methods.grad_cam import explain
from dlcli.support.errors import InputError
from tests.core.explain.networks import Cam, images


def test_after_a_mean_over_positions_it_is_cam():
    net, x, chosen = Cam(), images(3, channels=3, side=11), torch.tensor([2, 0, 3])
    found = explain(net, x, classes(chosen), ExplainSettings())
    with torch.no_grad():
        features = net.features(x)
        coarse = torch.einsum("nc,nchw->nhw", net.fc.weight[chosen], features) / features[0, 0].numel()
        expected = interpolate(coarse[:, None], (11, 11), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(found.signed, expected, atol=1e-6, rtol=1e-4)
    assert float(expected.min()) < 0 < float(expected.max())


def test_both_signs_of_a_score_differ():
    net, x = Cam(), images(2, channels=3)
    up, down = (explain(net, x, lambda out, rows, sign=sign: sign * out[:, 0], ExplainSettings()) for sign in (1, -1))
    assert torch.equal(up.signed, -down.signed)
    assert up.signed.abs().max() > 0


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 144, 4)), "no convolution"),
        (RuleModel([Cam(), Cam()], "mean"), "several paths"),
        (nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), nn.Linear(9, 8), nn.Flatten(), nn.Linear(64, 4)), "tokens"),
    ],
)
def test_networks_without_a_map_are_refused(net, why):
    with pytest.raises(InputError, match="no spatial feature map") as refused:
        explain(net, images(1, channels=3), classes(torch.tensor([0])), ExplainSettings())
    assert why in refused.value.hint
