"""Training through the engine: what is left behind, what is refused, and that a pair differs by the change alone."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.checkpoint import load_weights, weights_sha256
from dlcli.core.data import open_data
from dlcli.core.loop import predict_logits
from dlcli.core.run_dir import load_model
from dlcli.engines import train
from dlcli.engines._train_one import open_job
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, NumericError, UsageError

CPU = torch.device("cpu")


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"epochs": 2, "device": "cpu", "precision": "float32", **changes})


def test_the_run_folder_gives_back_the_network_and_its_figures(tmp_path: Path):
    result = train.run(config(output=tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"weights.safetensors", "model.json", "history.csv"}
    saved, data = load_model(tmp_path / "run", CPU), open_data("digits")
    row = result.rows[0]
    assert saved.sha256 == row.weights_sha256 == weights_sha256(load_weights(tmp_path / "run" / "weights.safetensors"))
    right = (predict_logits(saved.model, data.x_test, device=CPU).argmax(1) == data.y_test).float().mean()
    assert row.accuracy.value == pytest.approx(float(right), abs=1e-7)
    history = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [line["epoch"] for line in history] == ["1", "2"]
    assert float(history[-1]["test_accuracy"]) == pytest.approx(row.accuracy.value, abs=1e-6)
    assert json.loads((tmp_path / "run" / "model.json").read_text())["classes"] == list(data.classes)


def test_from_python_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert train.run(config(epochs=1)).rows[0].accuracy.n == 599
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    digests = [train.run(config(epochs=1, seed=seed)).rows[0].weights_sha256 for seed in (3, 3, 4)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resume": True}, "folder must be named"),
        ({"resume": True, "output": Path("nowhere")}, "holds no run that was stopped"),
        ({"versus": "--batch 3"}, "--batch is no option that can differ"),
        ({"versus": "--seed 3"}, "--seed is no option that can differ"),
        ({"versus": "selu"}, "is not baseline nor options"),
        ({"versus": "--lr fast"}, "--lr: could not convert"),
        ({"versus": "--lr -1"}, "--lr: -1.0 is below 0"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, object], said: str):
    with pytest.raises(UsageError, match=said):
        train.run(config(**changes))


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path):
    train.run(config(epochs=1, output=tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for options, said in (({}, "holds a run already"), ({"resume": True}, "holds a finished run")):
        with pytest.raises(UsageError, match=said):
            train.run(config(epochs=1, output=tmp_path, **options))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_data_with_nothing_to_train_on(tmp_path: Path):
    with pytest.raises(InputError, match="no-such.npz"):
        train.run(config(data=str(tmp_path / "no-such.npz")))


def test_training_that_diverges_keeps_the_last_whole_epoch(tmp_path: Path):
    with pytest.raises(NumericError, match="largest gradient"):
        train.run(config(optimizer="sgd", lr=1e30, output=tmp_path, epochs=3))
    assert not (tmp_path / "weights.safetensors").exists()


def test_an_optimizer_of_ones_own_brings_its_own_rate():
    data = open_data("digits")
    job = open_job(config(), data, CPU, 0)
    other = open_job(config(optimizer="sgd"), data, CPU, 0)
    given = open_job(config(optimizer="sgd", lr=0.5, batch_size=7, clip_norm=2.0), data, CPU, 0)
    assert job.recipe.optimizer == "adam" and other.recipe.lr == 0.1 and dict(other.recipe.options) == {"momentum": 0.9}
    assert (given.recipe.lr, given.recipe.batch_size, given.recipe.clip_norm) == (0.5, 7, 2.0)


def test_a_change_that_changes_nothing_makes_no_difference():
    """The same options on both sides: same seeds, weights and order, so the pairs are equal to the bit."""
    result = train.run(config(epochs=1, versus="--label-smoothing 0", seeds=2, label_smoothing=0.0))
    by_seed = [[row.weights_sha256 for row in result.rows if row.seed == seed] for seed in (0, 1)]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in by_seed) and by_seed[0] != by_seed[1]
    accuracy = result.comparisons[0]
    assert (accuracy.metric, accuracy.difference.value, accuracy.verdict) == ("test accuracy", 0.0, "not established")


def test_a_comparison_is_the_paired_t_interval_over_seeds(tmp_path: Path):
    from scipy import stats

    result = train.run(config(versus="--lr 0.0005", seeds=3, output=tmp_path))
    sides = [[row.accuracy.value for row in result.rows if row.variant == name] for name in ("this", "--lr 0.0005")]
    peer = stats.ttest_rel(*sides).confidence_interval(0.95)
    found = result.comparisons[0].difference
    assert (found.low, found.high) == (pytest.approx(peer.low), pytest.approx(peer.high))
    assert found.value == pytest.approx(np.mean(sides[0]) - np.mean(sides[1]))
    assert result.level == pytest.approx(min(sides[0] + sides[1]), abs=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "runs.csv"}
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 1 + 2 * 3 * 2


def test_adversarial_training_resists_what_it_was_trained_on():
    from dlcli.core.attacks import load_attack

    data, robust = open_data("digits"), {}
    for name, options in {"plain": {}, "hardened": {"adversarial": ("fgsm", 0.1, 1.0)}}.items():
        job = open_job(config(epochs=6, **options), data, CPU, 0)
        from dlcli.engines._train_one import fit
        from dlcli.support.report import SILENT

        model = fit(job, report=SILENT, label="").model
        hostile = load_attack("fgsm")(model, data.x_test, data.y_test, eps=0.2)
        robust[name] = float((predict_logits(model, hostile, device=CPU).argmax(1) == data.y_test).float().mean())
    assert robust["hardened"] > robust["plain"] + 0.1


def test_a_share_of_each_batch_is_made_hostile():
    from dlcli.engines._train_one import _hostile

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    x, y = torch.rand(10, 1, 8, 8), torch.arange(10)
    changed = _hostile(config(adversarial=("noise", 0.1, 0.3)))(model, x, y, 0)
    assert ((changed != x).flatten(1).any(1)).tolist() == [True] * 3 + [False] * 7


def test_a_plan_writes_nothing_and_names_both_sides(tmp_path: Path):
    lines = train.plan(config(versus="--lr 0.01", seeds=2, output=tmp_path / "run"))
    assert any("train this" in line for line in lines) and any("train --lr 0.01" in line for line in lines)
    assert not (tmp_path / "run").exists()


def test_stopping_is_noted_and_resumed_from_python(tmp_path: Path):
    from contextlib import contextmanager

    from dlcli.support.report import SILENT

    class Impatient:
        note, warn, task = SILENT.note, SILENT.warn, SILENT.task

        def __init__(self, after: int):
            self.left = after

        @contextmanager
        def stoppable(self):
            def stop() -> bool:
                self.left -= 1
                return self.left <= 0

            yield stop

    whole = train.run(config(output=tmp_path / "whole"))
    parts = config(output=tmp_path / "parts")
    assert train.run(parts, report=Impatient(5)).rows == ()
    assert train.run(replace(parts, resume=True), report=Impatient(20)).rows == ()
    with pytest.raises(UsageError, match="started with other seed"):
        train.run(replace(parts, resume=True, seed=9))
    assert train.run(replace(parts, resume=True)).rows[0].weights_sha256 == whole.rows[0].weights_sha256


def test_random_labels_are_memorised_and_true_ones_are_learned():
    """Zhang et al. 2016: a network big enough fits labels that mean nothing; on test images it then guesses."""
    result = train.run(
        config(epochs=60, limit=100, versus="--corrupt labels=1", seeds=2, lr=0.002, schedule="constant", batch_size=25)
    )
    true, random = ([row for row in result.rows if row.variant == name] for name in ("this", "--corrupt labels=1"))
    assert all(row.epochs_to_fit is not None for row in [*true, *random])
    assert all(row.accuracy.low < 0.3 for row in random) and all(row.accuracy.low > 0.5 for row in true)


def test_the_watched_set_is_the_dev_set_if_there_is_one(tmp_path: Path):
    result = train.run(config(epochs=1, dev=0.2, output=tmp_path))
    assert "dev_accuracy" in (tmp_path / "history.csv").read_text()
    assert result.n_train < 1198 - 200
