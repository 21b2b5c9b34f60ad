"""Ensembles of networks that classify sequences: beside plain calculations on the predictions of the members."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlcli.core.ensembles.combine import RULES, RuleModel
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import attack, ensemble, eval, predict, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig, EnsembleResult, EnsembleRow
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.task_attack import TaskAttackResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.sequences import waves, write_ts

QUICK: dict[str, Any] = {"task": "sequence", "epochs": 2, "batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Waves of 20 to 32 steps."""
    folder = tmp_path_factory.mktemp("waves")
    write_ts(folder / "W_TRAIN.ts", *waves(40, seed=1))
    write_ts(folder / "W_TEST.ts", *waves(30, seed=2))
    return folder / "W_TRAIN.ts"


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    """The directory of an ensemble of three members."""
    return data.parent / "e"


@pytest.fixture(scope="module")
def result(data: Path, folder: Path) -> EnsembleResult:
    found = ensemble.run(config(data, output=folder))
    assert isinstance(found, EnsembleResult)
    return found


def config(data: Path, **changes: Any) -> EnsembleConfig:
    settings = {"data": str(data), "model": ("tcn:2:8",), "members": 3, "bootstrap": 0.5, "workers": 1, **QUICK}
    return EnsembleConfig(**{**settings, **changes})


def probabilities(model: Path, data: Path, **options: Any) -> np.ndarray:
    """The probability of `fast` for each test sequence, (n,)."""
    table = predict.run(PredictConfig(model=str(model), data=str(data), split="test", device="cpu", **options)).table
    label, p = (table.columns.index(name) for name in ("label", "probability"))
    return np.array([row[p] if row[label] == "fast" else 1 - row[p] for row in table.rows])


def row(result: EnsembleResult, classifier: str, members: int) -> EnsembleRow:
    return next(one for one in result.rows if (one.classifier, one.members) == (classifier, members))


def is_fast() -> np.ndarray:
    return np.array([label == "fast" for label in waves(30, seed=2)[1]])


def test_the_mean_is_that_of_the_probabilities_of_the_members(result: EnsembleResult, data: Path, folder: Path):
    each = np.stack([probabilities(folder / "members" / f"{k:03}", data) for k in range(3)])
    assert np.abs(probabilities(folder, data) - each.mean(0)).max() < 2e-6
    assert each.std(0).max() > 1e-3  # or the mean would tell nothing
    right, own = (each.mean(0) > 0.5) == is_fast(), (each > 0.5) == is_fast()
    found = row(result, "mean rule", 3)
    assert found == result.headline and found.gain is not None
    assert found.accuracy.value == pytest.approx(right.mean())
    assert found.gain.value == pytest.approx(right.mean() - own.mean())
    assert row(result, "mean of members", 3).accuracy.value == pytest.approx(own.mean())
    assert row(result, "vote rule", 3).accuracy.value == pytest.approx((((each > 0.5).sum(0) > 1) == is_fast()).mean())
    two = probabilities(folder, data, ensemble="mean-logit")
    odds = np.log(each / (1 - each)).mean(0)
    assert np.abs(two - 1 / (1 + np.exp(-odds))).max() < 1e-4


def test_eval_gives_the_figures_of_the_run_by_any_rule(result: EnsembleResult, data: Path, folder: Path):
    for rule in RULES:
        found = eval.run(EvalConfig(model=str(folder), data=str(data), ensemble=rule, device="cpu"))
        assert isinstance(found, EvalResult) and found.unit == result.unit == "sequence"
        top = next(one.estimate.value for one in found.metrics if one.name == "top-1")
        assert top == row(result, f"{rule} rule", 3).accuracy.value


