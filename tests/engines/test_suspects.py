"""Suspected label errors through eval and train: planted flips are found, named by their file, and written down."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.engines import eval, train
from dlcli.engines.train.suspects import folds_of
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.suspects import Suspects
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT
from tests.conftest import Run
from tests.engines.train.test_engine import Impatient
from tests.sequences import waves, write_ts

SHAPES = 3
QUICK: dict[str, Any] = {"model": "mlp", "epochs": 6, "batch_size": 16, "device": "cpu"}


def arrays(n: int, seed: int, flips: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy bars of three places, their labels, and which of these are flipped."""
    source = np.random.default_rng(seed)
    truth = np.arange(n) % SHAPES
    x = source.uniform(0, 0.3, (n, 9, 9, 1))
    for k, label in enumerate(truth):
        x[k, 3 * label : 3 * label + 3] += 0.6
    flipped = source.choice(n, flips, replace=False)
    y = truth.copy()
    y[flipped] = (y[flipped] + 1) % SHAPES
    return x.astype(np.float32), y, flipped


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[int], set[int]]:
    """A dataset, and the flipped labels of its training and test set."""
    path = tmp_path_factory.mktemp("flipped") / "bars.npz"
    x_train, y_train, in_train = arrays(240, 0, 12)
    x_test, y_test, in_test = arrays(120, 1, 6)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path, set(in_train.tolist()), set(in_test.tolist())


def found_by(result: object, kind: type) -> Suspects:
    assert isinstance(result, kind)
    suspects: Suspects | None = result.suspects
    assert suspects is not None
    return suspects


def test_flipped_labels_of_the_training_set_are_found_out_of_fold(data: tuple[Path, set[int], set[int]], tmp_path: Path):
    path, flipped, _ = data
    output = tmp_path / "run"
    result = train.run(TrainConfig(data=str(path), suspects=4, output=output, **QUICK))
    found = found_by(result, TrainResult)
    assert {one.index for one in found.suspects} == flipped and found.count == len(flipped) and found.folds == 4
    assert all(one.score < 0 and one.given != one.suggested for one in found.suspects)
    with open(output / "suspects.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [one.index for one in found.suspects]
    assert "rather" in (output / "suspects.html").read_text()
    plain = train.run(TrainConfig(data=str(path), **QUICK))
    assert plain.rows[0].weights_sha256 == result.rows[0].weights_sha256  # the run itself is the same
    evaluated = eval.run(EvalConfig(model=str(output), data=str(path), suspects=True, output=tmp_path / "page"))
    in_test = found_by(evaluated, EvalResult)
    assert {one.index for one in in_test.suspects} == data[2] and in_test.folds == 0
    assert "Suspected label errors" in (tmp_path / "page" / "report.html").read_text()
    assert (tmp_path / "page" / "suspects.csv").exists()
    assert any("are suspected to be wrong, by this network" in note for note in evaluated.notes)


class StopsInFold(Impatient):
    """Asks training to stop in a fold, the second one if no other is named; lists what is trained."""

    def __init__(self, fold: str = "fold 2") -> None:
        super().__init__(0)
        self.fold, self.labels, self.notes = fold, list[str](), list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def task(self, label: str, total: int | None = None) -> Any:
        self.labels.append(label)
        return SILENT.task(label, total)

    @property
    def folds(self) -> list[str]:
        """The folds that a network was trained for."""
        return [label for label in self.labels if label.startswith("fold")]

    @contextmanager
    def stoppable(self) -> Iterator[Callable[[], bool]]:
        yield lambda: self.labels[-1].startswith(self.fold)


def test_a_run_that_is_stopped_in_a_fold_is_kept_and_goes_on(data: tuple[Path, set[int], set[int]], tmp_path: Path):
    options: dict[str, Any] = {"data": str(data[0]), "suspects": 3, **QUICK}
    whole = found_by(train.run(TrainConfig(**options)), TrainResult)
    weights = train.run(TrainConfig(data=str(data[0]), **QUICK)).rows[0].weights_sha256
    parts = TrainConfig(**options, output=tmp_path / "run")
    assert train.run(parts, report=Impatient(10)).rows == ()
    resumed = replace(parts, resume=True)
    report = StopsInFold()
    stopped = train.run(resumed, report=report)
    assert any("holds the run, without suspects" in note for note in report.notes)
    assert isinstance(stopped, TrainResult) and stopped.suspects is None and stopped.notes[-1] == "stopped"
    assert stopped.rows[0].weights_sha256 == weights and (tmp_path / "run" / "weights.safetensors").is_file()
    assert not (tmp_path / "run" / "suspects.csv").exists()
    report = StopsInFold("fold 3")
    assert train.run(resumed, report=report).notes[-1] == "stopped"  # type: ignore[union-attr]
    assert report.folds == ["fold 2 of 3, steps", "fold 3 of 3, steps"]  # the first one is not trained again
    report = StopsInFold("none")
    again = train.run(resumed, report=report)
    assert found_by(again, TrainResult) == whole and again.rows[0].weights_sha256 == weights
    assert report.folds == ["fold 3 of 3, steps"] and (tmp_path / "run" / "suspects.csv").is_file()
    report = StopsInFold("none")
    assert found_by(train.run(resumed, report=report), TrainResult) == whole and report.folds == []
    assert sorted(one.name for one in (tmp_path / "run" / "folds").iterdir()) == [f"{k}-of-3.safetensors" for k in (1, 2, 3)]


def test_folds_of_another_training_or_damaged_ones_are_refused(data: tuple[Path, set[int], set[int]], tmp_path: Path):
    runs = [TrainConfig(data=str(data[0]), suspects=2, output=tmp_path / name, seed=k, **QUICK) for k, name in enumerate("ab")]
    for config in runs:
        train.run(config)
    first, other = (config.output / "folds" / "1-of-2.safetensors" for config in runs if config.output)
    content = first.read_bytes()
    first.write_bytes(other.read_bytes())
    with pytest.raises(UsageError, match="folds was started with .*`seed=1`, not 0"):
        train.run(replace(runs[0], resume=True))
    for damaged in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        first.write_bytes(damaged)
        with pytest.raises(InputError, match=r"1-of-2\.safetensors"):
            train.run(replace(runs[0], resume=True))
    more = train.run(replace(runs[0], resume=True, suspects=3))
    assert found_by(more, TrainResult).folds == 3  # another number of folds is another search


def test_a_table_of_predictions_gives_the_suspects_that_the_network_gives(
    data: tuple[Path, set[int], set[int]], tmp_path: Path, dlcli: Run
):
    path, _, flipped = data
    train.run(TrainConfig(data=str(path), output=tmp_path / "run", **QUICK))
    options: dict[str, Any] = {"suspects": True}
    by_network = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(path), output=tmp_path / "page", **options))
    table = tmp_path / "page" / "predictions.csv"
    evaluated = eval.run(EvalConfig(model=str(table), output=tmp_path / "again", **options))
    network, found = found_by(by_network, EvalResult), found_by(evaluated, EvalResult)
    assert {one.index for one in found.suspects} == flipped and found.split == ""
    assert [(one.index, one.given, one.suggested) for one in found.suspects] == [
        (one.index, one.given, one.suggested) for one in network.suspects
    ]
    assert found.estimated == pytest.approx(network.estimated, abs=1e-4)
    written = [(tmp_path / name / "suspects.csv").read_text().splitlines()[0] for name in ("page", "again")]
    assert written[0] == written[1] and "Suspected label errors" in (tmp_path / "again" / "report.html").read_text()
    assert f"{len(flipped)} labels of 120 examples are suspected to be wrong, by these probabilities" in evaluated.notes[0]
    first = found.suspects[0]
    assert f"The most suspicious: number {first.index}: {first.given}, rather {first.suggested};" in evaluated.notes[0]
    (tmp_path / "labels.csv").write_text("truth,label\na,a\nb,a\n")
    done = dlcli("eval", "labels.csv", "--suspects", cwd=tmp_path)
    assert done.returncode == 3 and b"--suspects: labels.csv has no probabilities of all classes" in done.stderr


