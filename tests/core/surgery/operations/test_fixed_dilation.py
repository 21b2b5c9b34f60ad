"""One dilation along time: the layers are those of a network that never had another."""

import pytest
import torch

from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.surgery import apply_surgery
from tests.core.surgery.networks import residual


def _video(flat, dilations):
    return inflate(flat, torch.rand(1, 1, 8, 8), Inflation(dilations=dilations)).model


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_it_is_the_network_inflated_with_that_dilation(dilation):
    flat, clips = residual(), torch.rand(3, 1, 6, 8, 8)
    done, notes = apply_surgery(_video(flat, (1, 2)), [f"fixed-dilation={dilation}"], clips[:1])
    assert torch.equal(done.eval()(clips), _video(flat, (dilation,)).eval()(clips))
    assert notes[0].endswith(f"along time with dilation {dilation}")


def test_the_network_it_came_from_still_draws_and_the_copy_does_not():
    clips = torch.rand(3, 1, 6, 8, 8)
    model = _video(residual(), (1, 2))
    done, _ = apply_surgery(model, ["fixed-dilation=2"], clips[:1])
    for network, answers in ((model, 2), (done, 1)):
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        assert min(answers, len({tuple(network(clips).flatten().tolist()) for _ in range(12)})) == answers
