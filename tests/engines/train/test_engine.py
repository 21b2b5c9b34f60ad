"""Training through the engine: what is left behind, what is refused, and that a pair differs by the change alone."""

import csv
import json
import pickle
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.workers import in_parallel
from dlcli.core.data import open_data
from dlcli.core.model_io.checkpoint import load_weights, weights_sha256
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.proportion import proportion
from dlcli.core.stats import p_value
from dlcli.core.tasks.images import TASK as IMAGES
from dlcli.core.training.recipe import Recipe
from dlcli.engines import train
from dlcli.engines.train import engine, versus
from dlcli.engines.train.job import open_job
from dlcli.engines.train.sides import open_sets, open_sides, seeds_of
from dlcli.specs.train import SEEDS_OF_A_ROOT, TrainConfig
from dlcli.specs.train_result import TrainRow
from dlcli.support.errors import InputError, NumericError, UsageError
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"epochs": 2, "device": "cpu", "precision": "float32", **changes})


def test_the_run_folder_gives_back_the_network_and_its_figures(tmp_path: Path):
    result = train.run(config(output=tmp_path / "run"))
    files = {"weights.safetensors", "model.json", "history.csv", "report.html"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == files
    saved, data = load_model(tmp_path / "run", CPU), open_data("digits")
    row = result.rows[0]
    assert saved.sha256 == row.weights_sha256 == weights_sha256(load_weights(tmp_path / "run" / "weights.safetensors"))
    right = (predict_logits(saved.model, data.x_test, device=CPU).argmax(1) == data.y_test).float().mean()
    assert row.accuracy.value == pytest.approx(float(right), abs=1e-7)
    history = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [line["epoch"] for line in history] == ["1", "2"]
    assert float(history[-1]["test_accuracy"]) == pytest.approx(row.accuracy.value, abs=1e-6)
    assert json.loads((tmp_path / "run" / "model.json").read_text())["classes"] == list(data.classes)


def test_from_python_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert train.run(config(epochs=1)).rows[0].accuracy.n == 599
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    digests = [train.run(config(epochs=1, seed=seed)).rows[0].weights_sha256 for seed in (3, 3, 4)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resume": True}, "`resume` needs the run directory"),
        ({"versus": "--batch 3"}, "unknown option --batch"),
        ({"versus": "--seed 3"}, "--seed is not a difference, for both variants share it"),
        ({"versus": "--workers 3"}, "--workers is not a difference"),
        ({"workers": 2}, "`workers` needs `versus`"),
        ({"versus": "--lr 0.1", "workers": 0}, "`workers`: 0 is below 1"),
        ({"versus": "selu"}, "must be baseline, or options"),
        ({"versus": "--lr fast"}, "--lr: 'fast' is not a number"),
        ({"versus": "--lr -1"}, "`lr`: -1 is not above 0"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, object], said: str):
    with pytest.raises(UsageError, match=said):
        train.run(config(**changes))


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path):
    train.run(config(epochs=1, output=tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for options, said in (({}, "already holds a run"), ({"resume": True, "epochs": 2}, "was started with `epochs=1`, not 2$")):
        with pytest.raises(UsageError, match=said):
            train.run(config(**{"epochs": 1, "output": tmp_path, **options}))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_data_with_nothing_to_train_on(tmp_path: Path):
    with pytest.raises(InputError, match="no-such.npz"):
        train.run(config(data=str(tmp_path / "no-such.npz")))


def test_training_that_diverges_keeps_the_last_whole_epoch(tmp_path: Path):
    with pytest.raises(NumericError, match="largest gradient"):
        train.run(config(optimizer="sgd", lr=1e30, output=tmp_path, epochs=3))
    assert not (tmp_path / "weights.safetensors").exists()


def test_an_optimizer_of_ones_own_brings_its_own_rate():
    data = open_data("digits")
    job = open_job(config(), data, CPU, 0)
    other = open_job(config(optimizer="sgd"), data, CPU, 0)
    given = open_job(config(optimizer="sgd", lr=0.5, batch_size=7, clip_norm=2.0), data, CPU, 0)
    assert job.recipe.optimizer == "adam" and other.recipe.lr == 0.1 and dict(other.recipe.options) == {"momentum": 0.9}
    assert (given.recipe.lr, given.recipe.batch_size, given.recipe.clip_norm) == (0.5, 7, 2.0)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "lr", "label_smoothing", "clip_norm", "ema"])
