"""Maps beside those of captum: `pip install --no-deps captum`."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.explain.base import ExplainSettings, classes
from dlcli.core.explain.baselines import baseline
from dlcli.core.explain.methods import grad_cam, integrated_gradients, occlusion
from tests.core.explain.networks import Cam, images, smooth

pytestmark = pytest.mark.peers
attr = pytest.importorskip("captum.attr", reason="install with: pip install --no-deps captum")

CHOSEN = torch.tensor([1, 3, 0])


@pytest.mark.parametrize("name", ["mean", "blur", "grey"])
@pytest.mark.parametrize(("side", "window"), [(12, 4), (11, 4), (9, 3), (7, 8), (10, 1)])
def test_occlusion_equals_captum(side: int, window: int, name: str) -> None:
    net, x = smooth(channels=3, side=side), images(3, channels=3, side=side)
    hidden, size = baseline(x, name), (3, min(window, side), min(window, side))
    strides = (3, max(1, size[1] // 2), max(1, size[1] // 2))
    found = occlusion.explain(net, x, classes(CHOSEN), ExplainSettings(window=window, baseline=name))
    with torch.no_grad():
        before = net(x)

    def strength(given: Tensor) -> Tensor:
        return -(net(given) - before[: len(given)]).abs()

    for forward, ours in ((net, found.signed), (strength, found.strength)):
        theirs = attr.Occlusion(forward).attribute(x, size, strides=strides, baselines=hidden, target=CHOSEN)
        assert float((theirs[:, 0] - ours).abs().max()) <= 1e-5
        assert float(ours.abs().max()) > 1e-3


@pytest.mark.parametrize("name", ["mean", "grey"])
def test_integrated_gradients_equal_captum(name: str) -> None:
    net, x = smooth(channels=3), images(3, channels=3, side=8)
    found = integrated_gradients.explain(net, x, classes(CHOSEN), ExplainSettings(baseline=name, steps=20))
    theirs = attr.IntegratedGradients(net).attribute(x, baseline(x, name), target=CHOSEN, n_steps=20, method="riemann_middle")
    assert float((theirs.sum(1) - found.signed).abs().max()) <= 1e-5


def test_grad_cam_equals_captum() -> None:
    class Modules(nn.Module):
        """The same network, whose ReLU is a module that captum can look at."""

        def __init__(self, net: Cam) -> None:
            super().__init__()
            self.net, self.relu = net, nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.net.fc(self.relu(self.net.conv(x)).mean((2, 3)))

    net, x = Modules(Cam()), images(3, channels=3, side=11)
    found = grad_cam.explain(net, x, classes(CHOSEN), ExplainSettings())
    theirs = attr.LayerGradCam(net, net.relu).attribute(x, target=CHOSEN)
    resized = attr.LayerAttribution.interpolate(theirs, (11, 11), interpolate_mode="bilinear")
    assert float((resized[:, 0].detach() - found.signed).abs().max()) <= 1e-5
