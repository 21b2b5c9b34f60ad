"""The dev set that `train --dev` holds out is the one that eval and predict take, or they refuse."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dlcli.core.data import open_data
from dlcli.core.data.splits import with_dev_set
from dlcli.engines import eval, predict, train
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

N = 240


def write_data(path: Path, changed: int = 0) -> None:
    """Three classes of pictures of 8 by 8, of 60 films; `changed` training pictures get another pixel."""
    random = np.random.default_rng(1)
    y = np.arange(N) % 3
    x = random.random((N, 8, 8)) * 0.7 + 0.3 * np.eye(3)[y].repeat(3, axis=1)[:, None, :8]
    x[:changed, 0, 0] = 1 - x[:changed, 0, 0]
    train, test = slice(0, 180), slice(180, N)
    film = np.arange(N) // 4
    np.savez(
        path, x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test], film_train=film[train], film_test=film[test]
    )


def run(folder: Path, **options: object) -> Path:
    write_data(folder / "data.npz")
    train.run(TrainConfig(data=str(folder / "data.npz"), epochs=2, output=folder / "run", device="cpu", **options))
    return folder / "run"


def accuracy(found: object) -> float:
    assert isinstance(found, EvalResult)
    return found.metrics[0].estimate.value


@pytest.mark.parametrize(
    "options", [{}, {"seed": 5, "group": "film"}, {"limit": 100}, {"labels": 60}, {"corrupt": "labels=0.5"}]
)
def test_eval_measures_what_training_watched(options: dict[str, object], tmp_path: Path):
    """The accuracy on the dev set is that of the last epoch in the learning curve of the run."""
    folder = run(tmp_path, dev=0.3, **options)
    with (folder / "history.csv").open(newline="") as stream:
        watched = list(csv.DictReader(stream))[-1]
    found = eval.run(EvalConfig(model=str(folder), split="dev", device="cpu"))
    assert accuracy(found) == pytest.approx(float(next(watched[name] for name in watched if name.endswith("dev_accuracy"))))
    recorded = json.loads((folder / "model.json").read_text())["dev"]
    assert found.n_images == recorded["examples"]


def test_the_sets_are_those_of_the_training(tmp_path: Path):
    folder = run(tmp_path, dev=0.3)
    parts = with_dev_set(open_data(str(tmp_path / "data.npz")), 0.3, 0)
    for name in ("dev", "train", "test"):
        found = eval.run(EvalConfig(model=str(folder), split=name, device="cpu", output=tmp_path / name))
        assert found.n_images == len(parts.splits[name].y)
        with (tmp_path / name / "predictions.csv").open(newline="") as stream:
            assert [int(row["truth"]) for row in csv.DictReader(stream)] == parts.splits[name].y.tolist()
    gaps = eval.run(EvalConfig(model=str(folder), diagnose=True, device="cpu")).diagnosis
    assert list(gaps.errors) == ["train", "dev", "test"]


def test_calibration_and_sets_take_it(tmp_path: Path):
    folder = run(tmp_path, dev=0.3)
    calibrated = eval.run(EvalConfig(model=str(folder), calibrate="dev", device="cpu")).calibration
    recorded = json.loads((folder / "model.json").read_text())["dev"]
    assert (calibrated.split, calibrated.examples) == ("dev", recorded["examples"])
    for split, notes in (("test", "of the dev set of"), ("train", "of the dev set of")):
        config = PredictConfig(model=str(folder), data=str(tmp_path / "data.npz"), split=split, coverage=0.9, device="cpu")
        assert any(notes in note for note in predict.run(config).notes)


@pytest.mark.parametrize("options", [{"limit": 30}, {"labels": 60}])
def test_the_test_set_stays_whole(options: dict[str, object], tmp_path: Path):
    """What training left unused is of the training set alone: calibrated or not, the same test examples are evaluated."""
    folder = run(tmp_path, dev=0.3, **options)
    tables = []
    for name, calibrate in (("plain", None), ("calibrated", "dev")):
        config = EvalConfig(model=str(folder), calibrate=calibrate, device="cpu", output=tmp_path / name)
        assert eval.run(config).n_images == 60
        with (tmp_path / name / "predictions.csv").open(newline="") as stream:
            tables.append([(row["index"], row["truth"], row["label"]) for row in csv.DictReader(stream)])
    assert tables[0] == tables[1]


def test_changed_data_are_refused(tmp_path: Path):
    folder = run(tmp_path, dev=0.3)
    write_data(tmp_path / "data.npz", changed=180)
    for options in ({"split": "dev"}, {"calibrate": "dev"}, {"split": "train"}, {"diagnose": True}):
        with pytest.raises(InputError, match="the 54 images that training held out as dev set cannot be drawn again"):
            eval.run(EvalConfig(model=str(folder), device="cpu", **options))
    assert accuracy(eval.run(EvalConfig(model=str(folder), device="cpu"))) > 0  # the test set is there
    other = tmp_path / "other.npz"
    write_data(other, changed=180)
    found = eval.run(EvalConfig(model=str(folder), data=str(other), split="train", device="cpu"))
    assert found.n_images == 180  # of other data nothing was held out


def test_a_damaged_record_is_named(tmp_path: Path):
    folder = run(tmp_path, dev=0.3)
    metadata = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(metadata | {"dev": metadata["dev"] | {"share": 7}}))
    with pytest.raises(InputError, match="model.json: share"):
        eval.run(EvalConfig(model=str(folder), split="dev", device="cpu"))


def test_a_dev_set_of_the_data_is_theirs(tmp_path: Path):
    data = with_dev_set(open_data("digits"), 0.2, 3)
    arrays = {f"{kind}_{name}": getattr(split, kind).numpy() for name, split in data.splits.items() for kind in "xy"}
    np.savez(tmp_path / "own.npz", **{name: a[:, 0] if a.ndim == 4 else a for name, a in arrays.items()})
    train.run(TrainConfig(data=str(tmp_path / "own.npz"), epochs=1, dev=0.4, output=tmp_path / "run", device="cpu"))
    assert "dev" not in json.loads((tmp_path / "run" / "model.json").read_text())
