"""Evaluations that stop once the gate is decided are those of a part of the whole."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.core.data import open_data
from dlcli.engines import eval as evaluate
from dlcli.engines import train
from dlcli.engines.eval import images
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.figures import percent
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stop") / "run"
    train.run(TrainConfig(epochs=3, output=folder, device="cpu"))
    return folder


def rows(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "predictions.csv").open(newline="") as stream:
        return [tuple(row[name] for name in ("truth", "label", "probability")) for row in csv.DictReader(stream)]


def test_what_is_seen_is_a_part_of_the_whole(run: Path, tmp_path: Path) -> None:
    whole = evaluate.run(EvalConfig(model=str(run), output=tmp_path / "whole", device="cpu"))
    some = evaluate.run(
        EvalConfig(model=str(run), output=tmp_path / "some", fail_under="top-1=0.5", stop_when_sure=True, device="cpu")
    )
    assert isinstance(whole, EvalResult) and isinstance(some, EvalResult)
    stopped = some.stopped
    assert whole.stopped is None and stopped is not None and not some.failed
    assert stopped.seen == some.n_images < stopped.total == whole.n_images
    assert stopped.share.low <= whole.metrics[0].estimate.value <= stopped.share.high
    assert some.metrics[0].estimate == stopped.share and f'"value": {stopped.share.value}' in json.dumps(some.records()[0])
    for one, other in zip(some.metrics[:2], whole.metrics[:2], strict=True):  # top-1 and top-5, of the whole set
        assert one.estimate.low <= other.estimate.value <= one.estimate.high
    said = EVAL.answer(some)
    assert f"{percent(stopped.share, '%')} of {stopped.total:,} test images right, by {stopped.seen:,} of them" in said
    assert ", by " not in EVAL.answer(whole)
    left = rows(tmp_path / "whole")
    # In the order of the data, with the same figures up to rounding by batches.
    for truth, label, probability in rows(tmp_path / "some"):
        while left and not (left[0][:2] == (truth, label) and abs(float(left[0][2]) - float(probability)) < 1e-5):
            left.pop(0)
        assert left
        left.pop(0)


def test_a_gate_that_is_not_reached_fails(run: Path) -> None:
    found = evaluate.run(EvalConfig(model=str(run), fail_under="accuracy=0.999", stop_when_sure=True, device="cpu"))
    assert isinstance(found, EvalResult) and found.failed and found.stopped is not None and found.stopped.fails


def test_only_shares_are_decided() -> None:
    with pytest.raises(UsageError, match="decides top-1"):
        EvalConfig(fail_under="worst-class=0.5", stop_when_sure=True)
    with pytest.raises(UsageError, match="needs `fail_under`"):
        EvalConfig(stop_when_sure=True)


def test_a_gate_of_another_figure_is_that_of_what_was_seen(run: Path) -> None:
    """The accuracy of the worst class is below that of all; a bound between them fails however long there is."""
    whole = evaluate.run(EvalConfig(model=str(run), device="cpu"))
    assert isinstance(whole, EvalResult)
    figures = {one.name: one.estimate.value for one in whole.metrics}
    assert figures["worst-class"] < figures["top-1"]
    bound = (figures["worst-class"] + figures["top-1"]) / 2
    for limit in (None, "1h"):
        found = evaluate.run(EvalConfig(model=str(run), fail_under=("worst-class", bound), time_limit=limit, device="cpu"))
        assert isinstance(found, EvalResult) and found.failed.startswith("worst-class on test is")
        assert found.stopped is None or (found.stopped.seen == whole.n_images and found.stopped.decided is None)


def test_a_run_that_sees_all_fails_as_one_without_a_limit(run: Path, tmp_path: Path) -> None:
    """Mistakes are put together in films, so that the interval by film holds a bound which that of single images does not."""
    data, films = open_data("digits"), tmp_path / "films.npz"
    arrays = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    film = np.zeros(len(data.y_test), dtype=np.int64)
    np.savez(films, **arrays, film_test=film)
    evaluate.run(EvalConfig(model=str(run), data=str(films), output=tmp_path / "whole", device="cpu"))
    wrong = np.array([truth != label for truth, label, _ in rows(tmp_path / "whole")])
    film[np.argsort(~wrong, kind="stable")] = np.arange(len(film)) // 60
    np.savez(films, **arrays, film_test=film)
    alone, grouped = (evaluate.run(EvalConfig(model=str(run), data=str(films), group=name)) for name in (None, "film"))
    assert isinstance(alone, EvalResult) and isinstance(grouped, EvalResult)
    bound = (alone.metrics[0].estimate.high or 0) + 0.001
    assert bound < (grouped.metrics[0].estimate.high or 0)
    for name, fails in ((None, True), ("film", False)):
        for limit in (None, "1h"):
            gate = ("top-1", bound, "established")
            found = evaluate.run(EvalConfig(model=str(run), data=str(films), group=name, fail_under=gate, time_limit=limit))
            assert isinstance(found, EvalResult) and bool(found.failed) is fails
            assert found.stopped is None or (found.stopped.decided, found.stopped.fails) == (True, fails)


def test_a_wrong_name_of_a_column_fails_before_the_network_runs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "eval_until_sure", lambda *given: pytest.fail("the network was run"))
    with pytest.raises(InputError, match="no column 'film'"):
        evaluate.run(EvalConfig(model=str(run), group="film", time_limit="1h", device="cpu"))
