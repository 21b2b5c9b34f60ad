"""Prediction of the next step through train, eval and predict."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import eval, predict, train
from dlcli.specs.eval import EvalConfig
from dlcli.specs.next_step import NextEvalResult, NextTrainResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.conftest import Run
from tests.sequences import waves, write_npz, write_ts

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {
    "task": "sequence",
    "next": True,
    "model": "tcn:2:12",
    "epochs": 12,
    "batch_size": 8,
    "lr": 0.02,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of letters: after ab comes a or b by the letter before, which a chain of one step cannot know."""
    path = tmp_path_factory.mktemp("text") / "book.txt"
    path.write_text("aabb" * 600)
    return path


@pytest.fixture(scope="module")
def folder(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "run"
    train.run(TrainConfig(data=str(text), steps=32, output=output, **QUICK))
    return output


def test_it_beats_a_markov_chain_where_two_steps_decide(folder: Path, text: Path) -> None:
    """Of aabb, one step back leaves one bit; two leave none."""
    result = eval.run(EvalConfig(model=str(folder)))
    assert isinstance(result, NextEvalResult) and result.kind == "categorical" and result.n_steps > 300
    assert result.baselines is not None and result.baselines.markov.value == pytest.approx(1.0, abs=0.02)
    assert result.bits.value < 0.3 and result.baselines.gain is not None and result.baselines.gain.established
    rows = predict.run(PredictConfig(model=str(folder), data=str(text), top=1)).table.rows
    truth = text.read_text()
    right = [row[2] == truth[int(row[1]) + 1] for row in rows[:-1]]
    assert len(rows) == len(truth) and np.mean(right) > 0.9


def test_eval_gives_the_bits_of_the_training(text: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    made = train.run(TrainConfig(data=str(text), steps=64, output=output, **{**QUICK, "epochs": 1}))
    found = eval.run(EvalConfig(model=str(output), output=tmp_path / "page"))
    assert isinstance(made, NextTrainResult) and made.rows[0].bits == found.bits and made.baselines == found.baselines
    assert (tmp_path / "page" / "report.html").exists() and (output / "report.html").exists()
    again = train.run(TrainConfig(data=str(text), steps=64, output=output, resume=True, **{**QUICK, "epochs": 1}))
    assert again.rows[0].weights_sha256 == made.rows[0].weights_sha256


def test_gates_of_bits_and_of_the_gain(folder: Path, text: Path, dlcli: Run, tmp_path: Path) -> None:
    bits = eval.run(EvalConfig(model=str(folder))).bits
    gates = {
        ("bits", bits.value + 0.01): "",
        ("bits", bits.value - 0.01): "bits per step on test are",
        ("bits", bits.high, "established"): "",
        ("bits", bits.low - 0.01, "established"): "above",
        ("gain", 0.5): "",
        ("gain", 1.5): "gain on test is",
    }
    for wanted, words in gates.items():
        failed = eval.run(EvalConfig(model=str(folder), fail_under=wanted)).failed
        assert (words in failed) if words else not failed
    with pytest.raises(UsageError, match="'top-1' is not one of gain, bits"):
        eval.run(EvalConfig(model=str(folder), fail_under=("top-1", 0.5)))
    (tmp_path / "short.txt").write_text("aabb" * 20)
    with pytest.raises(InputError, match="there is no gain over the Markov chain here: the sequences are too few"):
        eval.run(EvalConfig(model=str(folder), data=str(tmp_path / "short.txt"), fail_under=("gain", 0.5)))
    assert dlcli("eval", folder, "--fail-under", "gain=1.5").returncode == 1


def test_one_long_text_is_divided_at_its_end(text: Path) -> None:
    data = open_sequences(str(text), SequenceOptions(labels=False, steps=100))
    assert data.x_train.shape[2] == 100
    steps = [int((~split.x[:, 0].isnan()).sum()) for split in data.splits.values()]
    assert sum(steps) == 2400 and steps[1] == pytest.approx(480, abs=100)


def test_notes_and_numbers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    notes = [(random.random((5, 20)) < 0.3).astype(float) for _ in range(24)]
    spec = write_npz(tmp_path / "notes.npz", notes, ["a"] * 24)
    output = tmp_path / "run"
    found = train.run(TrainConfig(data=str(spec), output=output, **{**QUICK, "epochs": 1}))
    assert isinstance(found, NextTrainResult) and found.kind == "binary"
    rows = predict.run(PredictConfig(model=str(output), data=str(spec))).table
    assert rows.columns == ["index", "step", "channels", "expected"] and len(rows.rows) == 24 * 20
    values, labels = waves(24)
    spec = write_ts(tmp_path / "waves.ts", values, labels)
    found = train.run(TrainConfig(data=str(spec), output=tmp_path / "other", **{**QUICK, "epochs": 1}))
    assert isinstance(found, NextTrainResult) and found.kind == "gaussian"
    rows = predict.run(PredictConfig(model=str(tmp_path / "other"), data=str(spec))).table
    assert rows.columns == ["index", "step", "mean_0", "deviation_0"] and len(rows.rows) == sum(v.shape[1] for v in values)
    assert all(row[3] > 0 for row in rows.rows)


def test_an_untrained_network_is_causal_and_a_trained_one_stays_so(folder: Path) -> None:
    found = eval.run(EvalConfig(model=str(folder), prove_causal=True))
    assert found.leak == 0.0 and found.field == 13
    assert eval.run(EvalConfig(model=str(folder), summary=True)).summary is not None


def test_padding_does_not_count(text: Path, folder: Path) -> None:
    model = load_model(folder, CPU).model
    x = torch.rand(1, 2, 10)
    longer = torch.cat([x, torch.full((1, 2, 7), torch.nan)], 2)
    with torch.no_grad():
        found, alone = model(longer), model(x)
    assert torch.equal(found[:, :, 10:], torch.zeros(1, 2, 7)) and (found[:, :, :10] - alone).abs().max() < 1e-6


def test_a_variant(text: Path) -> None:
    config = TrainConfig(data=str(text), steps=64, versus="--model tcn-plain:1:4", seeds=2, workers=1, **{**QUICK, "epochs": 1})
    result = train.run(config)
    assert isinstance(result, NextTrainResult) and result.comparisons[0].metric == "test bits"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "images", "next": True}, "`next` needs `task=sequence`"),
        ({"task": "sequence", "steps": 9}, "`steps` needs `next`"),
        ({"task": "sequence", "next": True, "class_weights": True}, "`class_weights` is of classes"),
        ({"task": "sequence", "next": True, "label_smoothing": 0.1}, "`label_smoothing` is of classes"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TrainConfig(**options)


def test_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`slices` does not apply to a network that predicts the next step"):
        eval.run(EvalConfig(model=str(folder), slices=("class",)))
    spec = write_npz(tmp_path / "short.npz", [np.ones((1, 1))] * 4, ["a"] * 4)
    with pytest.raises(InputError, match="has no training sequence of two steps"):
        train.run(TrainConfig(data=str(spec), **QUICK))


def test_at_the_shell(dlcli: Run, text: Path) -> None:
    made = dlcli(
        *("train", text, "--task", "sequence", "--next", "--steps", "64", "--model", "tcn:1:4", "--epochs", "1"),
        *("--device", "cpu", "-o", "run", "--format", "json"),
    )
    assert made.returncode == 0 and json.loads(made.stdout)["kind"] == "categorical"
    assert dlcli("eval", "run", "--format", "markdown").stdout.count(b"Markov") == 2


@pytest.mark.parametrize("kind", ["symbols", "numbers", "channels"])
def test_every_kind_of_step_is_predicted_at_the_shell(dlcli: Run, tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    steps = {
        "symbols": lambda: np.eye(3)[random.integers(0, 3, 9)].T,
        "numbers": lambda: random.normal(5, 0.1, (2, 9)),
        "channels": lambda: (random.random((4, 9)) < 0.5).astype(float),
    }
    write_npz(tmp_path / "a.npz", [steps[kind]() for _ in range(8)], ["a"] * 8)
    options = ("--model", "tcn:1:4", "--epochs", "1", "--device", "cpu", "-o", "run")
    assert dlcli("train", "a.npz", "--task", "sequence", "--next", *options).returncode == 0
    found = dlcli("predict", "run", "a.npz", "-o", "rows.csv")
    assert found.returncode == 0, found.stderr
    assert b"72 steps of 8 sequences of a.npz" in found.stderr + found.stdout
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 73
    shown = dlcli("predict", "run", "a.npz", "--format", "markdown")
    assert shown.returncode == 0 and b"the first steps" in shown.stdout
