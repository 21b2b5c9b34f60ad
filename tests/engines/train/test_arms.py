"""Several values of an option as arms of one comparison: the networks, the corrected p-values and what is refused."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from dlcli.core.stats import mean_difference, p_value
from dlcli.engines import train
from dlcli.specs.arms import arms
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError

SETTINGS = {"model": "mlp", "epochs": 3, "device": "cpu", "precision": "float32", "limit": 300, "workers": 1}


def _accuracies(result: object, name: str) -> list[float]:
    return [row.accuracy.value for row in result.rows if row.variant == name]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, Path]:
    folder = tmp_path_factory.mktemp("arms") / "run"
    return train.run(TrainConfig(**SETTINGS, lr=(1e-6, 0.002, 0.0021), seeds=4, output=folder)), folder


def test_every_arm_is_the_network_that_is_trained_alone(three: tuple[object, Path]):
    result, folder = three
    names = ["lr=1e-06", "lr=0.002", "lr=0.0021"]
    assert [row.variant for row in result.rows] == names * 4
    for row, lr in zip(result.rows[:3], (1e-6, 0.002, 0.0021), strict=True):
        alone = train.run(TrainConfig(**{**SETTINGS, "workers": None}, lr=lr)).rows[0]
        assert (alone.weights_sha256, alone.accuracy) == (row.weights_sha256, row.accuracy)
    assert {path.name for path in folder.iterdir()} == {"curves.png", "runs.csv", "report.html"}


def test_each_pair_is_compared_by_a_paired_t_test_with_holms_correction(three: tuple[object, Path]):
    result, _ = three
    pairs = list(combinations(["lr=1e-06", "lr=0.002", "lr=0.0021"], 2))
    assert [one.variants for one in result.comparisons] == pairs
    raw = [stats.ttest_rel(*(_accuracies(result, name) for name in pair)) for pair in pairs]
    order = sorted(range(3), key=lambda k: raw[k].pvalue)
    adjusted, highest = {}, 0.0
    for rank, k in enumerate(order):  # Holm 1979: the smallest times 3, the next times 2 ..., never falling
        highest = max(highest, min(1.0, (3 - rank) * raw[k].pvalue))
        adjusted[k] = highest
    for k, one in enumerate(result.comparisons):
        interval = raw[k].confidence_interval(0.95)
        assert (one.difference.low, one.difference.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
        assert one.p == pytest.approx(adjusted[k])
        assert one.verdict == ("established" if one.p <= 0.05 else "not established")
    # A rate of 1e-6 learns nothing, and those of the others are nearly the same.
    assert [one.verdict for one in result.comparisons] == ["established", "established", "not established"]


def test_two_values_are_compared_as_two_variants():
    found = train.run(TrainConfig(**SETTINGS, label_smoothing=(0.0, 0.1), seeds=2))
    twin = train.run(TrainConfig(**SETTINGS, label_smoothing=0.0, versus="--label-smoothing 0.1", seeds=2))
    assert [row.weights_sha256 for row in found.rows] == [row.weights_sha256 for row in twin.rows]
    both = [[one for one in result.comparisons if one.metric != "seconds"] for result in (found, twin)]
    assert both[0] == both[1] and both[0][0].p is None


@pytest.mark.parametrize("differences", [[0.1, 0.2, 0.15], [0.1, -0.1, 0.05, 0.2], [-0.3, -0.1]])
def test_p_values_are_those_of_the_t_test(differences: list[float]):
    assert p_value(mean_difference(differences)) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert p_value(mean_difference([0.2, 0.2])) == 0.0 and p_value(mean_difference([0.0, 0.0])) == 1.0


def test_several_options_are_combined():
    found = arms(TrainConfig(lr=(0.1, 0.2), weight_decay=(0.0, 1e-4), momentum=0.5, optimizer="sgd", seeds=3))
    assert list(found) == [f"lr={lr} weight-decay={decay}" for lr in ("0.1", "0.2") for decay in ("0.0", "0.0001")]
    assert [(one.lr, one.weight_decay, one.momentum) for one in found.values()][1] == (0.1, 1e-4, 0.5)
    assert not any(one.compares for one in found.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": (0.1, 0.2), "versus": "baseline"}, "`lr` has several values, which are compared already"),
        ({"lr": (0.1, -0.2)}, "`lr`: -0.2 is not above 0"),
        ({"mixup": (0.1, 1e-9)}, "`mixup`: 1e-09 is below 0.001"),
        ({"mixup": (0.0, 0.2), "adversarial": ("fgsm", 0.1, 1.0)}, "`adversarial` and `mixup`"),
        ({"versus": "--lr 0.1,0.2"}, "`lr` has several values"),
        ({"lr": tuple(k / 100 for k in range(1, 52))}, "51 combinations of values are more than 50"),
        ({"momentum": (0.5, 0.9)}, "`momentum` does not apply to adam"),
        ({"optimizer": ("sgd", "adam"), "momentum": 0.5}, "`momentum` does not apply to adam"),
        ({"optimizer": ("sgd", "adams")}, "'adams' is not one of"),
        ({"epochs": (2, 0)}, "`epochs`: 0 is below 1"),
        ({"schedule": ("cosine", "onecycle"), "warmup": (0.0, 1.0)}, "`warmup` does not apply to `schedule=onecycle`"),
        ({"schedule": ("cosine", "nope")}, "'nope' is not one of"),
        ({"schedule": ("constant", "plateau")}, "`schedule=plateau` needs a dev set"),
    ],
)
def test_what_cannot_be_compared(options: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        train.plan(TrainConfig(device="cpu", **options))


@pytest.mark.parametrize(
    ("typed", "field", "values"),
    [
        ("--optimizer sgd,adam", "optimizer", ("sgd", "adam")),
        ("--schedule constant,step:1:0.5", "schedule", ("constant", "step:1:0.5")),
        ("--warmup 0,1", "warmup", (0.0, 1.0)),
        ("--epochs 2,3", "epochs", (2, 3)),
        ("--batch-size 32,64", "batch_size", (32, 64)),
        ("--clip-norm 0.1,10", "clip_norm", (0.1, 10.0)),
        ("--ema 0,0.9", "ema", (0.0, 0.9)),
    ],
)
def test_every_setting_of_a_number_or_a_name_is_compared(typed: str, field: str, values: tuple):
    flag, given = typed.split()
    found = train.run(TrainConfig(**{**SETTINGS, "seeds": 2, field: read(field, given)}))
    assert len({row.weights_sha256 for row in found.rows}) == 4
    assert [row.variant for row in found.rows[:2]] == [f"{flag[2:]}={value}" for value in values]
    for row, value in zip(found.rows[:2], values, strict=True):
        alone = train.run(TrainConfig(**{**SETTINGS, "workers": None, field: value})).rows[0]
        assert (alone.weights_sha256, alone.epochs) == (row.weights_sha256, row.epochs)


def read(field: str, text: str) -> Any:
    return TrainConfig.__dataclass_fields__[field].metadata["option"].parse(text)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("batch_size", "auto,32", "'auto' is not a whole number"),
        ("epochs", "2,2", "has a value twice"),
        ("epochs", "2.5", "'2.5' is not a whole number"),
        ("schedule", "cosine,step:0", "EPOCHS is a whole number above 0"),
    ],
)
def test_what_is_no_list(field: str, text: str, message: str):
    with pytest.raises(ValueError, match=message):
        read(field, text)
    assert read("batch_size", "auto") is None


def test_an_ensemble_takes_one_value():
    assert EnsembleConfig(lr=0.1).training(0).lr == 0.1
