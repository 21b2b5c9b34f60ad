"""Maps and their check on a device that refuses float64 and tensors of the host."""

import pytest
import torch

from dlcli.core.explain import METHODS
from dlcli.core.explain.base import ExplainSettings, predicted_classes
from dlcli.core.explain.faithfulness import DeletionCheck
from tests.core.explain.networks import Cam, images


@pytest.mark.parametrize("name", METHODS.names())
def test_a_device_gives_what_the_cpu_gives(no_float64, name):
    method, x, found = METHODS.module(name), images(4, channels=3), []
    target = predicted_classes(Cam()(x).detach())
    for device in (torch.device("cpu"), no_float64):
        net, settings = Cam().to(device), ExplainSettings(device=device)
        maps = method.explain(net, x, target, settings)
        found.append((maps, DeletionCheck(net, x, target, settings, absolute=False, seed=0).run(method, maps)))
    (ours, checked), (theirs, other) = found
    assert theirs.signed.device.type == theirs.strength.device.type == "cpu"
    torch.testing.assert_close(ours.signed, theirs.signed)
    assert str(checked.minus_elsewhere) == str(other.minus_elsewhere)
