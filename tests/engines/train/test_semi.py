"""Few labels and unlabelled images at once: labels that are not drawn are not read, both sides share what they should."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dlcli.core.semi_supervised.methods import SEMI_SUPERVISED
from dlcli.engines import predict, train
from dlcli.engines.train.job import describe
from dlcli.engines.train.sides import open_sets, open_sides
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT
from tests.engines.train.test_few_labels import CLASSES, arrays, folder, opened, rows, saved
from tests.engines.train.test_pretrain import CPU, Stopping

METHODS = SEMI_SUPERVISED.names()


def config(data: str, **changes: object) -> TrainConfig:
    settings = {"data": data, "model": "mlp", "epochs": 2, "device": "cpu", "precision": "float32", "labels": 12}
    return TrainConfig(**{**settings, "semi": "fixmatch", "steps_per_epoch": 4, **changes})


def others_relabelled(path: Path, chosen: TrainConfig) -> str:
    """The data with other labels for images whose labels are not drawn, such that the same ones are drawn."""
    drawn, found = rows(opened(chosen).data.x_train), arrays()
    whole = open_sets(chosen, SILENT).data.x_train
    free, source = np.flatnonzero([image.numpy().tobytes() not in drawn for image in whole]), np.random.default_rng(1)
    for _ in range(2000):
        y = found["y_train"].copy()
        some = source.permutation(free)[:4]
        y[some] = (y[some] + 1) % CLASSES
        other = saved(path, y_train=y)
        if rows(opened(TrainConfig(**{**vars(chosen), "data": other})).data.x_train) == drawn:
            return other
    raise AssertionError("no such labels")


@pytest.mark.parametrize("method", METHODS)
def test_labels_that_are_not_drawn_change_no_bit(tmp_path: Path, method: str):
    chosen = config(saved(tmp_path / "d.npz"), semi=method)
    other = others_relabelled(tmp_path / "other.npz", chosen)
    for name, data in (("one", chosen.data), ("two", other)):
        train.run(config(data, semi=method, output=tmp_path / name))
    generative = method in ("gumbel-softmax", "gumbel-st", "marginal")
    assert (tmp_path / "one" / "decoder.safetensors").exists() == generative
    for file in ("weights.safetensors", *(("decoder.safetensors",) if generative else ())):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    check_pseudo_labels(tmp_path / "one")


def check_pseudo_labels(run: Path) -> None:
    """The files of a run of two epochs with 33 unlabelled images agree."""
    epochs = json.loads((run / "pseudo_labels.json").read_text())["epochs"]
    assert [one["n"] for one in epochs] == [33, 33]
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    for one, row in zip(epochs, history, strict=True):
        assert 0 <= one["right"] <= one["given"] <= 33
        assert float(row["pseudo_label_coverage"]) == one["given"] / 33
        assert row["pseudo_label_accuracy"] == (repr(one["right"] / one["given"]) if one["given"] else "")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_is_stopped_at_random_resumes_to_the_bit(tmp_path: Path, method: str):
    data, source = saved(tmp_path / "d.npz"), random.Random(method)
    settings = {"unlabelled": folder(tmp_path / "more", 5), "semi": method, "epochs": 3}
    whole = train.run(config(data, **settings, output=tmp_path / "whole"))
    for k in range(20):
        report = Stopping(source.randrange(1, 6)) if k < 19 else SILENT
        again = train.run(config(data, **settings, output=tmp_path / "run", resume=True), report=report)
        if again.rows:
            break
    assert k > 1 and again.rows[0].weights_sha256 == whole.rows[0].weights_sha256
    names = {path.name for path in (tmp_path / "whole").iterdir()} - {"report.html"}
    assert names == {path.name for path in (tmp_path / "run").iterdir()} - {"report.html"}
    assert all((tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)
    finished = train.run(config(data, **settings, output=tmp_path / "run", resume=True))
    assert finished.rows[0].weights_sha256 == whole.rows[0].weights_sha256 and finished.notes == whole.notes


def test_both_sides_have_the_same_labels_and_steps_and_are_those_of_one_seed(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    chosen = config(data, steps_per_epoch=None, versus="--semi none", seeds=2, workers=1)
    jobs = open_sides(chosen, open_sets(chosen, SILENT), CPU)
    one, other = (jobs.from_seed(job, 1) for job in jobs.jobs.values())
    assert rows(one.data.x_train) == rows(other.data.x_train) and other.unlabelled is None
    assert one.recipe.steps == other.recipe.steps == 1  # 45 images with and without labels in batches of 64
    result = train.run(chosen)
    for row in result.rows:
        alone = {} if row.variant == "this" else {"semi": "none"}
        again = train.run(config(data, seed=row.seed, steps_per_epoch=1, **alone))
        assert again.rows[0].weights_sha256 == row.weights_sha256
    assert any("`steps_per_epoch=1`" in note for note in result.notes)
    assert any(note.startswith("A network takes on average: ") and "CPU seconds" in note for note in result.notes)
    assert any("Seeds vary the draw of labels, the initial weights and the order together" in note for note in result.notes)


def test_without_it_training_is_as_it_was(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    plain = TrainConfig(data=data, model="mlp", epochs=4, device="cpu", precision="float32", labels=12)
    none = config(data, semi="none", epochs=4, steps_per_epoch=None)
    assert describe(opened(plain)) == describe(opened(none))
    found = train.run(plain).rows[0]
    assert train.run(none).rows[0].weights_sha256 == found.weights_sha256
    assert not {"semi", "steps_per_epoch", "labels_seed"} & set(describe(opened(plain)))
    # As many steps in fewer epochs are the same training.
    passes = train.run(config(data, semi="none", epochs=2, steps_per_epoch=2)).rows[0]
    assert passes.weights_sha256 == found.weights_sha256 and passes.steps == found.steps == 4


def test_a_verdict_on_unlabelled_images(tmp_path: Path):
    source = np.random.default_rng(0)
    y = np.arange(90) % CLASSES
    x = (source.random((90, 1, 8, 8)) * 60 + 90 * y[:, None, None, None]).astype(np.uint8)
    data = saved(tmp_path / "d.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    # Cross-entropy with the most probable class of every image, from the start: one class takes all.
    hurt = {"semi": "entropy", "unlabelled_weight": 1e4, "lr": 1e-2, "epochs": 12}
    result = train.run(config(data, **hurt, labels=6, versus="--semi none", seeds=3, workers=1))
    gap = result.comparisons[0]
    assert gap.verdict == "established" and gap.difference.value < 0
    assert any(note.startswith("--semi entropy") and "unlabelled images hurt: established" in note for note in result.notes)


def test_several_methods_stand_in_one_table(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    chosen = config(data, semi="none,fixmatch,pseudo-label", threshold=0.5, steps_per_epoch=None, seeds=2, workers=1, epochs=1)
    result = train.run(chosen)
    assert {row.variant for row in result.rows} == {"semi=none", "semi=fixmatch", "semi=pseudo-label"}
    assert {row.steps for row in result.rows} == {1}
    assert sum("unlabelled images" in note and "established" in note for note in result.notes) == 2


def test_draws_are_shared_out_among_seeds(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    chosen = config(data, versus="--semi none", seeds=4, label_draws=2, workers=1, epochs=1)
    result = train.run(chosen)
    assert [row.labels_seed for row in result.rows if row.variant == "this"] == [None, 0, 1, 1]
    jobs = open_sides(chosen, open_sets(chosen, SILENT), CPU)
    drawn = [rows(jobs.from_seed(jobs.jobs["this"], seed).data.x_train) for seed in range(4)]
    assert drawn[0] == drawn[1] != drawn[2] == drawn[3]
    # Two seeds of a draw are no two draws: the difference is over the means of the draws.
    accuracy = {(row.variant, row.seed): row.accuracy.value for row in result.rows}
    gaps = [accuracy["this", seed] - accuracy["--semi none", seed] for seed in range(4)]
    means, found = [(gaps[0] + gaps[1]) / 2, (gaps[2] + gaps[3]) / 2], result.comparisons[0].difference
    assert found.n == 2 and found.value == pytest.approx(sum(gaps) / 4)
    deviation = max(abs(means[0] - means[1]) / 2**0.5, 1 / 15 / 2**0.5 / 6**0.5)  # at least that of rounding
    assert found.high - found.value == pytest.approx(stats.t(1).ppf(0.975) * deviation / 2**0.5)
    assert any("(2 draws with 2 seeds each; differences are over draws)" in note for note in result.notes)
    for row in result.rows[2:4]:
        alone = {} if row.variant == "this" else {"semi": "none"}
        again = train.run(config(data, seed=row.seed, labels_seed=row.labels_seed, epochs=1, **alone))
        assert again.rows[0].weights_sha256 == row.weights_sha256


def test_pretraining_and_unlabelled_go_with_it(tmp_path: Path):
    data, more = saved(tmp_path / "d.npz"), folder(tmp_path / "more", 5)
    settings = {"pretrain": "vicreg", "unlabelled": more, "pretrain_epochs": 1}
    job = opened(config(data, **settings))
    assert len(job.unlabelled or ()) == 33 + 5
    result = train.run(config(data, **settings, versus="--pretrain none", seeds=2, workers=1, epochs=1))
    for row in result.rows:  # the side without pre-training has the unlabelled images still
        alone = settings if row.variant == "this" else {"unlabelled": more}
        again = train.run(config(data, seed=row.seed, epochs=1, **alone))
        assert again.rows[0].weights_sha256 == row.weights_sha256
    other = train.run(config(data, **settings, versus="--semi none", seeds=2, workers=1, epochs=1))
    for row in other.rows:
        alone = {} if row.variant == "this" else {"semi": "none"}
        again = train.run(config(data, seed=row.seed, epochs=1, **settings, **alone))
        assert again.rows[0].weights_sha256 == row.weights_sha256


@pytest.mark.parametrize("method", METHODS)
def test_a_run_predicts_with_its_network_alone(tmp_path: Path, method: str):
    train.run(config(saved(tmp_path / "d.npz"), semi=method, output=tmp_path / "run", epochs=1))
    for name in ("decoder.safetensors", "pseudo_labels.json"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
    found = predict.run(PredictConfig(model=str(tmp_path / "run"), data=folder(tmp_path / "more", 3)))
    assert found.n_images == 3


def test_the_pages_show_pseudo_labels_and_generated_images(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    train.run(config(data, semi="marginal", output=tmp_path / "run"))
    several = config(data, semi="none,gumbel-st,fixmatch", seeds=2, workers=1, output=tmp_path / "several")
    train.run(several)
    one, other = ((tmp_path / name / "report.html").read_text() for name in ("run", "several"))
    assert "Pseudo-labels after the last epoch" in one and one.count("Generated images of class") == 2 * CLASSES
    assert "Images generated by semi=gumbel-st" in other and other.count("Generated images of class") == 2 * CLASSES
    rows = list(csv.DictReader((tmp_path / "several" / "runs.csv").read_text().splitlines()))
    assert {row["variant"] for row in rows if row["pseudo_label_coverage"]} == {"semi=gumbel-st", "semi=fixmatch"}


def refused(message: str, make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_what_does_not_go_together_is_refused(tmp_path: Path):
    data = saved(tmp_path / "d.npz")
    refused("`semi` needs unlabelled images: `labels` or `unlabelled`", lambda: config(data, labels=None))
    refused("'nope' is not one of none, entropy", lambda: config(data, semi="nope"))
    refused("`threshold` needs `semi=fixmatch` or pseudo-label", lambda: config(data, semi="entropy", threshold=0.5))
    refused("`unlabelled_ratio` needs `semi`", lambda: config(data, semi="none", unlabelled_ratio=2))
    refused("`corrupt` and `labels` do not go together", lambda: config(data, corrupt="labels=1"))
    refused("`labels_seed` needs `labels`", lambda: config(data, labels=None, semi="none", labels_seed=1))
    refused("`label_draws` needs a comparison", lambda: config(data, label_draws=2))
    together = {"versus": "--semi none", "label_draws": 2}
    refused("5 seeds cannot be shared out equally among 2 draws", lambda: config(data, **together))
    refused("`labels_seed` is one draw", lambda: config(data, **together, seeds=4, labels_seed=1))
    refused("`ema` is 0", lambda: config(data, semi="mean-teacher", ema=0.0))
    refused("`semi` is of classes of images", lambda: config(data, task="score", labels=None, unlabelled="x"))
    refused("`threshold`: 1 is not below 1", lambda: config(data, threshold=1.0))
    refused("all 45 training images have labels", lambda: train.plan(config(data, labels=45)))
    refused("`unlabelled` needs `pretrain` or `semi`", lambda: config(data, semi="none", unlabelled="x"))
    refused("takes images, not videos", lambda: train.plan(config("moving-digits", model="besnet18", limit=20, labels=4)))