def test_an_option_is_refused_where_the_recipe_would_refuse_it(name: str):
    def accepts(kind: Callable[..., object], value: float) -> bool:
        try:
            kind(**{name: value})
        except UsageError:
            return False
        return True

    recipe = partial(replace, Recipe(epochs=1, batch_size=1, optimizer="sgd", lr=0.1))
    values = (-1, 0, 1, 2) if name in ("epochs", "batch_size") else (-0.1, 0.0, 1e-9, 0.5, 1 - 1e-9, 1.0, 1.1)
    found = [accepts(TrainConfig, value) for value in values]
    assert found == [accepts(recipe, value) for value in values] and len(set(found)) == 2


def test_a_change_that_changes_nothing_makes_no_difference():
    """The same options on both sides: same seeds, weights and order, so the pairs are equal to the bit."""
    result = train.run(config(epochs=1, versus="--label-smoothing 0", seeds=2, label_smoothing=0.0))
    by_seed = [[row.weights_sha256 for row in result.rows if row.seed == seed] for seed in (0, 1)]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in by_seed) and by_seed[0] != by_seed[1]
    accuracy = result.comparisons[0]
    assert (accuracy.metric, accuracy.difference.value, accuracy.verdict) == ("test accuracy", 0.0, "not established")


def test_a_comparison_is_the_paired_t_interval_over_seeds(tmp_path: Path):
    from scipy import stats

    result = train.run(config(versus="--lr 0.0005", seeds=3, output=tmp_path))
    sides = [[row.accuracy.value for row in result.rows if row.variant == name] for name in ("this", "--lr 0.0005")]
    peer = stats.ttest_rel(*sides).confidence_interval(0.95)
    found = result.comparisons[0].difference
    assert (found.low, found.high) == (pytest.approx(peer.low), pytest.approx(peer.high))
    assert found.value == pytest.approx(np.mean(sides[0]) - np.mean(sides[1]))
    assert result.level == pytest.approx(min(sides[0] + sides[1]), abs=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "runs.csv", "report.html"}
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 1 + 2 * 3 * 2


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("model", ["mlp", "cifar-resnet-8"])
def test_networks_side_by_side_are_those_of_one_after_the_other(tmp_path: Path, model: str | None):
    """To the bit: what was changed in the data (a dev set, wrong labels) and by surgery is made again in each process."""
    options = {
        "model": model,
        "versus": "--with elu",
        "seeds": 2,
        "dev": 0.2,
        "corrupt": "labels=0.1",
        "epochs": 1,
        "limit": 300,
    }
    one, two = (train.run(config(**options, workers=n, output=tmp_path / str(n))) for n in (1, 2))
    for first, second in zip(one.rows, two.rows, strict=True):
        assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert len({row.weights_sha256 for row in two.rows}) == 4
    assert [(row.seed, row.variant) for row in two.rows] == [(s, v) for s in (0, 1) for v in ("this", "--with elu")]
    assert (tmp_path / "1" / "runs.csv").read_bytes() == (tmp_path / "2" / "runs.csv").read_bytes()
    assert (one.notes, one.level, one.device) == (two.notes, two.level, two.device)


def test_a_comparison_says_what_training_each_network_alone_says():
    """The twin: the same options, each network by a call of its own; the dev set and the wrong labels are drawn by its seed."""
    drawn = {"dev": 0.2, "corrupt": "labels=0.3", "limit": 300, "epochs": 1}
    for options, root in (({}, 0), (drawn, 0), (drawn, 2)):
        result = train.run(config(**options, versus="--lr 0.0005", seeds=2, workers=1, seed=root))
        assert [row.seed for row in result.rows[::2]] == [100_000 * root, 100_000 * root + 1]
        for row in result.rows:
            alone = train.run(config(**options, seed=row.seed, **({} if row.variant == "this" else {"lr": 0.0005}))).rows[0]
            assert (alone.weights_sha256, alone.accuracy) == (row.weights_sha256, row.accuracy)


def made_up(variant: str, seed: int, fit: int | None, accuracy: float = 0.9, seconds: float = 1.0) -> TrainRow:
    figures = {
        "train_accuracy": 0.9,
        "train_loss": 0.1,
        "best_epoch": 8,
        "epochs_to_level": 1,
        "weights_sha256": "",
        "n_watched": 1000,
    }
    steps = None if fit is None else 5 * fit
    times = {"epochs": 8, "steps": 40, "epochs_to_fit": fit, "steps_to_fit": steps, "seconds": seconds}
    return TrainRow(variant=variant, seed=seed, accuracy=proportion(accuracy * 1000, 1000), **figures, **times)


