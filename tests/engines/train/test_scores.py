"""Scores through train, eval and predict: the same figures everywhere, from every layout, and refused where they are not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.cli.commands.score_table import score_train_table
from dlcli.core.compute.forward import predict_logits
from dlcli.core.correlation import correlations
from dlcli.core.data import open_data
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import LEVEL, task_of
from dlcli.core.tasks.score import score_metrics
from dlcli.engines import attack, ensemble, eval, predict, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.scores import ScoreEvalResult, ScoreTrainResult, losses
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.reporter import SILENT
from tests.conftest import Run
from tests.scored import integer_scores, pictures, score_folders, table_folder, write_table

CPU = torch.device("cpu")
N = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = [f"person {k % 17}" for k in range(N)]
    scores = integer_scores(N)
    raters = {f"rater_{k}": [max(0, score + (score + k) % 3 - 1) for score in scores] for k in (1, 2, 3)}
    return table_folder(tmp_path_factory.mktemp("scores") / "t", scores, more={"person": people, **raters})


def config(data: Path | str, **changes: object) -> TrainConfig:
    settings = {"task": "score", "model": "mlp", "epochs": 4, "device": "cpu", "precision": "float32", "batch_size": 16}
    return TrainConfig(data=str(data), **{**settings, **changes})


@pytest.fixture(scope="module")
def run_dir(folder: Path) -> Path:
    result = train.run(config(folder, output=folder.parent / "run"))
    assert isinstance(result, ScoreTrainResult)
    return folder.parent / "run"


def test_train_eval_and_predict_agree_with_a_plain_calculation(folder: Path, run_dir: Path):
    data, saved = open_data(str(folder), target="score"), load_model(run_dir, CPU)
    scores = task_of(str(run_dir)).scores
    assert scores is not None
    outputs = predict_logits(saved.model, data.x_test, device=CPU)
    value = outputs[:, 0].double().numpy() * data.y_train.double().numpy().std() + data.y_train.double().numpy().mean()
    truth = data.y_test.double().numpy()
    evaluated = eval.run(EvalConfig(model=str(run_dir), data=str(folder)))
    assert isinstance(evaluated, ScoreEvalResult)
    found = {one.name: one.estimate for one in evaluated.metrics}
    for name, figure in correlations(value, truth).items():
        assert found[name].value == pytest.approx(figure, abs=1e-12)
    assert found["mae"].value == pytest.approx(np.abs(value - truth).mean(), abs=1e-12)
    assert found["spearman"].value > 0.8  # brightness is the score
    trained = json.loads((run_dir / "model.json").read_text())
    assert (trained["task"], trained["classes"]) == ("score", ["score"])
    rows = predict.run(PredictConfig(model=str(run_dir), data=str(folder), split="test")).table
    assert rows.columns == ["index", "file", "score", "low", "high"]
    assert [row[2] for row in rows.rows] == pytest.approx(value.tolist(), abs=1e-6)


def test_the_result_of_training_has_the_figures_of_its_network(folder: Path):
    result = train.run(config(folder))
    assert isinstance(result, ScoreTrainResult)
    (row,) = result.rows
    assert [one.name for one in row.metrics] == ["spearman", "pearson", "kendall", "mae", "rmse"]
    assert row.figure("spearman").n == result.n_test  # type: ignore[union-attr]
    assert result.baseline is not None and result.baseline.gain is not None and result.baseline.gain.low > 0
    assert result.ceiling is not None and result.ceiling.raters == 3
    assert result.notes == ()


def test_folders_and_table_give_the_same_weights(tmp_path: Path):
    scores = integer_scores(40, levels=4)
    one = train.run(config(table_folder(tmp_path / "t", scores), epochs=1))
    other = train.run(config(score_folders(tmp_path / "f", scores), epochs=1))
    assert one.rows[0].weights_sha256 == other.rows[0].weights_sha256


@pytest.mark.parametrize("loss", losses())
def test_each_loss_learns_and_its_run_is_read_again(folder: Path, tmp_path: Path, loss: str):
    result = train.run(config(folder, loss=loss, epochs=25, lr=3e-3, output=tmp_path / "run"))
    assert isinstance(result, ScoreTrainResult)
    spearman = result.rows[0].figure("spearman")
    assert spearman is not None and spearman.value > 0.7
    again = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(folder)))
    assert isinstance(again, ScoreEvalResult)
    assert again.metrics == result.rows[0].metrics
    assert again.loss == loss
    gain = again.baseline.gain
    assert gain is not None and gain.low > 0  # on the scale of the scores, also of the loss that learns their order only


def test_a_run_resumes_to_the_bit_and_refuses_another_loss(folder: Path, tmp_path: Path):
    whole = train.run(config(folder, epochs=3, balance="score", output=tmp_path / "run"))
    again = train.run(config(folder, epochs=3, balance="score", output=tmp_path / "run", resume=True))
    assert again.rows[0].weights_sha256 == whole.rows[0].weights_sha256
    assert again.rows[0].metrics == whole.rows[0].metrics
    for changes in ({"loss": "mae"}, {"huber_delta": 0.5}, {"balance": None}):
        with pytest.raises(UsageError, match=f"`resume`: .* was started with `{next(iter(changes))}"):
            train.run(
                config(folder, **{"epochs": 3, "balance": "score", "output": tmp_path / "run", "resume": True, **changes})
            )


def test_two_losses_are_compared_in_pairs(folder: Path, tmp_path: Path):
    result = train.run(config(folder, versus="--loss mse", seeds=2, workers=1, output=tmp_path / "v"))
    assert isinstance(result, ScoreTrainResult)
    metrics = [one.metric for one in result.comparisons]
    assert metrics[:3] == ["test Spearman", "test MAE", "MAE at the ends"]
    assert all(one.verdict and one.p is not None for one in result.comparisons[:2])
    first, second = ([row for row in result.rows if row.variant == name] for name in ("this", "--loss mse"))
    gaps = [a.figure("mae").value - b.figure("mae").value for a, b in zip(first, second, strict=True)]  # type: ignore[union-attr]
    assert result.comparisons[1].difference.value == pytest.approx(np.mean(gaps), abs=1e-12)
    assert (tmp_path / "v" / "report.html").is_file()
    head = (tmp_path / "v" / "runs.csv").read_text().splitlines()[0]
    assert head == "variant,seed,epoch,train_loss,train_spearman,test_spearman"


def test_groups_stay_on_one_side_in_train_and_eval(folder: Path, tmp_path: Path):
    result = train.run(config(folder, group="person", dev=0.2, output=tmp_path / "run"))
    assert isinstance(result, ScoreTrainResult)
    assert task_of(str(tmp_path / "run")).group == "person"
    evaluated = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(folder)))
    assert isinstance(evaluated, ScoreEvalResult)
    assert evaluated.n_groups is not None and evaluated.n_images == result.n_test
    assert evaluated.metrics == result.rows[0].metrics


def test_classes_by_group_are_evaluated_on_the_same_test_set(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N), more={"person": [f"p{k % 17}" for k in range(N)]})
    shared = {"data": str(folder), "label_column": "score", "device": "cpu"}
    result = train.run(TrainConfig(**shared, model="mlp", epochs=2, group="person", output=tmp_path / "run"))
    evaluated = eval.run(EvalConfig(**shared, model=str(tmp_path / "run")))
    assert evaluated.metrics[0].estimate == result.rows[0].accuracy
    assert evaluated.n_images == result.n_test
    assert evaluated.n_groups == 3


def test_a_run_by_group_takes_other_data_without_the_column(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N), more={"person": [f"p{k % 17}" for k in range(N)]})
    train.run(config(folder, epochs=1, group="person", output=tmp_path / "run"))
    for other in (table_folder(tmp_path / "o", integer_scores(N)), score_folders(tmp_path / "f", integer_scores(N))):
        found = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(other)))
        assert isinstance(found, ScoreEvalResult)
        assert found.n_groups is None
    with pytest.raises(InputError, match="has no column 'person'"):
        eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(other), group="person"))


def test_an_ensemble_by_group_is_evaluated_on_the_same_test_set(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N), more={"person": [f"p{k % 17}" for k in range(N)]})
    shared = {"data": str(folder), "label_column": "score", "device": "cpu"}
    settings = EnsembleConfig(**shared, model=("mlp",), members=2, epochs=1, group="person", output=tmp_path / "e")
    result = ensemble.run(settings)
    evaluated = eval.run(EvalConfig(**shared, model=str(tmp_path / "e")))
    assert evaluated.n_groups == 3
    rows = {row.classifier: row.accuracy.value for row in result.rows if row.members == 2}
    assert evaluated.metrics[0].estimate.value in rows.values()
    people = open_data(str(folder), label_column="score", group="person").metadata
    assert not set(people["train"]["person"]) & set(people["test"]["person"])


def test_the_interval_of_a_prediction_is_a_quantile_of_test_errors(folder: Path, run_dir: Path):
    scores = task_of(str(run_dir)).scores
    assert scores is not None and scores.residual is not None
    table = predict.run(PredictConfig(model=str(run_dir), data=str(folder), split="test")).table
    with (folder / "labels.csv").open() as file:
        truth = {row["file"]: float(row["score"]) for row in csv.DictReader(file)}
    inside = [row[3] - 1e-5 <= truth[row[1]] <= row[4] + 1e-5 for row in table.rows]
    n = len(inside)
    assert sum(inside) == int(np.ceil((n + 1) * LEVEL))


def test_one_output_of_the_users_own_network_stays_a_score(folder: Path, tmp_path: Path):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.linear = nn.Linear(256, 1)\n\n    def forward(self, x):\n        return self.linear(x.flatten(1))[:, 0]\n"
    )
    spec = f"{tmp_path / 'net.py'}:Net"
    result = train.run(config(folder, model=spec, lr=1e-2, epochs=20, output=tmp_path / "run"))
    assert isinstance(result, ScoreTrainResult)
    assert result.rows[0].figure("spearman").value > 0.8  # type: ignore[union-attr]
    again = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(folder), trust_code=True))
    assert isinstance(again, ScoreEvalResult)
    assert again.metrics == result.rows[0].metrics
    with pytest.raises(InputError, match="the model has 1 output"):
        train.run(config(folder, model=spec, loss="emd"))


def test_predictions_that_are_all_equal_have_no_correlation():
    names = [one.name for one in score_metrics(np.ones(20), np.arange(20.0), None)]
    assert names == ["mae", "rmse"]


def test_a_surrogate_must_be_a_classifier(run_dir: Path):
    with pytest.raises(UsageError, match="`surrogate`: .* predicts scores, and dlcli attack needs a classifier"):
        attack.run(AttackConfig(data="digits", surrogate=str(run_dir), method="transfer"))


def test_options_of_classes_and_scores_are_kept_apart(folder: Path, run_dir: Path):
    for name, value in {
        "class_weights": True,
        "mixup": 0.2,
        "cutmix": 1.0,
        "label_smoothing": 0.1,
        "corrupt": "labels=1",
    }.items():
        with pytest.raises(UsageError, match=f"`{name}` is of classes"):
            config(folder, **{name: value})
    for name, value in {"loss": "mae", "huber_delta": 2.0, "balance": "score", "score_column": "a", "raters": ("a",)}.items():
        with pytest.raises(UsageError, match=f"`{name}` needs `task=score`"):
            config(folder, **{"task": "images", name: value})
    with pytest.raises(UsageError, match="`huber_delta` does not apply to `loss=mse`"):
        config(folder, loss="mse", huber_delta=2.0)
    with pytest.raises(UsageError, match="`huber_delta`: 0 is not above 0"):
        config(folder, huber_delta=0)
    with pytest.raises(UsageError, match="`early_stop` needs one of spearman, loss"):
        config(folder, early_stop="accuracy:3")
    with pytest.raises(UsageError, match="`slices` does not apply to a network that predicts scores"):
        eval.run(EvalConfig(model=str(run_dir), data=str(folder), slices=("person",)))
    with pytest.raises(UsageError, match="'top-1' is not one of spearman"):
        eval.run(EvalConfig(model=str(run_dir), data=str(folder), fail_under="top-1=0.5"))


def test_a_run_of_another_task_is_not_resumed(folder: Path, run_dir: Path, tmp_path: Path):
    classes = {"data": str(folder), "label_column": "score", "model": "mlp", "epochs": 1, "device": "cpu"}
    train.run(TrainConfig(**classes, output=tmp_path / "c"))
    with pytest.raises(InputError, match="holds a run of `task=images`, not of `task=score`"):
        train.run(config(folder, output=tmp_path / "c", resume=True))
    with pytest.raises(InputError, match="holds a run of `task=score`, not of `task=images`"):
        train.run(TrainConfig(**classes, output=run_dir, resume=True))


def test_columns_of_raters_that_were_named_are_those_of_eval_too(tmp_path: Path):
    scores = integer_scores(N)
    more = {name: [max(0, score + (score + k) % 3 - 1) for score in scores] for k, name in enumerate(("ann", "bob", "cy"))}
    folder = table_folder(tmp_path / "t", scores, more=more)
    (folder / "labels.csv").write_text((folder / "labels.csv").read_text().replace("score", "other", 1))
    result = train.run(config(folder, raters=tuple(more), output=tmp_path / "run"))
    again = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(folder)))
    assert isinstance(result, ScoreTrainResult) and isinstance(again, ScoreEvalResult)
    assert again.metrics == result.rows[0].metrics
    assert again.ceiling == result.ceiling and result.ceiling is not None
    without = table_folder(tmp_path / "w", scores)
    with pytest.raises(UsageError, match="has no column 'ann' .`raters`"):
        eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(without)))
    found = eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(without), score_column="score"))
    assert isinstance(found, ScoreEvalResult) and found.ceiling is None


def test_a_wrong_column_of_raters_fails_before_anything_is_trained(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=pictures(integer_scores(N)), y=np.array(integer_scores(N)))
    with pytest.raises(UsageError, match="has no column 'rater_9' .`raters`"):
        train.run(config(tmp_path / "a.npz", raters=("rater_9",), output=tmp_path / "run"))
    assert not (tmp_path / "run" / "history.csv").exists()


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_small_and_large_scores_are_those_of_scale_1_times_that(folder: Path, run_dir: Path, tmp_path: Path, scale: float):
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    other = table_folder(tmp_path / "t", integer_scores(N))
    for row in rows:
        row["score"] = repr(scale * float(row["score"]))
    write_table(other / "labels.csv", {name: [row[name] for row in rows] for name in ("file", "score")})
    options = {"loss": "mse", "model": "mlp"}
    result = train.run(config(other, **options, output=tmp_path / "run"))
    plain = train.run(config(folder, **options, output=tmp_path / "plain"))
    assert isinstance(result, ScoreTrainResult) and isinstance(plain, ScoreTrainResult)
    one, another = (found.rows[0].figure("mae").value for found in (result, plain))  # type: ignore[union-attr]
    assert one == pytest.approx(scale * another, rel=1e-4)
    tables = [predict.run(PredictConfig(model=str(tmp_path / name), data=str(folder))).table for name in ("run", "plain")]
    values, expected = ([row[table.columns.index("score")] for row in table.rows] for table in tables)
    assert values == pytest.approx([scale * value for value in expected], rel=1e-3)
    cell = dict(row[:2] for row in score_train_table(result).rows)["MAE"]
    assert float(cell.split()[0]) == pytest.approx(one, rel=1e-3)


def test_why_there_is_no_interval_stands_below_the_table(folder: Path):
    result = train.run(config(folder, epochs=1, limit=12))
    assert isinstance(result, ScoreTrainResult)
    table = score_train_table(result)
    widths = [max(map(len, column)) for column in zip(*table.rows, strict=True)]
    assert sum(widths) + 8 <= 80
    whys = {one.mae.why for one in result.rows[0].thirds}  # type: ignore[union-attr]
    assert whys == {"4 examples"}
    names = ", ".join(row[0] for row in table.rows[5:])
    assert f"No interval of {names}: 4 examples." in table.notes
    assert not any("no interval:" in cell for row in table.rows for cell in row)


def test_a_threshold_far_below_the_scores_is_told(folder: Path, tmp_path: Path):
    other = table_folder(tmp_path / "t", [1000 * score for score in integer_scores(N)])
    (note,) = train.run(config(other, huber_delta=1.0)).notes
    assert note.startswith("The threshold of the Huber loss is 1, and the standard deviation of the scores 1.71e+03")
    assert train.run(config(other, huber_delta=1500.0)).notes == ()
    (note,) = train.run(config(other)).notes
    deviation = open_data(str(other), target="score").y_train.double().std(correction=0)
    assert note == f"The threshold of the Huber loss is the standard deviation of the scores, {deviation:.4g}."


def test_balance_names_few_of_many_missing_scores(tmp_path: Path):
    other = table_folder(tmp_path / "t", [1e9 * score for score in integer_scores(N)])
    result = train.run(config(other, balance="score", loss="mse"))
    n = N * 4 // 5 // 6
    what = f"6 of them, of {n} images or more; no training image has 1, 2, 3, 4, 5 ..."
    assert result.notes == (f"balance: each integer score is drawn alike, {what}",)


def test_networks_are_not_compared_on_one_test_score(tmp_path: Path):
    scores = [k % 5 if k < N - 10 else 3 for k in range(N)]
    other = table_folder(tmp_path / "t", scores, more={"split": ["train"] * (N - 10) + ["test"] * 10})
    with pytest.raises(InputError, match="all test scores are 3, so networks cannot be compared by their correlations"):
        train.run(config(other, versus="--loss mse", seeds=2))


def test_the_commands_at_the_shell(folder: Path, dlcli: Run, tmp_path: Path):
    options = ("--task", "score", "--model", "mlp", "--epochs", "12")
    done = dlcli("train", folder, *options, "-o", "r", "--format", "table")
    assert done.returncode == 0, done.stderr
    assert b"better than a constant" in done.stdout
    assert {path.name for path in (tmp_path / "r").iterdir()} >= {"model.json", "weights.safetensors", "report.html"}
    found = json.loads(dlcli("eval", "r", folder, "-o", "e").stdout)
    assert [one["name"] for one in found["metrics"]] == ["spearman", "pearson", "kendall", "mae", "rmse"]
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"scatter.png", "residuals.png", "report.html", "run.json"}
    assert dlcli("eval", "r", folder, "--fail-under", "spearman=0.999").returncode == 1
    rows = list(csv.DictReader(dlcli("predict", "r", folder).stdout.decode().splitlines()))
    assert len(rows) == N and set(rows[0]) == {"index", "file", "score", "low", "high"}
    assert dlcli("train", folder, "--task", "score", "--score-column", "beauty").returncode == 2
    assert dlcli("train", "digits", "--loss", "huber").returncode == 2


def test_a_variant_that_changes_nothing_draws_a_warning(folder: Path):
    warned: list[str] = []

    class Listening:
        task, stoppable, note, log = SILENT.task, SILENT.stoppable, SILENT.note, SILENT.log

        def warn(self, text: str) -> None:
            warned.append(text)

    train.run(config(folder, epochs=1, seeds=2, workers=1, versus="--loss huber"), report=Listening())
    assert any("is trained in the same way" in text for text in warned)


def test_a_network_that_ends_in_a_relu_is_refused_for_scores_below_their_mean(folder: Path, tmp_path: Path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef net(classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(256, classes), nn.ReLU(), nn.Unflatten(1, (classes, 1, 1)),\n"
        "                         nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    spec = f"{tmp_path / 'net.py'}:net"
    with pytest.raises(UsageError, match="ends in a ReLU, so that it cannot predict scores below their mean"):
        train.run(config(folder, model=spec))
    assert train.run(config(folder, model=spec, loss="ce", epochs=1)).rows


def test_emd_learns_the_votes_of_raters_whose_means_are_fractions(folder: Path, tmp_path: Path):
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in ("file", "rater_1", "rater_2", "rater_3")}
    columns["file"] = [str(folder / name) for name in columns["file"]]
    table = write_table(tmp_path / "votes.csv", columns)
    result = train.run(config(table, loss="emd", epochs=25, lr=3e-3, output=tmp_path / "run"))
    assert isinstance(result, ScoreTrainResult)
    assert result.rows[0].figure("spearman").value > 0.7  # type: ignore[union-attr]
    again = train.run(config(table, loss="emd", epochs=25, lr=3e-3, output=tmp_path / "run", resume=True))
    assert again.rows[0].weights_sha256 == result.rows[0].weights_sha256
    alone = train.run(config(table, loss="emd", epochs=1, raters=("rater_1",)))
    assert alone.rows[0].weights_sha256 != train.run(config(table, loss="emd", epochs=1)).rows[0].weights_sha256


def test_emd_learns_counts_of_votes_and_the_run_reads_them_again(tmp_path: Path):
    scores = integer_scores(N)
    counts = np.stack([np.bincount([score, score, min(score + 1, 5)], minlength=6) for score in scores])
    np.savez(tmp_path / "a.npz", x=pictures(scores), y=counts, levels=np.arange(6))
    result = train.run(config(tmp_path / "a.npz", loss="emd", raters=("histogram",), epochs=25, lr=3e-3, output=tmp_path / "r"))
    assert isinstance(result, ScoreTrainResult)
    assert result.ceiling is None
    assert result.rows[0].figure("spearman").value > 0.7  # type: ignore[union-attr]
    again = eval.run(EvalConfig(model=str(tmp_path / "r"), data=str(tmp_path / "a.npz")))
    assert isinstance(again, ScoreEvalResult)
    assert again.metrics == result.rows[0].metrics


def test_a_run_that_is_not_there_is_named_before_the_data_are_read(folder: Path):
    with pytest.raises(MissingInputError, match="^runs/nosuch: no such run directory"):
        eval.run(EvalConfig(model="runs/nosuch", data=str(folder), device="cpu"))
