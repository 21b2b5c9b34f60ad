"""A run is evaluated, predicted, attacked and probed on the data that it was trained on, unless others are named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dlcli.specs.attack import AttackConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import MissingInputError, UsageError
from tests import program
from tests.conftest import Run


@pytest.fixture(scope="module")
def home(environment: dict[str, str], preloaded: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with negatives of digits, and a run and an ensemble that were trained on them."""
    folder = tmp_path_factory.mktemp("home")
    digits = load_digits()
    x, y = (1 - digits.images / 16).astype("float32"), digits.target
    np.savez(folder / "negatives.npz", x_train=x[:600], y_train=y[:600], x_test=x[600:800], y_test=y[600:800])
    common = ["--data", "negatives.npz", "--epochs", "2", "--device", "cpu", "-q"]
    for words in (["train", "-o", "run"], ["ensemble", "--members", "2", "-o", "many"]):
        done = program.run(["dlcli", *words, *common], cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
    return folder


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: without_times(value) for name, value in found.items() if not name.startswith("seconds")}
    return [without_times(item) for item in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "run"],
        ["eval", "run", "--split", "train"],
        ["eval", "many"],
        ["eval", "many/members/001"],
        ["attack", "run", "--limit", "20"],
        ["predict", "run", "--limit", "9"],
        ["probe-gradients", "run", "--limit", "8", "--points", "8"],
    ],
    ids=" ".join,
)
def test_the_data_of_the_run_are_the_default(words: list[str], home: Path, environment: dict[str, str]) -> None:
    call = ["dlcli", *words, "--format", "json"]
    usual, named = (program.run([*call, *more], cwd=home, env=environment) for more in ([], ["--data", "negatives.npz"]))
    assert usual.returncode == named.returncode == 0, usual.stderr
    assert without_times(json.loads(usual.stdout)) == without_times(json.loads(named.stdout))
    assert b"negatives.npz" in usual.stdout + usual.stderr and b"digits," not in usual.stderr


@pytest.mark.parametrize("kind", [EvalConfig, PredictConfig, AttackConfig])
def test_without_a_run_they_are_the_digits(kind: Any) -> None:
    assert kind().data == kind(model=None, data=None).data == "digits"


def test_data_that_are_gone_or_unknown_are_asked_for(dlcli: Run, home: Path, tmp_path: Path) -> None:
    elsewhere = dlcli("eval", home / "run")
    assert (
        elsewhere.returncode == 3
        and b"was trained on negatives.npz, which are not here (name them with --data)" in elsewhere.stderr
    )
    assert EvalConfig(model=str(tmp_path)).data == "digits"  # not a run directory, as eval will say
    for name in ("bare", "pairs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="does not tell what it was trained on"):
        EvalConfig(model=str(tmp_path / "bare"))
    (tmp_path / "pairs" / "model.json").write_text(json.dumps({"task": "pairs"}), encoding="utf-8")
    assert EvalConfig(model=str(tmp_path / "pairs")).data == "digits"  # for which the scorer asks for pairs
    (tmp_path / "pairs" / "model.json").write_text(json.dumps({"data": "arrays in memory"}), encoding="utf-8")
    with pytest.raises(MissingInputError, match="arrays in memory"):
        AttackConfig(model=str(tmp_path / "pairs"))


@pytest.mark.parametrize("data", ["moving-digits", "moving-digits-4", "digits", "torchvision:mnist"])
def test_data_that_are_no_files_are_those_of_the_run(tmp_path: Path, data: str):
    (tmp_path / "model.json").write_text(json.dumps({"data": data, "task": "images"}))
    assert EvalConfig(model=str(tmp_path)).data == data
