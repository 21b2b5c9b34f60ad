"""Training as a GPU would see it: `meta` stands for it, refuses tensors of the host, and has no value that could be read."""

import pytest
import torch
from torch import nn

from dlcli.core.compute import loader
from dlcli.core.compute.rng import generator
from dlcli.core.ensembles import stacked
from dlcli.core.ensembles.stacked import StackedTraining
from dlcli.core.training.augment import augmentation, names
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.mixing import Mixing
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT
from tests.core.transfers import META, Transfers

CPU = torch.device("cpu")
N, SIZE, STEPS = 48, (12, 12), 6


def _network():
    torch.manual_seed(0)
    features = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(400, 3))


def _images(kind):
    levels = torch.randint(256, (N, 3, *SIZE), dtype=torch.uint8, generator=generator(0))
    return levels if kind == "bytes" else levels.float() / 255


def _labels():
    return torch.randint(3, (N,), generator=generator(1))


def _recipe(**changes):
    return Recipe(**{"epochs": 2, "batch_size": N // STEPS, "optimizer": "sgd", "lr": 0.1, "dtype": "float32", **changes})


def _hooks(chosen=(), *, device=META, weights=False, mixing=None):
    class_weights = torch.tensor([1.0, 2.0, 3.0]).to(device) if weights else None
    return Hooks(augment=augmentation(chosen, SIZE), class_weights=class_weights, mixing=mixing)


def _epoch(training):
    """Run an epoch on `meta`, whose losses cannot be read at its end, and count."""
    training._checked_mean = lambda: 0.0
    with Transfers() as seen, SILENT.task("") as task:
        assert training.run_epoch(task) == 0.0
    assert (training.epoch, training.step) == (1, 0)
    assert training.losses.device == META
    assert seen.synchronised == []
    return seen


def _one(changes=None, kind="floats", **hooks):
    return Training(
        _network(), _images(kind), _labels(), _recipe(**(changes or {})), seed=0, device=META, hooks=_hooks(**hooks)
    )


def _several(monkeypatch, changes=None, **hooks):
    monkeypatch.setattr(stacked, "why_not_stackable", lambda models, sample: None)  # which reads values, once
    draws = [torch.randint(N, (N,), generator=generator(seed)) for seed in range(2)]
    models, recipe = [_network(), _network()], _recipe(**(changes or {}))
    return StackedTraining(
        models, _images("floats"), _labels(), recipe, draws=draws, seeds=(1, 2), device=META, hooks=_hooks(**hooks)
    )


SETTINGS = [
    {"optimizer": "sgd", "options": {"momentum": 0.9}},
    {"optimizer": "adam", "ema": 0.9},
    {"optimizer": "adamw", "clip_norm": 1.0},
    {"optimizer": "adadelta", "label_smoothing": 0.1},
    {"optimizer": "adam", "ema": 0.9, "clip_norm": 1.0, "label_smoothing": 0.1, "schedule": "cosine"},
]


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("changes", SETTINGS)
def test_no_step_copies_or_waits(changes, weights, monkeypatch):
    """Of the whole epoch, one copy: the order of the examples."""
    assert _epoch(_one(changes, weights=weights)).copies == 1
    assert _epoch(_several(monkeypatch, changes, weights=weights)).copies == 1


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("alphas", [(0.2, 0.0), (0.0, 1.0), (0.2, 1.0)])
def test_mixing_copies_nothing(alphas, weights):
    """Its few numbers are drawn and used on the host."""
    assert _epoch(_one(mixing=Mixing(*alphas, 3), weights=weights)).copies == 1


DRAWN_ONCE = ["horizontal-flip", "vertical-flip", "crop", "shift", "rotate", "affine", "erase"]


@pytest.mark.parametrize("name", DRAWN_ONCE)
def test_an_augmentation_copies_its_draws_once(name, monkeypatch):
    assert _epoch(_one(chosen=[name])).copies == 2
    assert _epoch(_several(monkeypatch, chosen=[name])).copies == 3  # the draws of each member


def test_a_chain_of_augmentations_copies_the_draws_of_each_once():
    assert _epoch(_one(chosen=DRAWN_ONCE)).copies == 1 + len(DRAWN_ONCE)


@pytest.mark.parametrize("name", sorted(set(names()) - set(DRAWN_ONCE)))
def test_augmentations_of_torchvision_run_on_a_device_without_synchronising(name, monkeypatch):
    """Their own small tables may be copied for each image."""
    _epoch(_one(chosen=[name]))
    _epoch(_several(monkeypatch, chosen=[name]))


@pytest.mark.parametrize(
    ("kind", "room", "bytes_each"), [("floats", True, 8), ("bytes", True, 8), ("bytes", False, 3 * 144 + 8)]
)
def test_bytes_an_image_in_an_epoch(kind, room, bytes_each, monkeypatch):
    monkeypatch.setattr(loader, "_has_room", lambda x, device: room)
    seen = _epoch(_one(kind=kind))
    assert seen.bytes / N == bytes_each
    assert seen.copies == (1 if room else 1 + STEPS)


def test_a_copy_of_the_draws_is_for_many_steps(monkeypatch):
    monkeypatch.setattr("dlcli.core.training.hooks._DRAWN_AHEAD", 2)
    assert _epoch(_one(chosen=["crop"])).copies == 1 + STEPS // 2


@pytest.mark.parametrize("chosen", [[], ["crop"], ["rotate", "erase"]])
@pytest.mark.parametrize("changes", SETTINGS)
def test_the_number_of_values_read_does_not_depend_on_the_steps(changes, chosen):
    """Counted where values exist, on the CPU: an epoch of twice as many steps reads as many."""
    counts = []
    for batch_size in (N // STEPS, N // (2 * STEPS)):
        recipe, hooks = _recipe(**{**changes, "batch_size": batch_size}), _hooks(chosen, device=CPU, weights=True)
        training = Training(_network(), _images("floats"), _labels(), recipe, seed=0, device=CPU, hooks=hooks)
        drawn = list(training._drawn_ahead([batch_size] * len(training.losses)))  # of torchvision, by the host
        training._drawn_ahead = lambda sizes, drawn=drawn: drawn
        with Transfers(CPU) as seen, SILENT.task("") as task:
            training.run_epoch(task)
        assert len(training.losses) == N // batch_size
        counts.append(len(seen.synchronised))
    assert counts[0] == counts[1] > 0  # those of the end of the epoch