def test_networks_that_never_fit_count_as_the_longest_training():
    fits = {"a": (3, 4, 2, 5), "b": (6, None, 5, None)}
    rows = [made_up(name, seed, fit) for name, column in fits.items() for seed, fit in enumerate(column)]
    found = {one.metric: one for one in versus.compare(IMAGES, rows, ("a", "b"))}
    assert found["epochs to fit"].never == 2 and found["epochs to fit"].difference.n == 4
    assert found["epochs to fit"].difference.value == pytest.approx(np.mean([3 - 6, 4 - 8, 2 - 5, 5 - 8]))
    assert found["steps to fit"].difference.value == pytest.approx(5 * found["epochs to fit"].difference.value)
    assert found["test accuracy"].never == 0
    none = [made_up(name, seed, None) for name in "ab" for seed in range(3)]
    assert not {"epochs to fit", "steps to fit"} & {one.metric for one in versus.compare(IMAGES, none, ("a", "b"))}


def test_only_an_established_test_accuracy_opens_the_tests_of_the_rest():
    seconds = [(1.0, 9.0), (1.1, 9.2), (0.9, 9.1), (1.0, 9.3)]
    rows = {
        gain: [
            made_up(name, seed, 3, 0.9 + gain * (name == "a") + 0.001 * seed, pair[name == "b"])
            for seed, pair in enumerate(seconds)
            for name in "ab"
        ]
        for gain in (0.0, 0.05)
    }
    closed = {one.metric: one.verdict for one in versus.compare(IMAGES, rows[0.0], ("a", "b"))}
    assert closed.pop("test accuracy") == "not established" and set(closed.values()) == {""}
    opened = {one.metric: one for one in versus.compare(IMAGES, rows[0.05], ("a", "b"))}
    assert opened["test accuracy"].verdict == opened["seconds"].verdict == "established"
    assert opened["test accuracy"].p is None and opened["seconds"].p > p_value(opened["seconds"].difference)
    assert opened["training accuracy"].verdict == "not established"


def test_moves_without_effect_are_named_in_one_family_of_twenty():
    """400 families of three moves that change nothing but the draw, each against the same networks, by 5 seeds."""
    random = np.random.default_rng(0)
    named = 0
    for _ in range(400):
        draws = np.round(random.normal(0.9, 0.02, (4, 5)).clip(0, 1), 3)
        rows = [made_up(name, seed, 3, draws[k, seed]) for k, name in enumerate("abcd") for seed in range(5)]
        found = versus.compare_with_first(IMAGES, rows, ("a", "b", "c", "d"))
        assert list(found) == ["b", "c", "d"]
        assert found["b"].difference.value == pytest.approx((draws[1] - draws[0]).mean())
        named += any(one.verdict == "established" for one in found.values())
    assert named / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_the_side_that_is_trained_first_alternates(monkeypatch):
    order = []

    def note(function, which, **options):
        order.extend(which)
        return [None] * len(which)

    monkeypatch.setattr("dlcli.core.compute.executor.jobs.in_parallel", note)
    train.run(config(versus="--lr 0.1", seeds=3, workers=1))
    assert order == [(name, seed) for seed, pair in enumerate(["tl", "lt", "tl"]) for name in map(NAMES.get, pair)]


NAMES = {"t": "this", "l": "--lr 0.1"}


def test_two_roots_share_no_pair():
    with pytest.raises(UsageError, match="too large for a comparison"):
        config(versus="--lr 0.1", seed=2**62)
    with pytest.raises(UsageError, match="seeds"):
        config(versus="--lr 0.1", seeds=SEEDS_OF_A_ROOT + 1)
    found = [set(seeds_of(config(versus="--lr 0.1", seed=root, seeds=SEEDS_OF_A_ROOT))) for root in range(3)]
    assert not (found[0] & found[1] or found[1] & found[2])
    assert list(seeds_of(config(seed=7))) == [7]


