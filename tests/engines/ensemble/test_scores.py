"""Ensembles of networks that predict scores: beside plain calculations on the predictions of the members."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_rel

from dlcli.cli.commands.ensemble import COMMAND
from dlcli.engines import attack, ensemble, eval, predict, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.score_attack import ScoreAttackResult
from dlcli.specs.score_ensemble import ScoreEnsembleResult, ScoreEnsembleRow
from dlcli.specs.scores import ScoreEvalResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.scored import integer_scores, table_folder

MEMBERS = 4
SHARED = {"task": "score", "epochs": 3, "batch_size": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_folder(tmp_path_factory.mktemp("ensembles") / "t", integer_scores(120))


@pytest.fixture(scope="module")
def result(folder: Path) -> ScoreEnsembleResult:
    found = ensemble.run(config(folder, output=folder.parent / "e"))
    assert isinstance(found, ScoreEnsembleResult)
    return found


@pytest.fixture(scope="module")
def runs(folder: Path) -> tuple[Path, Path]:
    """Two networks of different losses, and so of different outputs."""
    paths = folder.parent / "huber", folder.parent / "ce"
    for path in paths:
        train.run(TrainConfig(data=str(folder), model="mlp", loss=path.name, output=path, **SHARED))
    return paths


def config(folder: Path, **changes: object) -> EnsembleConfig:
    settings = {
        "data": str(folder),
        "model": ("mlp",),
        "members": MEMBERS,
        "bootstrap": 0.5,
        "workers": 1,
        "lr": 3e-3,
        **SHARED,
    }
    return EnsembleConfig(**{**settings, **changes})


def predicted(model: Path, folder: Path, **options: object) -> np.ndarray:
    table = predict.run(PredictConfig(model=str(model), data=str(folder), split="test", device="cpu", **options)).table
    return np.array([row[table.columns.index("score")] for row in table.rows])


def truth(folder: Path) -> np.ndarray:
    table = predict.run(PredictConfig(model=str(folder.parent / "e"), data=str(folder), split="test", device="cpu")).table
    lines = dict(line.split(",")[:2] for line in (folder / "labels.csv").read_text().splitlines()[1:])
    return np.array([float(lines[row[1]]) for row in table.rows])


def each(folder: Path) -> np.ndarray:
    """The scores of each member, (members, n)."""
    return np.stack([predicted(folder.parent / "e" / "members" / f"{k:03}", folder) for k in range(MEMBERS)])


def row(result: ScoreEnsembleResult, classifier: str, members: int = MEMBERS) -> ScoreEnsembleRow:
    return next(one for one in result.rows if (one.classifier, one.members) == (classifier, members))


def test_rules_are_those_of_numpy_in_ensemble_eval_and_predict(result: ScoreEnsembleResult, folder: Path):
    scores, y = each(folder), truth(folder)
    for rule, decide in (("mean", np.mean), ("median", np.median)):
        combined = decide(scores, axis=0)
        assert np.abs(predicted(folder.parent / "e", folder, ensemble=rule) - combined).max() < 2e-6
        mae, spearman = np.abs(combined - y).mean(), spearmanr(combined, y).statistic
        for k in (2, MEMBERS):
            assert row(result, f"{rule} rule", k).mae.value == pytest.approx(
                np.abs(decide(scores[:k], axis=0) - y).mean(), abs=1e-5
            )
        evaluated = eval.run(EvalConfig(model=str(folder.parent / "e"), data=str(folder), ensemble=rule, device="cpu"))
        assert isinstance(evaluated, ScoreEvalResult)
        found = {one.name: one.estimate.value for one in evaluated.metrics}
        assert found["mae"] == pytest.approx(mae, abs=1e-5) and found["mae"] == row(result, f"{rule} rule").mae.value
        assert found["spearman"] == pytest.approx(spearman, abs=1e-4)
    assert result.headline is not None and result.headline.classifier == "mean rule"


def test_gains_are_paired_and_the_mean_is_never_worse_than_its_members(result: ScoreEnsembleResult, folder: Path):
    errors, y = np.abs(each(folder) - truth(folder)), truth(folder)
    own = np.abs(each(folder).mean(0) - y)
    gain = row(result, "mean rule").gain
    assert gain is not None
    assert gain.value == pytest.approx((errors.mean(0) - own).mean(), abs=1e-5)
    low, high = ttest_rel(errors.mean(0), own).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((low, high), abs=1e-5)
    assert all(one.gain.value >= -1e-12 for one in result.rows if one.classifier == "mean rule" and one.gain)
    best = errors[errors.mean(1).argmin()]
    assert row(result, "best member").mae.value == pytest.approx(best.mean(), abs=1e-5)
    against = row(result, "mean rule").minus_best
    assert against is not None and against.value == pytest.approx((best - own).mean(), abs=1e-5)
    assert [one.mae.value for one in result.members] == pytest.approx(errors.mean(1).tolist(), abs=1e-5)


def test_the_spread_parts_the_error_of_the_mean_from_that_of_members(result: ScoreEnsembleResult, folder: Path):
    scores, y = each(folder), truth(folder)
    whole = result.spread[-1]
    # Krogh and Vedelsby 1995: squared error of the mean = mean squared error of members - their variance.
    variance = ((scores - y) ** 2).mean() - ((scores.mean(0) - y) ** 2).mean()
    assert whole.spread**2 * (MEMBERS - 1) / MEMBERS == pytest.approx(variance, abs=1e-4)
    expected = spearmanr(scores.std(0), np.abs(scores.mean(0) - y)).statistic
    assert whole.tells_error is not None and whole.tells_error.value == pytest.approx(expected, abs=0.02)
    table = predict.run(PredictConfig(model=str(folder.parent / "e"), data=str(folder), split="test", device="cpu")).table
    assert table.columns[-1] == "spread"
    assert np.abs(np.array([one[-1] for one in table.rows]) - scores.std(0, ddof=1)).max() < 2e-6


def test_members_are_resumed_and_trained_networks_are_added(result: ScoreEnsembleResult, folder: Path, runs: tuple[Path, Path]):
    again = ensemble.run(config(folder, output=folder.parent / "e", resume=True))
    assert isinstance(again, ScoreEnsembleResult)
    assert again.rows == result.rows and all(one.reused for one in again.members)
    added = config(folder, members=0, bootstrap=None, add=tuple(map(str, runs)), rule="median", output=folder.parent / "added")
    found = ensemble.run(added)
    assert isinstance(found, ScoreEnsembleResult)
    scores = np.stack([predicted(path, folder) for path in runs])
    assert np.abs(predicted(folder.parent / "added", folder) - scores.mean(0)).max() < 2e-6
    assert "Spearman" in COMMAND.answer(found)
    assert COMMAND.table(found).columns[1] == "MAE, median rule"


def test_explanations_and_attacks_go_through_the_rule(result: ScoreEnsembleResult, folder: Path, tmp_path: Path):
    shared = {"model": str(folder.parent / "e"), "data": str(folder), "device": "cpu"}
    explained = eval.run(EvalConfig(**shared, explain="integrated-gradients", output=tmp_path / "out"))
    assert explained.explanation is not None and explained.explanation.target == "predicted score"
    moved = attack.run(AttackConfig(**shared, eps=0.05))
    assert isinstance(moved, ScoreAttackResult) and moved.findings == ()
    assert moved.threshold == pytest.approx(row(result, "mean rule").mae.value, abs=1e-6)


def test_the_bound_is_on_the_correlation_of_the_rule(folder: Path):
    assert ensemble.run(config(folder, members=2, epochs=1, fail_under="spearman=-1")).failed == ""
    failed = ensemble.run(config(folder, members=2, epochs=1, fail_under="spearman=1")).failed
    assert failed.startswith("spearman of the mean rule is")


def test_rules_and_networks_of_the_other_task_are_refused(folder: Path, runs: tuple[Path, Path], result: ScoreEnsembleResult):
    with pytest.raises(UsageError, match="`rule`: scores are not combined by max"):
        config(folder, rule="max")
    with pytest.raises(UsageError, match="`rule`: classes are not combined by median"):
        EnsembleConfig(rule="median")
    with pytest.raises(UsageError, match="`loss` needs `task=score`"):
        EnsembleConfig(loss="mse")
    with pytest.raises(UsageError, match="`adversarial` is of classes"):
        config(folder, adversarial="fgsm:0.1")
    with pytest.raises(UsageError, match="`fail_under`: 'accuracy' is not one of spearman"):
        config(folder, fail_under="accuracy=0.5")
    with pytest.raises(UsageError, match="`add`: .* predicts scores"):
        ensemble.run(EnsembleConfig(data=str(folder), label_column="score", members=0, add=tuple(map(str, runs)), device="cpu"))
    with pytest.raises(UsageError, match="`strategy`: these members cannot be stacked: they predict scores"):
        ensemble.run(config(folder, strategy="stacked"))
    judged = {"data": str(folder), "device": "cpu"}
    with pytest.raises(UsageError, match="`ensemble`: .* holds a single network"):
        eval.run(EvalConfig(model=str(runs[0]), ensemble="median", **judged))
    with pytest.raises(UsageError, match="`ensemble`: scores are combined by mean or median, not by vote"):
        eval.run(EvalConfig(model=str(folder.parent / "e"), ensemble="vote", **judged))
    with pytest.raises(UsageError, match="`normalise`: the members of .* know how they want their images"):
        eval.run(EvalConfig(model=str(folder.parent / "e"), normalise="0.5/0.5", **judged))


def test_a_damaged_record_is_named(result: ScoreEnsembleResult, folder: Path, tmp_path: Path):
    (tmp_path / "e").mkdir()
    text = (folder.parent / "e" / "ensemble.json").read_text().replace('"rule": "median"', '"rule": "middle"')
    (tmp_path / "e" / "ensemble.json").write_text(text)
    with pytest.raises(InputError, match="ensemble.json: the loss that is recorded is none of this version"):
        eval.run(EvalConfig(model=str(tmp_path / "e"), data=str(folder), ensemble="median", device="cpu"))
