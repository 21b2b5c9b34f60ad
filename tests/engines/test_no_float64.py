"""Engines on a device that refuses float64, against the same run on the CPU."""

from dataclasses import replace

import pytest
import torch

from dlcli.engines import attack, probe_gradients
from dlcli.specs.attack import AttackConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig

WHERE = {"device": "", "seconds": 0.0}


@pytest.fixture
def device(no_float64, monkeypatch):
    for module in ("attack.setup", "probe_gradients.engine"):
        monkeypatch.setattr(
            f"dlcli.engines.{module}.choose_device", lambda spec: no_float64 if spec == "mps" else torch.device(spec)
        )
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)  # in float32 on both devices
    return no_float64


def test_networks_in_float64_are_probed_on_the_cpu(device):
    config = ProbeGradientsConfig(seeds=1, points=16, depth=3, device="mps")
    found = probe_gradients.run(config)
    assert found.device.startswith("cpu")
    assert replace(found, **WHERE) == replace(probe_gradients.run(replace(config, device="cpu")), **WHERE)


def test_a_network_is_probed_on_the_device(device):
    config = ProbeGradientsConfig(
        model="cifar-resnet-8", points=8, walks=2, limit=20, lesion=True, paths=True, path="grid", device="mps"
    )
    found = probe_gradients.run(config)
    assert found.device == str(device) and found.lesions and found.path_lengths
    assert replace(found, **WHERE) == replace(probe_gradients.run(replace(config, device="cpu")), **WHERE)


@pytest.mark.slow
def test_an_ensemble_is_attacked_through_every_rule_on_the_device(device, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = AttackConfig(method="pgd", steps=3, norm="l2", members=2, ensemble="max", epochs=1, limit=6, device="mps")
    found = attack.run(config)
    assert found.device == str(device) and found.trained == 3
    assert found.rows == attack.run(replace(config, device="cpu")).rows
