"""`dlcli predict --coverage`: sets of the classes of a network whose probabilities are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.engines import predict
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import UsageError
from tests.engines.eval.test_engine import READER, images


@pytest.fixture
def run(tmp_path: Path) -> dict[str, str]:
    """A network of three classes; of 99 dev images the true class has the probabilities 0.01, 0.02 ... 0.99."""
    (tmp_path / "nets.py").write_text(READER)
    true = np.arange(1, 100) / 100
    dev = images([(one, (1 - one) * 0.7, (1 - one) * 0.3) for one in true])
    test = images([(0.93, 0.04, 0.03), (0.5, 0.29, 0.21), (0.85, 0.12, 0.03), (0.4, 0.3, 0.3)])
    arrays = {"x_train": test[:3], "y_train": np.arange(3), "x_dev": dev, "y_dev": np.zeros(99, dtype=int)}
    np.savez(tmp_path / "three.npz", **arrays, x_test=test, y_test=np.array([0, 1, 2, 0]))
    data = str(tmp_path / "three.npz")
    return {"model": f"{tmp_path}/nets.py:Reader", "data": data, "split": "test", "calibration": data, "device": "cpu"}


def test_the_threshold_is_that_of_the_definition(run: dict[str, str]):
    """The 80th smallest of 1 - 0.01 ... 1 - 0.99 is 0.8: classes of at least 0.2 are in the set."""
    result = predict.run(PredictConfig(**run, coverage=0.8, top=1))
    assert result.table.columns == ["index", "label", "probability", "set", "set_size"]
    assert [row[3:] for row in result.table.rows] == [["0", 1], ["0|1|2", 3], ["0", 1], ["0|1|2", 3]]
    note = next(note for note in result.notes if note.startswith("A set holds"))
    assert "at least 0.8 of such examples, calibrated on 99 examples of the dev set of" in note
    assert "Sets have 2.00 classes on average; 50.0% have one." in result.notes


def test_too_few_examples_are_said(run: dict[str, str]):
    result = predict.run(PredictConfig(**run, coverage=0.999))
    assert {row[-1] for row in result.table.rows} == {3}
    assert any("too few for a coverage of 0.999, which takes 999" in note for note in result.notes)


def test_what_cannot_be_calibrated_is_refused(run: dict[str, str]):
    with pytest.raises(UsageError, match="the dev set of .* cannot be predicted and calibrated on"):
        predict.run(PredictConfig(**{**run, "split": "dev"}, coverage=0.8))
    with pytest.raises(UsageError, match="`sets` needs `coverage`"):
        PredictConfig(model="run", data="digits", sets="aps")
    with pytest.raises(UsageError, match="`calibration` needs `coverage` or `abstain`"):
        PredictConfig(model="run", data="digits", calibration="digits")


@pytest.mark.parametrize("method", ["aps", "raps"])
def test_the_same_seed_gives_the_same_sets(run: dict[str, str], method: str):
    first, again = (predict.run(PredictConfig(**run, coverage=0.9, sets=method)).table.rows for _ in range(2))
    assert first == again and all(str(row[1]) in row[-2].split("|") for row in first)


@pytest.fixture
def sure(tmp_path: Path) -> dict[str, str]:
    """Of 400 dev images those with a probability of 0.9 are right, and of those with 0.6 every second; 4 test images."""
    (tmp_path / "nets.py").write_text(READER)
    dev = images([(0.9, 0.06, 0.04)] * 300 + [(0.6, 0.3, 0.1)] * 100)
    y = np.concatenate([np.zeros(300, dtype=int), np.arange(100) % 2])
    test = images([(0.89, 0.06, 0.05), (0.05, 0.91, 0.04), (0.05, 0.04, 0.91), (0.5, 0.3, 0.2)])
    arrays = {"x_train": test[:3], "y_train": np.arange(3), "x_dev": dev, "y_dev": y}
    np.savez(tmp_path / "sure.npz", **arrays, x_test=test, y_test=np.array([0, 1, 2, 0]))
    data = str(tmp_path / "sure.npz")
    return {"model": f"{tmp_path}/nets.py:Reader", "data": data, "split": "test", "calibration": data, "device": "cpu"}


def test_only_what_is_sure_enough_is_answered(sure: dict[str, str]):
    """Of 300 right answers at most 1 - (0.025 / 2) ** (1 / 300) = 1.5% are wrong, by the bound for 2 tries."""
    result = predict.run(PredictConfig(**sure, abstain=0.02, top=1))
    assert result.table.columns[-1] == "answered" and [row[-1] for row in result.table.rows] == [False, True, True, False]
    note = next(note for note in result.notes if note.startswith("From a probability of 0.9000 on at most 2% of the answers"))
    assert "400 examples of the dev set of" in note and "Answered here: 2 of 4." in " ".join(result.notes)
    everything = predict.run(PredictConfig(**sure, abstain=0.2, top=1))
    assert [row[-1] for row in everything.table.rows] == [True, True, True, False]  # 0.5 is below all that was seen
    nothing = predict.run(PredictConfig(**sure, abstain=0.005, top=1))
    assert not any(row[-1] for row in nothing.table.rows)
    assert any("finds no threshold" in note for note in nothing.notes)


def test_answers_and_sets_go_together(sure: dict[str, str]):
    both = predict.run(PredictConfig(**sure, abstain=0.02, coverage=0.8, top=1)).table
    alone = predict.run(PredictConfig(**sure, coverage=0.8, top=1)).table
    assert both.columns == [*alone.columns, "answered"] and [row[:-1] for row in both.rows] == alone.rows


def test_answers_cannot_be_calibrated_on_what_is_predicted(sure: dict[str, str]):
    with pytest.raises(UsageError, match="`abstain`: the dev set of .* cannot be predicted and calibrated on"):
        predict.run(PredictConfig(**{**sure, "split": "dev"}, abstain=0.02))


def _folders(place: Path, sets: dict[str, np.ndarray]) -> None:
    """Images of the same class c, each once, in the folders of sets."""
    for name, pictures in sets.items():
        for k, picture in enumerate(pictures):
            (place / name / "abc"[k % 3]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture, "L").save(place / name / "abc"[k % 3] / f"{k}.png")


def test_the_examples_tell_what_is_calibrated_on_whatever_they_are_called(tmp_path: Path):
    """The test set of a folder with a dev set is predicted, and the dev set under any name and in part is not."""
    (tmp_path / "nets.py").write_text(READER + "\n\ndef three():\n    return Reader(3)\n")
    grey = np.random.default_rng(0).integers(256, size=(90, 8, 8), dtype=np.uint8)
    _folders(tmp_path / "photos", {"train": grey[:30], "val": grey[30:60], "test": grey[60:]})
    _folders(tmp_path / "inbox", {"all": grey[30:60]})
    _folders(tmp_path / "mixed", {"all": grey[57:66]})
    photos = str(tmp_path / "photos")
    options = {"model": f"{tmp_path}/nets.py:three", "calibration": photos, "coverage": 0.8, "device": "cpu"}
    found = predict.run(PredictConfig(**options, data=photos, split="test"))
    assert len(found.table.rows) == 30 and not any("nothing is guaranteed" in note for note in found.notes)
    one = str(next((tmp_path / "photos" / "val" / "a").iterdir()))
    for data, both in (
        (str(tmp_path / "inbox" / "all"), "30 examples of 30"),
        (photos, "30 examples of 90"),
        (one, "1 example of 1"),
    ):
        with pytest.raises(UsageError, match=f"the dev set of .* cannot be predicted and calibrated on: {both} to predict"):
            predict.run(PredictConfig(**options, data=data))
    partly = predict.run(PredictConfig(**options, data=str(tmp_path / "mixed" / "all")))
    assert sum(note.startswith("3 of 9 examples are in the dev set of ") for note in partly.notes) == 1