def test_data_that_change_while_they_are_read_are_refused(tmp_path: Path):
    data, file = open_data("digits"), tmp_path / "some.npz"
    arrays = {"x_train": data.x_train.numpy(), "y_train": data.y_train.numpy()}
    np.savez(file, **arrays, x_test=data.x_test.numpy(), y_test=data.y_test.numpy())
    options = config(data=str(file), versus="--lr 0.1", seeds=2, workers=2, epochs=1)
    sides = open_sides(options, open_sets(options, SILENT), CPU)
    kept = pickle.dumps(sides)
    assert len(kept) < 10_000 and pickle.loads(kept).jobs["this"].data.fingerprint == sides.jobs["this"].data.fingerprint
    arrays["y_train"] = 9 - arrays["y_train"]
    np.savez(file, **arrays, x_test=data.x_test.numpy(), y_test=data.y_test.numpy())
    with pytest.raises(InputError, match="the data changed while they were read"):
        pickle.loads(kept)


@pytest.mark.usefixtures("forked_workers")
def test_the_error_of_one_network_is_that_of_the_comparison():
    with pytest.raises(NumericError, match="training diverged"):
        train.run(config(versus="--lr 1e30", optimizer="sgd", seeds=2, workers=2))


def test_adversarial_training_resists_what_it_was_trained_on():
    from dlcli.core.attacks import load_attack

    data, robust = open_data("digits"), {}
    for name, options in {"plain": {}, "hardened": {"adversarial": ("fgsm", 0.1, 1.0)}}.items():
        job = open_job(config(epochs=6, **options), data, CPU, 0)
        from dlcli.engines.train.fitting import fit
        from dlcli.support.reporter import SILENT

        model = fit(job, report=SILENT, label="").model
        adversarial = load_attack("fgsm")(model, data.x_test, data.y_test, eps=0.2)
        robust[name] = float((predict_logits(model, adversarial, device=CPU).argmax(1) == data.y_test).float().mean())
    assert robust["hardened"] > robust["plain"] + 0.1


def test_a_share_of_each_batch_is_made_adversarial():
    from dlcli.engines.train.job import _adversarial_examples

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    x, y = torch.rand(10, 1, 8, 8), torch.arange(10)
    changed = _adversarial_examples(config(adversarial=("noise", 0.1, 0.3)))(model, x, y, 0, 4)
    assert ((changed != x).flatten(1).any(1)).tolist() == [True] * 3 + [False] * 7


def test_a_plan_writes_nothing_and_names_both_sides(tmp_path: Path):
    lines = train.plan(config(versus="--lr 0.01", seeds=2, output=tmp_path / "run"))
    assert any("train this" in line for line in lines) and any("train --lr 0.01" in line for line in lines)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "unfit",
    [{"surgery": ("dilate=7",)}, {"early_stop": ("accuracy", 2)}, {"surgery": ("selu", "looks-linear"), "versus": "baseline"}],
)
def test_a_plan_refuses_what_training_would(unfit):
    with pytest.raises((InputError, UsageError)) as planned:
        train.plan(config(**unfit))
    with pytest.raises((InputError, UsageError)) as ran:
        train.run(config(**unfit))
    assert str(planned.value) == str(ran.value)


def test_a_plan_tells_what_surgery_will_do():
    found = train.run(config(surgery=("selu",)))
    assert set(found.notes) <= {*train.plan(config(surgery=("selu",))), *train.run(config()).notes} and found.notes


class Impatient:
    """Asks training to stop when it has been asked `after` times whether to."""

    warn, task, log = SILENT.warn, SILENT.task, SILENT.log

    def __init__(self, after: int):
        self.left = after

    def note(self, text: str) -> None:
        pass

    @contextmanager
    def stoppable(self):
        def stop() -> bool:
            self.left -= 1
            return self.left <= 0

        yield stop


def test_stopping_is_noted_and_resumed_from_python(tmp_path: Path):
    whole = train.run(config(output=tmp_path / "whole"))
    parts = config(output=tmp_path / "parts")
    assert train.run(parts, report=Impatient(5)).rows == ()
    assert train.run(replace(parts, resume=True), report=Impatient(20)).rows == ()
    with pytest.raises(UsageError, match="was started with `seed=0`, not 9$"):
        train.run(replace(parts, resume=True, seed=9))
    assert train.run(replace(parts, resume=True)).rows[0].weights_sha256 == whole.rows[0].weights_sha256


