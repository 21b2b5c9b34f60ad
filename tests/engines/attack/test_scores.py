"""Attacks on predicted scores: beside the exact optimum of a linear network, and refused where scores mean nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.cli.commands.attack import COMMAND
from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.compute.loader import to_float
from dlcli.core.data import open_data
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines import attack, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.score_attack import ScoreAttackResult, ScoreAttackRow
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from tests.scored import integer_scores, table_folder

N = 120
LINEAR = """
from torch import nn


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(256, 1)

    def forward(self, x):
        return self.linear(x.flatten(1))[:, 0]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = [f"person {k % 17}" for k in range(N)]
    return table_folder(tmp_path_factory.mktemp("attacked") / "t", integer_scores(N), more={"person": people})


@pytest.fixture(scope="module")
def linear(folder: Path) -> Path:
    """A run of a linear network."""
    (folder.parent / "net.py").write_text(LINEAR)
    train.run(config(folder, model=f"{folder.parent / 'net.py'}:Linear", epochs=8, lr=1e-2, output=folder.parent / "linear"))
    return folder.parent / "linear"


@pytest.fixture(scope="module")
def levels(folder: Path) -> Path:
    """A run with an output for each level."""
    train.run(config(folder, model="mlp", loss="ce", epochs=4, output=folder.parent / "levels"))
    return folder.parent / "levels"


def config(folder: Path, **changes: object) -> TrainConfig:
    return TrainConfig(data=str(folder), task="score", device="cpu", batch_size=16, **changes)


def attacked(run: Path, folder: Path, **options: object) -> ScoreAttackResult:
    settings = {"model": str(run), "data": str(folder), "device": "cpu", "trust_code": True, "eps": 0.02}
    result = attack.run(AttackConfig(**{**settings, **options}))
    assert isinstance(result, ScoreAttackResult)
    return result


def row(result: ScoreAttackResult, direction: str, eps: float = 0.02) -> ScoreAttackRow:
    return next(one for one in result.rows if (one.direction, one.eps) == (direction, eps))


def weights(run: Path) -> tuple[np.ndarray, float]:
    """The slope of the score by each pixel (256,), and the intercept."""
    scores = task_of(str(run)).scores
    assert scores is not None
    layer = next(one for one in load_model(run, torch.device("cpu")).model.modules() if isinstance(one, torch.nn.Linear))
    scale, mean = scores.objective.to_json()["deviation"], scores.objective.to_json()["mean"]
    return layer.weight.detach().double().numpy()[0] * scale, layer.bias.item() * scale + mean


@pytest.mark.parametrize("method", ["fgsm", "bim", "pgd", "mifgsm", "apgd-ce"])
def test_a_linear_score_is_moved_to_its_optimum(linear: Path, folder: Path, method: str):
    slope, intercept = weights(linear)
    data = open_data(str(folder), target="score")
    x, truth = to_float(data.x_test).double().flatten(1).numpy(), data.y_test.double().numpy()
    clean = x @ slope + intercept
    up, down = (np.clip(x + sign * 0.02 * np.sign(slope), 0, 1) @ slope + intercept for sign in (1, -1))
    found = attacked(linear, folder, method=method)
    assert row(found, "up").change.value == pytest.approx((up - clean).mean(), rel=1e-4)
    assert row(found, "down").change.value == pytest.approx((down - clean).mean(), rel=1e-4)
    furthest = np.maximum(up - clean, clean - down)
    assert row(found, "either").change.value == pytest.approx(furthest.mean(), rel=1e-4)
    assert found.threshold == pytest.approx(np.abs(clean - truth).mean(), rel=1e-5)
    assert row(found, "either").moved.value == (furthest > found.threshold).mean()
    assert row(found, "up").mae.value == pytest.approx(np.abs(up - truth).mean(), rel=1e-4)
    worse = np.maximum(np.abs(up - truth), np.abs(down - truth))
    assert row(found, "either").mae.value == pytest.approx(worse.mean(), rel=1e-4)
    assert found.findings == ()


def test_a_linear_score_is_moved_along_its_gradient_in_l2(linear: Path, folder: Path):
    slope, _ = weights(linear)
    x = to_float(open_data(str(folder), target="score").x_test).double().flatten(1).numpy()
    expected = ((np.clip(x + 0.05 * slope / np.linalg.norm(slope), 0, 1) - x) @ slope).mean()
    result = attacked(linear, folder, norm="l2", eps=0.05)
    assert row(result, "up", 0.05).change.value == pytest.approx(expected, rel=1e-4)