def test_one_member_decides_as_it_does_alone(result: EnsembleResult, folder: Path):
    alone = [row(result, f"{rule} rule", 1).accuracy for rule in RULES]
    assert alone == [result.members[0].accuracy] * len(RULES)
    member = load_model(folder / "members" / "000", torch.device("cpu")).model
    x = torch.randn(50, 1, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = member(x)
        assert torch.equal(RuleModel([member], "mean-logit").eval()(x), own)
        assert all(torch.equal(RuleModel([member], rule).eval()(x).argmax(1), own.argmax(1)) for rule in RULES)


def test_members_are_resumed_and_trained_networks_are_added(result: EnsembleResult, data: Path, folder: Path):
    again = ensemble.run(config(data, output=folder, resume=True))
    assert again.rows == result.rows and all(one.reused for one in again.members)
    with pytest.raises(UsageError, match="`resume`: .* was started with `epochs=2`, not 3"):
        ensemble.run(config(data, output=folder, resume=True, epochs=3))
    runs = [folder / "members" / f"{k:03}" for k in (0, 1)]
    output = folder.parent / "added"
    found = ensemble.run(config(data, members=0, bootstrap=None, add=tuple(map(str, runs)), output=output))
    assert isinstance(found, EnsembleResult)
    assert [one.weights_sha256 for one in found.members] == [one.weights_sha256 for one in result.members[:2]]
    assert row(found, "mean rule", 2) == row(result, "mean rule", 2)
    assert np.abs(probabilities(output, data) - np.mean([probabilities(run, data) for run in runs], axis=0)).max() < 2e-6


def test_a_run_on_longer_sequences_is_added_and_one_of_other_channels_is_not(data: Path, tmp_path: Path):
    for name, channels, high in (("long", 1, 60), ("wide", 2, 32)):
        write_ts(tmp_path / f"{name}_TRAIN.ts", *waves(16, channels=channels, high=high, seed=3))
        write_ts(tmp_path / f"{name}_TEST.ts", *waves(6, channels=channels, high=high, seed=4))
        train.run(TrainConfig(data=str(tmp_path / f"{name}_TRAIN.ts"), model="tcn:2:8", output=tmp_path / name, **QUICK))
    found = ensemble.run(config(data, members=1, add=(str(tmp_path / "long"),), output=tmp_path / "e"))
    alone = probabilities(tmp_path / "long", data)
    both = probabilities(tmp_path / "e" / "members" / "000", data)
    assert np.abs(probabilities(tmp_path / "e", data) - (alone + both) / 2).max() < 2e-6
    assert found.headline is not None and found.headline.members == 2
    with pytest.raises(InputError, match="`add`: .*wide was trained on .* of 2x"):
        ensemble.run(config(data, members=1, add=(str(tmp_path / "wide"),)))


def test_attacks_go_through_the_rule(result: EnsembleResult, data: Path, folder: Path):
    shared = {"model": str(folder), "data": str(data), "device": "cpu", "eps": 0.5}
    for rule in ("mean", "vote"):
        found = attack.run(AttackConfig(**shared, ensemble=rule))
        assert isinstance(found, TaskAttackResult) and f"({rule} rule)" in found.model
        assert found.rows[0].figure("accuracy").value == row(result, f"{rule} rule", 3).accuracy.value
    with pytest.raises(UsageError, match="`ensemble`: .* is not an ensemble"):
        attack.run(AttackConfig(**{**shared, "model": str(folder / "members" / "000")}, ensemble="mean"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 28}, "`size` is of images"),
        ({"augment": ("shift",)}, "`augment` is of images"),
        ({"adversarial": "fgsm:0.1"}, "`adversarial` is of images"),
        ({"loss": "huber"}, "`loss` needs `task=score`"),
        ({"rule": "median"}, "`rule`: classes are not combined by median"),
        ({"fail_under": "spearman=0.5"}, "`fail_under`: 'spearman' is not one of accuracy"),
        ({"task": "images", "rate": 8000}, "`rate` needs `task=sequence`"),
        ({"task": "images", "pad": True}, "`pad` needs `task=sequence`"),
    ],
)
def test_options_of_other_tasks_are_refused_by_name(options: dict[str, Any], words: str):
    with pytest.raises(UsageError, match=words):
        config(Path("digits"), **options)


def test_networks_of_other_tasks_are_refused_by_name(result: EnsembleResult, data: Path, folder: Path, tmp_path: Path):
    member = str(folder / "members" / "000")
    with pytest.raises(UsageError, match="`strategy`: these members cannot be stacked: sequences differ in length"):
        ensemble.run(config(data, strategy="stacked"))
    for more in ({"workers": 2}, {"cluster": "auto"}):
        with pytest.raises(UsageError, match="members that are stacked are trained in one process"):
            config(data, strategy="stacked", **more)
    with pytest.raises(UsageError, match="`add`: .* takes sequences, and dlcli ensemble needs a network of images"):
        ensemble.run(EnsembleConfig(data="digits", add=(member,), members=1, device="cpu"))
    with pytest.raises(UsageError, match="`ensemble`: .* is not an ensemble"):
        eval.run(EvalConfig(model=member, data=str(data), ensemble="mean", device="cpu"))
    train.run(TrainConfig(data=str(data), model="tcn:2:8", next=True, output=tmp_path / "next", **QUICK))
    with pytest.raises(UsageError, match="`add`: .* predicts the next step"):
        ensemble.run(config(data, add=(str(tmp_path / "next"),)))
    with pytest.raises(UsageError, match="`ensemble` does not apply to a network that predicts the next step"):
        eval.run(EvalConfig(model=str(tmp_path / "next"), data=str(data), ensemble="mean", device="cpu"))
    with pytest.raises(UsageError, match="`ensemble` does not apply to a network that predicts the next step"):
        predict.run(PredictConfig(model=str(tmp_path / "next"), data=str(data), ensemble="mean", device="cpu"))
    train.run(TrainConfig(data="digits", model="mlp", epochs=1, limit=50, device="cpu", output=tmp_path / "images"))
    with pytest.raises(UsageError, match="`add`: .* takes images, and the members sequences"):
        ensemble.run(config(data, add=(str(tmp_path / "images"),)))
