"""Keys of what is kept: another GPU is another key, and that of a CPU has no word about GPUs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.model_io import cached
from dlcli.core.model_io.untrained import open_model
from dlcli.engines.attack import engine as attack_engine
from dlcli.engines.attack.setup import open_setup
from dlcli.engines.ensemble.members import EnsembleSetup
from dlcli.engines.train import frozen_features
from dlcli.engines.train.job import build, describe, open_job
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.reporter import SILENT

CARDS = (("NVIDIA A100-SXM4-40GB", (8, 0)), ("NVIDIA H100 80GB HBM3", (9, 0)), ("NVIDIA A100-SXM4-40GB", (8, 0)))
CPU, A100, H100, OTHER_A100 = map(torch.device, ("cpu", "cuda:0", "cuda:1", "cuda:2"))


@pytest.fixture(scope="module")
def data():
    return open_data("digits", limit=40)


@pytest.fixture
def cards(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: CARDS[torch.device(device).index][0])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: CARDS[torch.device(device).index][1])


@pytest.fixture
def no_cuda(monkeypatch):
    def fail(*args, **options):
        raise AssertionError("CUDA was asked")

    for name in ("get_device_name", "get_device_capability", "get_device_properties", "current_device"):
        monkeypatch.setattr(torch.cuda, name, fail)


def training(data, device):
    return describe(open_job(TrainConfig(), data, device, 0))


def member(data, device):
    return EnsembleSetup(EnsembleConfig(), data, device).facts(0)


def network(data, device):
    arch = open_model(None, data)
    plan = cached.MemberPlan(arch=arch, data=data, recipe=arch.recipe, seed=0, name="baseline", device=device)
    return json.loads(cached._description(plan))


def images(data, device):
    setup = replace(open_setup(AttackConfig(device="cpu", limit=4), SILENT), device=device)
    return attack_engine._determined_by(setup, [nn.Identity()])


def features(data, device):
    job = open_job(TrainConfig(), data, device, 0)
    model = build(job).model
    return frozen_features._key(job, model, SimpleNamespace(backbone=model))


KINDS = (training, member, network, images, features)
every = pytest.mark.parametrize("key", KINDS, ids=lambda key: key.__name__)


@every
def test_another_gpu_is_another_key(key, data, cards):
    found = [key(data, device) for device in (A100, H100, OTHER_A100)]
    assert found[0] != found[1] and found[0] == found[2]


@every
def test_a_key_for_the_cpu_asks_nothing_of_cuda(key, data, no_cuda):
    found = key(data, CPU)
    if isinstance(found, dict):
        assert found["device"] == "cpu" or (found["device"][0] == "cpu" and len(found["device"]) == 3)


def test_the_card_is_in_words(data, cards):
    found = training(data, H100)
    assert (found["device"], found["number format"]) == ("cuda NVIDIA H100 80GB HBM3 9.0", "torch.bfloat16")