def test_flipped_labels_of_sequences_are_found_out_of_fold(tmp_path: Path):
    flipped = {"TRAIN": {3, 20, 41}, "TEST": {8, 15}}
    for seed, (name, wrong) in enumerate(flipped.items()):
        values, labels = waves(60, seed=seed)
        given = [{"slow": "fast", "fast": "slow"}[label] if k in wrong else label for k, label in enumerate(labels)]
        write_ts(tmp_path / f"W_{name}.ts", values, given)
    settings: dict[str, Any] = {"task": "sequence", "model": "tcn:3:8", "epochs": 25, "batch_size": 8, "device": "cpu"}
    data, output = str(tmp_path / "W_TRAIN.ts"), tmp_path / "run"
    found = found_by(train.run(TrainConfig(data=data, suspects=4, output=output, **settings)), TrainResult)
    assert {one.index for one in found.suspects} == flipped["TRAIN"] and found.folds == 4
    assert all({one.given, one.suggested} == {"slow", "fast"} for one in found.suspects)
    evaluated = found_by(eval.run(EvalConfig(model=str(output), data=data, suspects=True)), EvalResult)
    assert {one.index for one in evaluated.suspects} == flipped["TEST"]


def test_no_example_is_predicted_by_a_network_that_saw_it():
    y = np.repeat(np.arange(3), (20, 7, 5))
    fold = folds_of(y, 5, None, seed=0, name="d")
    counts = np.array([[((fold == k) & (y == label)).sum() for k in range(5)] for label in range(3)])
    assert (counts.max(1) - counts.min(1) <= 1).all() and counts.sum() == len(y)
    group = np.repeat(np.arange(8), 4)
    by_group = folds_of(y, 4, group, seed=0, name="d")
    assert all(len(set(by_group[group == k].tolist())) == 1 for k in range(8)) and set(by_group.tolist()) == {0, 1, 2, 3}
    with pytest.raises(InputError, match="`suspects=6`: a class of d has 5 training examples"):
        folds_of(y, 6, None, seed=0, name="d")
    with pytest.raises(InputError, match="d has 8 groups"):
        folds_of(y, 9, group, seed=0, name="d")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "score"}, "`suspects` needs classes"),
        ({"versus": "lr=0.1"}, "`suspects` and `versus` do not go together"),
        ({"pretrain": "simclr"}, "`suspects` and `pretrain` do not go together"),
    ],
)
def test_what_does_not_go_with_it(options: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        TrainConfig(suspects=5, **options)
    with pytest.raises(UsageError, match="`suspects` and `summary` cannot be combined"):
        EvalConfig(summary=True, suspects=True)
