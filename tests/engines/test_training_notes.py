"""What training has to report reaches the reporter of every engine that trains, once."""

from contextlib import contextmanager

import pytest
import torch

from dlcli.core.data import open_data
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training import loop
from dlcli.core.training.recipe import Recipe
from dlcli.engines import ensemble, train
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.reporter import SILENT

NOTE = "torch has no deterministic implementation on this device of made_up: the same seed may give other weights"


class Listener:
    def __init__(self):
        self.notes, self.task, self.stoppable, self.warn = [], SILENT.task, SILENT.stoppable, SILENT.warn
        self.log = SILENT.log

    def note(self, text):
        self.notes.append(text)


@contextmanager
def _found(names):
    names.add("made_up")
    yield


def _ensemble(strategy):
    config = EnsembleConfig(members=2, epochs=2, limit=60, workers=1, strategy=strategy, device="cpu")
    return lambda report: ensemble.run(config, report=report)


def _member(report):
    data, device = open_data("digits", limit=60), torch.device("cpu")
    recipe = Recipe(epochs=2, batch_size=32, optimizer="sgd", lr=0.1)
    arch = open_model("mlp", data)
    train_or_load(MemberPlan(arch=arch, data=data, recipe=recipe, seed=0, name="a", device=device), report=report)


@pytest.mark.parametrize(
    "run",
    [
        lambda report: train.run(TrainConfig(epochs=2, limit=60, device="cpu"), report=report),
        _ensemble("processes"),
        _ensemble("stacked"),
        _member,
    ],
    ids=["train", "processes", "stacked", "attack"],
)
def test_the_notes_of_training_are_reported_once(run, monkeypatch):
    monkeypatch.setattr(loop, "deterministic", _found)
    report = Listener()
    run(report)
    assert report.notes.count(NOTE) == 1
