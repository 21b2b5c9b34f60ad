"""`dlcli eval --calibrate`: what is fitted, kept, applied and refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from dlcli.core.model_io.calibration_file import CALIBRATION
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.models.base import from_callable
from dlcli.engines import eval, predict
from dlcli.engines.predicted_sets import BEFORE_CALIBRATION
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import InputError, UsageError
from tests.engines.eval.test_engine import READER, images

SURE = 3.0
CLASSES = ("a", "b", "c")


@pytest.fixture
def run(tmp_path: Path) -> dict[str, object]:
    """A run directory whose network takes calibrated probabilities to the power of SURE; 400 dev and 300 test images."""
    (tmp_path / "nets.py").write_text(READER)
    random = np.random.default_rng(0)
    p = softmax(2 * random.normal(size=(700, 3)), 1)
    y = np.array(CLASSES)[(p.cumsum(1) < random.random((700, 1))).sum(1)]
    x = images([tuple(row) for row in p])
    arrays = {"x_train": x[:3], "y_train": np.array(CLASSES), "x_dev": x[:400], "y_dev": y[:400]}
    np.savez(tmp_path / "data.npz", **arrays, x_test=x[400:], y_test=y[400:])
    np.savez(tmp_path / "copy.npz", x_train=x[:3], y_train=np.array(CLASSES), x_test=x[400:], y_test=y[400:])
    spec = f"{tmp_path}/nets.py:Reader"
    save(tmp_path / "run", spec, SURE)
    return {"model": str(tmp_path / "run"), "data": str(tmp_path / "data.npz"), "device": "cpu", "trust_code": True}


def save(folder: Path, spec: str, scale: float) -> None:
    model = from_callable(spec, 1, (10, 10), 3).build()
    with torch.no_grad():
        model.get_parameter(next(name for name, _ in model.named_parameters() if name.endswith("scale"))).fill_(scale)
    save_model(folder, model=model, spec=spec, surgery=[], channels=1, size=(10, 10), classes=CLASSES)


def figures(result: EvalResult) -> dict[str, float]:
    return {one.name: one.estimate.value for one in result.metrics}


def test_the_temperature_is_kept_and_applied(run: dict[str, object]):
    before = figures(eval.run(EvalConfig(**run)))
    result = eval.run(EvalConfig(**run, calibrate="dev"))
    kept = json.loads(Path(str(run["model"]), CALIBRATION).read_text())
    with np.load(str(run["data"])) as found:
        x, y = found["x_dev"][:, 0, :3], found["y_dev"]
    logits, truth = SURE * np.log(x), (y[:, None] == np.array(CLASSES)).argmax(1)
    best = minimize_scalar(
        lambda t: -log_softmax(logits / t, 1)[np.arange(400), truth].mean(), bounds=(0.5, 10), method="bounded"
    )
    assert kept["temperature"] == pytest.approx(best.x, rel=1e-3) and (kept["split"], kept["examples"]) == ("dev", 400)
    rows = {one.name: one for one in result.calibration.metrics}
    assert {name: rows[name].before.value for name in rows} == pytest.approx({name: before[name] for name in rows})
    assert {name: rows[name].after.value for name in rows} == pytest.approx({name: figures(result)[name] for name in rows})
    assert rows["nll"].difference.high < 0 and rows["top-1"].difference.value == 0
    again = eval.run(EvalConfig(**run))
    assert figures(again) == figures(result) and again.calibration is None
    assert any("calibrated by a temperature of" in note and "400 examples of the dev set" in note for note in again.notes)
    assert figures(eval.run(EvalConfig(**run, uncalibrated=True))) == before


def test_a_threshold_of_answers_is_said_to_be_one_before_calibration(run: dict[str, object]):
    def notes(**sure: float) -> tuple[str, ...]:
        return predict.run(PredictConfig(**run, split="test", calibration=str(run["data"]), **sure)).notes

    assert BEFORE_CALIBRATION not in notes(abstain=0.2)
    eval.run(EvalConfig(**run, calibrate="dev"))
    assert BEFORE_CALIBRATION in notes(abstain=0.2) and BEFORE_CALIBRATION not in notes(coverage=0.8)


def test_predict_applies_it_and_says_so(run: dict[str, object]):
    plain = predict.run(PredictConfig(**run, split="test", top=1)).table.rows
    eval.run(EvalConfig(**run, calibrate="dev"))
    temperature = json.loads(Path(str(run["model"]), CALIBRATION).read_text())["temperature"]
    result = predict.run(PredictConfig(**run, split="test", top=1))
    with np.load(str(run["data"])) as found:
        p = softmax(SURE / temperature * np.log(found["x_test"][:, 0, :3]), 1)
    assert [row[-1] for row in result.table.rows] == pytest.approx(p.max(1), abs=2e-6)
    assert [row[1] for row in result.table.rows] == [row[1] for row in plain]
    assert any("calibrated by a temperature" in note for note in result.notes)
    assert predict.run(PredictConfig(**run, split="test", top=1, uncalibrated=True)).table.rows == plain


def test_sets_are_of_the_probabilities_before_calibration(run: dict[str, object]):
    """They would hold the true class less often where the same examples are calibrated on twice."""
    options = {**run, "split": "test", "coverage": 0.9, "calibration": run["data"], "top": 1}
    plain = [row[-2:] for row in predict.run(PredictConfig(**options)).table.rows]
    eval.run(EvalConfig(**run, calibrate="dev", calibrator="vector"))
    assert [row[-2:] for row in predict.run(PredictConfig(**options)).table.rows] == plain


@pytest.mark.parametrize("method", ["vector", "isotonic"])
def test_other_calibrations_are_kept_too(run: dict[str, object], method: str):
    result = eval.run(EvalConfig(**run, calibrate="dev", calibrator=method))
    assert figures(eval.run(EvalConfig(**run))) == pytest.approx(figures(result), abs=1e-12)
    assert {one.name: one for one in result.calibration.metrics}["nll"].difference.high < 0


def test_what_was_calibrated_on_is_not_evaluated(run: dict[str, object]):
    with pytest.raises(UsageError, match="the test set cannot be calibrated and evaluated on"):
        EvalConfig(**run, calibrate="test")
    with pytest.raises(UsageError, match="surer of its training images"):
        EvalConfig(**run, calibrate="train")
    copy = str(Path(str(run["data"])).with_name("copy.npz"))
    with pytest.raises(InputError, match="the test set has the examples that temperature was calibrated on"):
        eval.run(EvalConfig(**run, calibrate=copy))
    assert not Path(str(run["model"]), CALIBRATION).exists()
    eval.run(EvalConfig(**run, calibrate="dev"))
    with pytest.raises(InputError, match="the dev set has the examples that temperature was calibrated on"):
        eval.run(EvalConfig(**run, split="dev"))
    assert figures(eval.run(EvalConfig(**run, split="dev", uncalibrated=True)))["top-1"] > 0.5


def test_other_data_are_calibrated_on(run: dict[str, object]):
    copy = str(Path(str(run["data"])).with_name("copy.npz"))
    result = eval.run(EvalConfig(**run, split="dev", calibrate=copy))
    assert (result.calibration.split, result.calibration.examples) == ("test", 300)


def test_a_calibration_of_other_weights_is_refused(run: dict[str, object], tmp_path: Path):
    eval.run(EvalConfig(**run, calibrate="dev"))
    save(tmp_path / "run", f"{tmp_path}/nets.py:Reader", 2.0)
    with pytest.raises(InputError, match="was fitted for other weights") as caught:
        predict.run(PredictConfig(**run, split="test"))
    assert "--calibrate dev" in str(caught.value.hint)
    eval.run(EvalConfig(**run, calibrate="dev"))  # mends it
    assert predict.run(PredictConfig(**run, split="test")).n_images == 300
    with pytest.raises(InputError, match="another `ensemble` or `tta`"):
        predict.run(PredictConfig(**run, split="test", tta=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": -1}, "temperature must be a finite number"),
        ({"temperature": float("nan")}, "temperature must be a finite number"),
        ({"method": "other"}, "method must be one of"),
        ({"method": "vector", "weight": [1.0], "bias": [0.0]}, "not of a network of 3 outputs"),
        ({"examples": "many"}, "examples must be a whole number"),
    ],
)
def test_a_damaged_file_is_refused(run: dict[str, object], change: dict[str, object], message: str):
    eval.run(EvalConfig(**run, calibrate="dev"))
    path = Path(str(run["model"]), CALIBRATION)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        eval.run(EvalConfig(**run))


def test_a_record_is_verified(run: dict[str, object], tmp_path: Path, dlcli):
    where = ["--device", "cpu", "--trust-code"]
    record = tmp_path / "record"
    done = dlcli("eval", run["model"], run["data"], "--calibrate", "dev", "--calibrator", "vector", *where, "-o", record)
    assert done.returncode == 0, done.stderr
    done = dlcli("verify", record, *where)
    assert done.returncode == 0, done.stderr


def test_where_it_cannot_be_kept_it_is_refused(run: dict[str, object], tmp_path: Path):
    with pytest.raises(UsageError, match="needs a directory written by dlcli train"):
        eval.run(EvalConfig(model=f"{tmp_path}/nets.py:Reader", data=str(run["data"]), device="cpu", calibrate="dev"))
    (tmp_path / "table.csv").write_text("truth,label\na,a\nb,a\n")
    with pytest.raises(UsageError, match="`calibrate` does not apply to predictions in a file"):
        eval.run(EvalConfig(model=str(tmp_path / "table.csv"), calibrate="dev"))
    with pytest.raises(UsageError, match="`calibrator` needs `calibrate`"):
        EvalConfig(calibrator="vector")


def test_answers_are_not_those_of_a_calibration_that_changes_labels(run: dict[str, object]):
    options = {**run, "split": "test", "abstain": 0.3, "calibration": run["data"]}
    plain = [row[-1] for row in predict.run(PredictConfig(**options)).table.rows]
    eval.run(EvalConfig(**run, calibrate="dev"))
    assert [row[-1] for row in predict.run(PredictConfig(**options)).table.rows] == plain and len(set(plain)) == 2
    eval.run(EvalConfig(**run, calibrate="dev", calibrator="vector"))
    with pytest.raises(InputError, match="the calibration that is kept with the network changes labels"):
        predict.run(PredictConfig(**options))
    assert [row[-1] for row in predict.run(PredictConfig(**options, uncalibrated=True)).table.rows] == plain


def test_what_is_missing_or_the_same_is_named_with_what_helps(run: dict[str, object], tmp_path: Path):
    copy = {**run, "data": str(tmp_path / "copy.npz")}
    with pytest.raises(InputError, match=r"copy.npz has no dev set, only test") as caught:
        eval.run(EvalConfig(**copy, calibrate="dev"))
    assert "dlcli train --data" in caught.value.hint and "--dev 0.2" in caught.value.hint
    for split, hint in (("test", "calibrate on `calibrate=dev`"), ("dev", "evaluate `split=test`")):
        with pytest.raises(UsageError, match=f"the {split} set cannot be calibrated and evaluated on") as refused:
            EvalConfig(**run, split=split, calibrate=split)
        assert refused.value.hint.startswith(hint)
