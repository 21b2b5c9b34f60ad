"""Options that change the recipe of a network: what they make of it, where they are refused, and runs that are resumed."""

from pathlib import Path

import pytest

from dlcli.core.training.recipe import Recipe
from dlcli.core.training.schedule import Plateau
from dlcli.engines import train
from dlcli.engines.train.recipe_options import resolve_recipe
from dlcli.specs.schedule import parse_schedule
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from tests.engines.train.test_engine import Impatient

ADAM = Recipe(epochs=4, batch_size=10, optimizer="adam", lr=0.1)
SGD = Recipe(epochs=4, batch_size=10, optimizer="sgd", lr=0.1, options={"momentum": 0.9, "weight_decay": 1e-4})


def resolved(recipe: Recipe, **options: object) -> Recipe:
    return resolve_recipe(TrainConfig(**options), recipe, 100)


def test_without_options_the_recipe_stays_as_it_is():
    assert [resolved(recipe) for recipe in (ADAM, SGD)] == [ADAM, SGD]


def test_momentum_and_decay_replace_those_of_the_network():
    found = resolved(SGD, momentum=0.5, weight_decay=0.0, warmup=1.5)
    assert (dict(found.options)["momentum"], found.weight_decay, found.warmup) == (0.5, 0.0, 1.5)
    assert dict(resolved(ADAM, optimizer="sgd", momentum=0.0).options) == {"momentum": 0.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0.5}, "`momentum` does not apply to adam"),
        ({"schedule": "step:4"}, "`schedule`: step:4 leaves the rate as it is in 4 epochs"),
        ({"schedule": "step:3", "warmup": 1.0}, "`schedule`: step:3 leaves the rate as it is"),
        ({"schedule": "plateau:2"}, "`schedule`: plateau:2 waits longer than 4 epochs can show"),
        ({"schedule": "onecycle", "epochs": 1, "batch_size": 40}, "`schedule`: onecycle needs 4 steps; there are 3"),
        ({"schedule": "onecycle", "warmup": 1.0}, "`warmup` does not apply to `schedule=onecycle`"),
        ({"schedule": "linear"}, "`schedule`: 'linear' is not one of constant, cosine, step, onecycle, plateau"),
        ({"warmup": 4.0}, "`warmup`: 4 epochs leave none of 4 epochs"),
        ({"warmup": 0.1}, "`warmup`: 0.1 epochs are less than 2 steps; an epoch has 10 steps"),
    ],
)
def test_options_without_effect_are_refused(options: dict[str, float], message: str):
    with pytest.raises(UsageError, match=message):
        resolved(ADAM, **options)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
@pytest.mark.parametrize("name", ["weight_decay", "momentum", "warmup"])
def test_values_out_of_bounds_are_refused(name: str, value: float):
    with pytest.raises(UsageError, match=f"`{name}`"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize("value", ["layer4", "=1", "a=", "a=x", "a=0", "a=-1", "a=nan", "a=inf"])
def test_what_is_no_rate_of_a_prefix(value: str):
    with pytest.raises(UsageError, match="`lr_for`"):
        TrainConfig(lr_for=(value,))
    with pytest.raises(UsageError, match="`lr_for`: 'a' is given twice"):
        TrainConfig(lr_for=("a=1", "a.=2"))


@pytest.mark.parametrize("options", [{"freeze": ("conv",)}, {"lr_for": ("conv=1",)}])
def test_a_plan_refuses_prefixes_that_training_would(options: dict[str, tuple[str, ...]]):
    for function in (train.plan, train.run):
        with pytest.raises(UsageError, match="no parameter of the network is below 'conv'"):
            function(TrainConfig(epochs=1, device="cpu", **options))


def test_a_plateau_lowers_the_rate_by_the_dev_set_and_is_continued(tmp_path: Path):
    """On random labels, on which the loss cannot keep falling; without a dev set it is refused."""
    shared = {"epochs": 14, "device": "cpu", "limit": 200, "lr": 0.05, "dev": 0.3, "corrupt": "labels=1"}
    options = {**shared, "schedule": "plateau:1:0.1"}
    with pytest.raises(UsageError, match="`schedule=plateau` needs a dev set"):
        train.run(TrainConfig(**{**options, "dev": None}))
    whole = train.run(TrainConfig(**options, output=tmp_path / "whole")).rows[0]
    losses = [float(line.split(",")[-1]) for line in (tmp_path / "whole" / "history.csv").read_text().splitlines()[1:]]
    plateau = Plateau(parse_schedule("plateau:1:0.1"))
    factors = [plateau.see(loss) or plateau.factor for loss in losses]
    assert factors[0] == 1.0 and factors[-2] < 1.0
    assert train.run(TrainConfig(**shared, schedule="constant")).rows[0].weights_sha256 != whole.weights_sha256
    for asked in (20, 17):
        there = (tmp_path / "parts").exists()
        options_then = TrainConfig(**options, output=tmp_path / "parts", resume=there)
        assert train.run(options_then, report=Impatient(asked)).rows == ()
    again = train.run(TrainConfig(**options, output=tmp_path / "parts", resume=True))
    assert again.rows[0].weights_sha256 == whole.weights_sha256


KNOBS = {
    "decay": {"optimizer": "adamw", "weight_decay": 0.1},
    "momentum": {"optimizer": "sgd", "momentum": 0.8, "weight_decay": 0.01},
    "warm-up": {"warmup": 1.0, "schedule": "cosine"},
    "one cycle": {"schedule": "onecycle"},
    "step": {"schedule": "step:1:0.5", "lr_for": ("10=0.01",)},
    "freeze": {"freeze": ("0",), "lr_for": ("10=0.01", "5.bias=0.1"), "weight_decay": 0.1, "ema": 0.9},
    "mixup": {"mixup": 0.3, "class_weights": True},
    "cutmix": {"cutmix": 1.0},
    "both": {"mixup": 0.3, "cutmix": 1.0, "augment": ("crop",)},
}


@pytest.mark.parametrize("options", KNOBS.values(), ids=list(KNOBS))
def test_a_stopped_run_gives_the_same_bits(options: dict[str, object], tmp_path: Path):
    """Stopped in the first and in the second epoch, each time resumed with the same options, and with others refused."""
    shared = {"epochs": 3, "device": "cpu", "limit": 300, "batch_size": 50, **options}
    whole = train.run(TrainConfig(**shared)).rows[0]
    plain = train.run(TrainConfig(**{name: shared[name] for name in ("epochs", "device", "limit", "batch_size")})).rows[0]
    parts = {**shared, "output": tmp_path / "run"}
    assert train.run(TrainConfig(**parts), report=Impatient(3)).rows == ()
    with pytest.raises(UsageError, match="started with"):
        train.run(TrainConfig(**{name: value for name, value in parts.items() if name not in options}, resume=True))
    assert train.run(TrainConfig(**parts, resume=True), report=Impatient(7)).rows == ()
    assert train.run(TrainConfig(**parts, resume=True)).rows[0].weights_sha256 == whole.weights_sha256 != plain.weights_sha256
