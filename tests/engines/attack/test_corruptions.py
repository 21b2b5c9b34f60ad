"""`dlcli attack --method corruptions`: figures counted again from the predictions that it leaves."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlcli.cli.commands.attack import COMMAND
from dlcli.engines import attack, train
from dlcli.engines.attack.corruption_figures import (
    Answers,
    by_corruption,
    mean_error,
    minus_baseline,
    relative_degradation,
    relative_error,
)
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.corruptions import CORRUPTIONS, SEVERITIES
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.engines.test_training_notes import Listener

SOME = ("fog", "gaussian-noise", "pixelate")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network of two epochs and one of a single epoch."""
    folder = tmp_path_factory.mktemp("runs")
    for name, epochs in (("two", 2), ("one", 1)):
        train.run(TrainConfig(epochs=epochs, output=folder / name, device="cpu"))
    return folder / "two", folder / "one"


@pytest.fixture(scope="module")
def found(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[CorruptionResult, Path]:
    folder = tmp_path_factory.mktemp("out")
    config = AttackConfig(
        model=str(runs[0]), method="corruptions", corruptions=SOME, against=str(runs[1]), limit=120, output=folder, device="cpu"
    )
    result = attack.run(config)
    assert isinstance(result, CorruptionResult)
    return result, folder


def test_figures_are_those_of_the_predictions(found: tuple[CorruptionResult, Path]) -> None:
    result, folder = found
    with np.load(folder / "corruptions.npz") as arrays:
        names, right = arrays["corruptions"].tolist(), arrays["predicted"] == arrays["y"]
        clean = arrays["predicted_clean"] == arrays["y"]
    assert names == ["gaussian-noise", "fog", "pixelate"]  # in the order of the paper
    assert result.n_images == 120 and result.clean.value == clean.mean()
    assert result.mean_error.value == pytest.approx(1 - right.mean())
    for k, one in enumerate(result.by_corruption):
        assert one.error.value == pytest.approx(1 - right[k].mean())
        assert one.relative is not None and one.baseline is not None
        assert one.relative.value == pytest.approx(one.error.value / one.baseline.value)
    accuracies = [row.accuracy.value for row in result.rows]
    assert accuracies == pytest.approx(right.mean(2).ravel().tolist())
    assert result.relative_error is not None
    assert result.relative_error.value == pytest.approx(np.mean([one.relative.value for one in result.by_corruption]))


def test_files_are_written(found: tuple[CorruptionResult, Path]) -> None:
    result, folder = found
    assert {path.name for path in folder.iterdir()} == {"corruptions.npz", "examples.png", "report.html"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "gaussian-noise" in page and "mCE" in page
    table = COMMAND.table(result)
    assert [row[0] for row in table.rows] == ["gaussian-noise", "fog", "pixelate", "mean"]
    assert "mCE" in table.answer


def test_another_half_of_the_images_changes_no_prediction(runs: tuple[Path, Path], tmp_path: Path) -> None:
    stored = []
    for limit in (40, 80):
        folder = tmp_path / str(limit)
        attack.run(
            AttackConfig(
                model=str(runs[0]), method="corruptions", corruptions=("snow",), limit=limit, output=folder, device="cpu"
            )
        )
        with np.load(folder / "corruptions.npz") as arrays:
            stored.append({place: arrays["predicted"][0, :, k] for k, place in enumerate(arrays["places"].tolist())})
    both = stored[0].keys() & stored[1].keys()
    assert both
    assert all((stored[0][place] == stored[1][place]).all() for place in both)


def test_a_network_relative_to_itself_is_1(runs: tuple[Path, Path]) -> None:
    config = AttackConfig(
        model=str(runs[0]), against=str(runs[0]), method="corruptions", corruptions="fog", limit=60, device="cpu"
    )
    result = attack.run(config)
    assert isinstance(result, CorruptionResult) and result.relative_error is not None and result.minus_baseline is not None
    assert result.relative_error.value == 1 and result.minus_baseline.value == 0
    assert result.relative_error.low == result.relative_error.high == 1


def answers(seed: int, n: int, level: float) -> Answers:
    drawn = np.random.default_rng(seed)
    hard = drawn.normal(size=n)
    noise = drawn.normal(size=(4, 5, n))
    return Answers(hard + drawn.normal(size=n) < 2 + level, hard + noise < level + np.linspace(1, -1, 5)[:, None])


def test_relative_errors_are_means_of_ratios() -> None:
    own, other = answers(0, 300, 1.0), answers(1, 300, 0.5)
    errors, of_other = (1 - one.corrupted.mean((1, 2)) for one in (own, other))
    found = relative_error(own, other)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx((errors / of_other).mean())
    assert found.low < found.value < found.high
    clean, of_clean = 1 - own.clean.mean(), 1 - other.clean.mean()
    degraded = relative_degradation(own, other)
    assert degraded is not None
    assert degraded.value == pytest.approx(((errors - clean) / (of_other - of_clean)).mean())


def test_a_baseline_without_errors_has_no_ratio() -> None:
    perfect = Answers(np.ones(30, dtype=bool), np.ones((2, 5, 30), dtype=bool))
    assert relative_error(answers(0, 30, 0.0), Answers(perfect.clean, np.ones((4, 5, 30), dtype=bool))) is None
    few = np.ones((2, 5, 30), dtype=bool)
    few[:, :, 0] = False
    found = relative_error(perfect, Answers(perfect.clean, few))
    assert isinstance(found, PointEstimate) and found.value == 0


@pytest.mark.parametrize("n", [100, 400])
def test_intervals_cover(n: int) -> None:
    """Of 300 sets from one population; its figures are those of 40,000 images."""
    sets, hits = 300, np.zeros(3)
    truth = drawn_pair(10**6, 40_000)
    exact = [mean_error(truth[0]).value, relative_error(*truth).value, minus_baseline(*truth).value]
    for seed in range(sets):
        own, other = drawn_pair(seed, n)
        for k, one in enumerate((mean_error(own), relative_error(own, other), minus_baseline(own, other))):
            hits[k] += one.low <= exact[k] <= one.high
    # Below .915 by chance once in a thousand runs if the coverage is .95.
    assert (hits / sets > 0.915).all()


def drawn_pair(seed: int, n: int) -> tuple[Answers, Answers]:
    """Two networks on the same images, of which some are hard for both."""
    drawn = np.random.default_rng(seed)
    hard = drawn.normal(size=n)
    steps = np.linspace(1, -1, 5)[:, None] + np.linspace(-0.5, 0.5, 3)[:, None, None]
    found = []
    for level in (1.2, 0.7):
        own = hard + 0.7 * drawn.normal(size=n)
        found.append(Answers(own < 2 + level, own + 0.5 * drawn.normal(size=(3, 5, n)) < level + steps))
    return found[0], found[1]


def test_rows_are_in_the_order_of_the_names() -> None:
    own = answers(3, 50, 1.0)
    rows = list(by_corruption(CORRUPTIONS[:4], own, None))
    assert [row.corruption for row in rows] == list(CORRUPTIONS[:4])
    assert [row.error.value for row in rows] == pytest.approx((1 - own.corrupted.mean((1, 2))).tolist())


@pytest.mark.parametrize(("metric", "fails"), [("robust=0.999", True), ("robust=0.01", False), ("clean=0.999", True)])
def test_the_gate_is_on_the_mean_accuracy(runs: tuple[Path, Path], metric: str, fails: bool) -> None:
    config = AttackConfig(
        model=str(runs[0]), method="corruptions", corruptions="contrast", limit=60, fail_under=metric, device="cpu"
    )
    assert bool(attack.run(config).failed) is fails


def test_options_that_mean_nothing_are_refused() -> None:
    for options in ({"norm": "l2"}, {"steps": 5}, {"target": "random"}, {"save": "a.npz"}):
        with pytest.raises(UsageError, match="does not apply"):
            AttackConfig(method="corruptions", **options)
    with pytest.raises(UsageError, match="alone|no eps"):
        AttackConfig(method="corruptions,pgd")
    for name in ("corruptions", "against"):
        with pytest.raises(UsageError, match="needs"):
            AttackConfig(**{name: "fog"})
    with pytest.raises(UsageError, match="fogg"):
        AttackConfig(method="corruptions", corruptions="fogg")


def test_channels_without_weather_are_refused_by_name(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = drawn.random((60, 2, 8, 8)).astype(np.float32)
    path = tmp_path / "two.npz"
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    with pytest.raises(InputError, match="snow, frost, fog, brightness, jpeg-compression: only of grey and colour"):
        attack.run(AttackConfig(method="corruptions", data=str(path), epochs=1, model="mlp", device="cpu"))
    found = attack.run(
        AttackConfig(
            method="corruptions", corruptions="contrast,zoom-blur", data=str(path), epochs=1, model="mlp", device="cpu"
        )
    )
    assert isinstance(found, CorruptionResult) and len(found.rows) == 2 * len(SEVERITIES)


def test_an_ensemble_is_measured_by_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = AttackConfig(
        method="corruptions",
        corruptions="fog",
        ensemble="vote",
        members=2,
        epochs=1,
        limit=40,
        device="cpu",
        output=tmp_path / "o",
    )
    found = attack.run(config)
    assert isinstance(found, CorruptionResult) and found.trained == 3
    plan = attack.plan(config)
    assert any("corrupt 40 test images by fog" in line for line in plan)
    assert json.dumps(plan)


def test_workers_are_said_not_to_be_used(runs: tuple[Path, Path]) -> None:
    config = AttackConfig(model=str(runs[0]), method="corruptions", corruptions="contrast", limit=60, device="cpu", workers=2)
    listener = Listener()
    attack.run(config, report=listener)
    assert any("corruptions are measured in one process" in note for note in listener.notes)