def test_random_perturbations_move_scores_less_and_are_compared_in_pairs(linear: Path, folder: Path):
    top = attacked(linear, folder).headline
    assert top.random is not None and top.minus_random is not None
    assert 0 < top.random.value < top.change.value / 2
    assert top.minus_random.value == pytest.approx(top.change.value - top.random.value)
    assert top.minus_random.established


def test_several_outputs_are_attacked_through_the_score_that_they_mean(levels: Path, folder: Path):
    several = attacked(levels, folder, method="fgsm,pgd", steps=5)
    for alone in ("fgsm", "pgd"):
        steps = {} if alone == "fgsm" else {"steps": 5}
        assert row(several, "up").change.value >= row(attacked(levels, folder, method=alone, **steps), "up").change.value
    assert row(several, "up").change.value > 0 > row(several, "down").change.value


def test_images_are_saved_that_give_the_scores_of_the_result(levels: Path, folder: Path, tmp_path: Path):
    result = attacked(levels, folder, eps=(0.0, 0.05), output=tmp_path / "out", save=tmp_path / "images.npz")
    found = np.load(tmp_path / "images.npz")
    assert np.abs(found["x_0.05_up"] - found["x_clean"]).max() <= 0.05 + 1e-6
    scores = task_of(str(levels)).scores
    assert scores is not None
    with torch.no_grad():
        outputs = load_model(levels, torch.device("cpu")).model(torch.from_numpy(found["x_0.05_up"]))
    assert np.abs(scores.objective.value(outputs.double()).numpy() - found["predicted_0.05_up"]).max() < 1e-5
    change = (found["predicted_0.05_up"] - found["predicted_clean"]).mean()
    assert row(result, "up", 0.05).change.value == pytest.approx(change)
    assert row(result, "either", 0.0).change.value == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"adversarial.npz", "changes.png", "report.html"}
    assert "Scores at eps 0.05" in (tmp_path / "out" / "report.html").read_text()
    assert COMMAND.table(result).columns == ("eps", "mean change", "moved, %", "MAE")


def test_groups_of_the_run_widen_the_intervals(folder: Path, tmp_path: Path):
    train.run(config(folder, model="mlp", group="person", epochs=2, output=tmp_path / "run"))
    result = attacked(tmp_path / "run", folder)
    assert result.n_groups is not None and result.n_groups < result.n_images
    assert row(result, "either").change.low is None  # too few groups for one


def test_the_bound_is_on_scores_that_stay_within_the_threshold(linear: Path, folder: Path):
    assert attacked(linear, folder, eps=0.001, fail_under="robust=0.5").failed == ""
    failed = attacked(linear, folder, eps=0.3, fail_under="robust=0.5").failed
    assert failed.startswith("share of scores that stay within") and failed.endswith("below 0.5")
    with pytest.raises(UsageError, match="`fail_under`: 'clean' is not robust"):
        attacked(linear, folder, fail_under="clean=0.5")


def test_an_attack_without_gradient_fails_the_check(linear: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    still = replace(load_attack("bim"), step_size=1e-9)
    monkeypatch.setattr("dlcli.engines.attack.scores.configured_attacks", lambda config: ((still,), "linf"))
    result = attacked(linear, folder, method="bim", fail_under="robust=0.01")
    assert [one.check for one in result.findings] == ["noise-is-stronger"]
    assert result.failed.startswith("a sanity check failed")


def test_methods_and_options_of_classes_are_refused_by_name(levels: Path, folder: Path):
    for name in REGISTRY.names():
        if not load_attack(name).raises_cross_entropy and name not in ("noise", "transfer"):
            with pytest.raises(UsageError, match=f"`method`: {name} looks for another class"):
                attacked(levels, folder, method=name)
    with pytest.raises(UsageError, match="`method`: noise is measured beside every attack on scores"):
        attacked(levels, folder, method="noise")
    refused = {"target": "1", "ensemble": "max", "members": 3, "epochs": 1}
    refused |= {"surrogate": "x", "arch": "mlp"}
    for name, value in refused.items():
        with pytest.raises(UsageError, match=f"`{name}` does not apply to a network that predicts scores"):
            attacked(levels, folder, **{name: value})
    with pytest.raises(UsageError, match="`resume` does not apply to a network that predicts scores"):
        attacked(levels, folder, resume=True, output=folder.parent / "none")
    with pytest.raises(UsageError, match="`eps`: 100 is above 16"):
        attacked(levels, folder, norm="l2", eps=100)


def test_the_plan_names_what_would_be_done(levels: Path, folder: Path):
    lines = attack.plan(AttackConfig(model=str(levels), data=str(folder), method="pgd", eps=0.1))
    assert lines[-1] == "move the scores of test images up and down by pgd (linf) at eps 0.1"
