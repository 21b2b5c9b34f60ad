"""A network knows the column of labels that it was trained on: a table may have other ones, with the same names of classes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlcli.engines import attack, ensemble, eval, predict, probe_gradients, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.recording import RecordingReporter

LABELS = {"device": "cpu", "model": "lenet", "label_column": "kind", "epochs": 24, "seed": 0}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose left half is bright or dark, by their `kind`; a coin gives their `label`, of the same two names."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    rows = []
    for k in range(160):
        label, kind = rng.integers(0, 2, 2)
        pixels = rng.integers(0, 60, (16, 16, 3))
        pixels[:, :8] += 180 * kind
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{k}.png")
        rows.append((f"{k}.png", label, kind, "test" if k % 2 else "train"))
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label", "kind", "split"), *rows])
    return folder


@pytest.fixture(scope="module", params=["train", "ensemble"])
def run(request: pytest.FixtureRequest, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    if request.param == "train":
        train.run(TrainConfig(data=str(photos), output=folder, **LABELS))
    else:
        ensemble.run(EnsembleConfig(data=str(photos), output=folder, members=2, **LABELS))
    return folder


def accuracy(run: Path, **options: Any) -> float:
    found = eval.run(EvalConfig(model=str(run), device="cpu", **options))
    return next(one.estimate.value for one in found.metrics if one.name == "top-1")


def test_the_column_of_the_training_is_the_one_that_is_evaluated(run: Path, photos: Path):
    assert accuracy(run) > 0.9 and accuracy(run, data=str(photos)) > 0.9
    assert accuracy(run, label_column="kind") == accuracy(run)
    assert accuracy(run, label_column="label") < 0.75  # the option decides


def test_other_commands_take_that_column_too(run: Path, photos: Path):
    attacked = attack.run(AttackConfig(model=str(run), method="noise", eps=(0.01,), device="cpu"))
    assert max(row.clean.value for row in attacked.rows) > 0.9
    rows = predict.run(PredictConfig(model=str(run), data=str(photos), device="cpu")).table.rows
    assert len(rows) == 160
    if (run / "model.json").exists():
        assert probe_gradients.run(ProbeGradientsConfig(model=str(run), device="cpu")).rows


def test_labels_of_another_column_than_was_learned_are_noted(run: Path, photos: Path, tmp_path: Path):
    runs: list[tuple[Callable[..., Any], Any, type]] = [
        (eval.run, {}, EvalConfig),
        (eval.run, {"against": run}, EvalConfig),
        (attack.run, {"method": "noise", "eps": (0.01,)}, AttackConfig),
    ]
    if (run / "model.json").exists():
        runs.append((probe_gradients.run, {}, ProbeGradientsConfig))
    for command, options, config in runs:
        for column, noted in (("label", True), ("kind", False), (None, False)):
            report = RecordingReporter()
            command(config(model=str(run), data=str(photos), device="cpu", label_column=column, **options), report=report)
            assert any(f"'label'; {run} has learned those of 'kind'" in note for note in report.notes) is noted


def test_a_calibration_by_another_column_is_not_kept(run: Path, photos: Path):
    """Its names of classes are the same, so that later evaluations would be by the wrong probabilities."""
    given = {"model": str(run), "device": "cpu", "calibrate": str(photos)}
    with pytest.raises(UsageError, match="which has learned the column 'kind', not 'label'"):
        eval.run(EvalConfig(**given, label_column="label"))
    assert not (run / "calibration.json").exists()


def test_data_without_that_column_are_refused(run: Path, photos: Path, tmp_path: Path):
    for path in photos.glob("*.png"):
        (tmp_path / path.name).symlink_to(path)
    rows = list(csv.reader((photos / "labels.csv").read_text().splitlines()))
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([[file, label, split] for file, label, _, split in rows])
    with pytest.raises(InputError, match="no column 'kind'"):
        accuracy(run, data=str(tmp_path))
    assert accuracy(run, data=str(tmp_path), label_column="label") < 0.75


def test_a_run_by_a_usual_name_records_none(photos: Path, tmp_path: Path):
    train.run(TrainConfig(data=str(photos), output=tmp_path / "r", **{**LABELS, "label_column": None, "epochs": 1}))
    assert "label_column" not in json.loads((tmp_path / "r" / "model.json").read_text())