def test_random_labels_are_memorised_and_true_ones_are_learned():
    """Zhang et al. 2016: a network big enough fits labels that mean nothing; on test images it then guesses."""
    result = train.run(
        config(epochs=60, limit=100, versus="--corrupt labels=1", seeds=2, lr=0.002, schedule="constant", batch_size=25)
    )
    true, random = ([row for row in result.rows if row.variant == name] for name in ("this", "--corrupt labels=1"))
    assert all(row.epochs_to_fit is not None for row in [*true, *random])
    assert all(row.accuracy.low < 0.3 for row in random) and all(row.accuracy.low > 0.5 for row in true)


def test_the_watched_set_is_the_dev_set_if_there_is_one(tmp_path: Path):
    result = train.run(config(epochs=1, dev=0.2, output=tmp_path))
    assert "dev_accuracy" in (tmp_path / "history.csv").read_text()
    assert result.n_train < 1198 - 200


def test_early_stopping_ends_before_the_end_with_the_best_weights_of_the_dev_set(tmp_path: Path):
    steady = {"dev": 0.2, "lr": 0.01, "schedule": "constant"}
    (row,) = train.run(config(epochs=40, early_stop=("loss", 3), output=tmp_path / "run", **steady)).rows
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert history[0].split(",")[-1] == "dev_loss"
    losses = [float(line.split(",")[-1]) for line in history[1:]]
    assert len(losses) == row.epochs < 40
    assert row.best_epoch == losses.index(min(losses)) + 1 == row.epochs - 3
    shorter = train.run(config(epochs=row.best_epoch, **steady))
    assert shorter.rows[0].weights_sha256 == row.weights_sha256


def test_early_stopping_is_continued(tmp_path: Path):
    stopping = {"epochs": 40, "dev": 0.2, "early_stop": ("loss", 3), "lr": 0.01, "schedule": "constant"}
    whole = train.run(config(**stopping))
    parts = config(**stopping, output=tmp_path / "run")
    train.run(parts, report=Impatient(whole.rows[0].best_epoch * 7 + 3))
    again = train.run(replace(parts, resume=True))
    assert replace(again.rows[0], seconds=0) == replace(whole.rows[0], seconds=0)


def test_early_stopping_does_not_watch_the_test_set():
    with pytest.raises(UsageError, match="dev set"):
        train.run(config(early_stop=("accuracy", 3)))


def test_memory_that_runs_out_is_told_and_the_step_is_taken_in_parts(tmp_path: Path):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n\n"
        "    def forward(self, x):\n"
        "        if self.training and len(x) > 20:\n            raise torch.OutOfMemoryError('no memory')\n"
        "        return super().forward(x)\n"
    )
    said = []

    class Listening(Impatient):
        def note(self, text: str) -> None:
            said.append(text)

    whole = train.run(config(model=f"{tmp_path / 'net.py'}:Net", batch_size=16, epochs=1), report=Listening(10**9))
    assert not said and whole.rows
    train.run(config(model=f"{tmp_path / 'net.py'}:Net", batch_size=64, epochs=1), report=Listening(10**9))
    assert said == ["out of memory on a batch of 64 images; steps are taken in 4 parts"]


@pytest.mark.usefixtures("forked_workers")
def test_on_several_gpus_networks_are_trained_on_each_and_are_the_same(gpus, monkeypatch: pytest.MonkeyPatch):
    """The CPU stands in for the GPUs in the workers."""
    options = config(versus="--lr 0.0005", seeds=2, epochs=1, limit=200, workers=2)
    plain = train.run(replace(options, workers=1))
    gpus("H100", "H100", "H100")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # there is no state of theirs to save
    monkeypatch.setattr(engine, "device_of_rank", lambda _: torch.device("cuda"))
    calls = []

    def spy(function: object, jobs: object, **options: object) -> object:
        calls.append(options["gpus"])
        return in_parallel(function, jobs, **options)

    monkeypatch.setattr("dlcli.core.compute.executor.jobs.in_parallel", spy)
    lines = train.plan(options)
    assert [line for line in lines if " on cuda:0, cuda:1 H100, seeds 0, 1" in line] == lines[1:3]
    assert "train 2 networks at a time" in lines
    found = train.run(options)
    assert calls == [(torch.device("cuda", 0), torch.device("cuda", 1))] and found.device == "cuda:0, cuda:1 H100"
    assert [replace(row, seconds=0.0) for row in found.rows] == [replace(row, seconds=0.0) for row in plain.rows]
