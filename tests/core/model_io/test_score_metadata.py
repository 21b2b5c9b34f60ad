"""What a run records of scores: the interval of one prediction covers as it should, and damaged records are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.score_metadata import SavedScores, saved_scores, task_of
from dlcli.core.objectives.huber import Huber
from dlcli.support.errors import InputError

HUBER = Huber(mean=3.0, deviation=2.0, delta=1.0)


def dataset(truth: np.ndarray) -> ImageData:
    y = torch.from_numpy(truth.astype(np.float32))
    x = torch.zeros(len(y), 1, 1, 1)
    return ImageData(x, y, x, y, ("score",), "")


def recorded(n: int, random: np.random.Generator) -> SavedScores:
    truth = random.normal(5, 2, n)
    return saved_scores(dataset(truth), HUBER, truth + random.standard_t(3, n), None, ())


@pytest.mark.parametrize("n", [19, 72, 200])
def test_the_interval_covers_the_next_example(n: int):
    random = np.random.default_rng(n)
    inside = []
    for _ in range(3000):
        half = recorded(n, random).residual
        assert half is not None
        inside.append(abs(random.standard_t(3)) <= half)
    # Split conformal: at least .95, and at most .95 + 1 / (n + 1) for errors without ties.
    error = 4 * (0.95 * 0.05 / len(inside)) ** 0.5
    assert 0.95 - error <= np.mean(inside) <= 0.95 + 1 / (n + 1) + error


def test_too_few_examples_have_no_interval():
    found = recorded(18, np.random.default_rng(0))
    assert (found.residual, found.n_residual) == (None, 18)


def test_a_record_is_read_again_and_a_damaged_one_is_refused(tmp_path: Path):
    found = recorded(40, np.random.default_rng(0))
    written = json.loads(json.dumps(found.to_json()))
    assert SavedScores.from_json(written, tmp_path) == found
    for change in (
        {"objective": {}},
        {"objective": {"loss": "nope"}},
        {"objective": {**written["objective"], "mean": "3"}},
        {"mean": None},
        {"residual": -1.0},
        {"raters": "a"},
    ):
        with pytest.raises(InputError):
            SavedScores.from_json({**written, **change}, tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"task": "score"}))
    with pytest.raises(InputError):
        task_of(str(tmp_path))
    (tmp_path / "model.json").write_text(json.dumps({"task": 3}))
    with pytest.raises(InputError, match="must be text"):
        task_of(str(tmp_path))


def test_what_is_no_run_classifies_images(tmp_path: Path):
    assert task_of(None).name == task_of(str(tmp_path)).name == task_of("torchvision:resnet18").name == "images"
