"""A configuration made from Python is held to the same bounds as one that is typed."""

from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from dlcli.cli.command import COMMANDS, SUBCOMMANDS
from dlcli.specs.attack import AttackConfig
from dlcli.specs.command_line import config_class
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.estimates import Difference
from dlcli.specs.eval import EvalConfig
from dlcli.specs.gate import gate
from dlcli.specs.option import Option, _check_value, declared, range_in_words
from dlcli.specs.predict import PredictConfig
from dlcli.specs.shared import RunOptions
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError


@pytest.mark.parametrize(
    ("config", "values", "said"),
    [
        (AttackConfig, {"eps": (0.1, 1.5)}, "`eps`: 1.5 is above 1"),
        (AttackConfig, {"eps": (float("nan"),)}, "`eps`: nan is below 0"),
        (AttackConfig, {"eps": ()}, "`eps`: at least one value"),
        (AttackConfig, {"method": "fgsn"}, "`method`: 'fgsn' is not one of"),
        (AttackConfig, {"ensemble": "median"}, "`ensemble`: 'median' is not one of max, mean, vote"),
        (AttackConfig, {"members": 1}, "`members`: 1 is below 2"),
        (AttackConfig, {"fail_under": ("speed", 1.0)}, "`fail_under`: 'speed' is not one of"),
        (AttackConfig, {"fail_under": ("robust", 50.0)}, "`fail_under`: robust is from 0 to 1, and the bound is 50"),
        (EnsembleConfig, {"fail_under": ("accuracy", 1.5)}, "`fail_under`: accuracy is from 0 to 1, and the bound is 1.5"),
        (EvalConfig, {"fail_under": ("top-1", -0.1)}, "`fail_under`: top-1 is from 0 to 1"),
        (EvalConfig, {"fail_under": ("f1:cat", 90.0)}, "`fail_under`: f1:cat is from 0 to 1"),
        (EvalConfig, {"fail_under": ("mcc", -1.1)}, "`fail_under`: mcc is from -1 to 1"),
        (EvalConfig, {"fail_under": ("difference", -5.0), "against": "b"}, "`fail_under`: difference is from -1 to 1"),
        (TrainConfig, {"detect": 2.0, "lr": (0.1, 0.2)}, "`detect`: 2 is not below 1"),
        (TrainConfig, {"detect": 2.0, "lr": (0.1, 0.2), "task": "score"}, "`detect`: 2 is not below 2"),
        (TrainConfig, {"label_smoothing": 1.0}, "`label_smoothing`: 1 is not below 1"),
        (TrainConfig, {"lr": float("nan")}, "`lr`: nan is not above 0"),
        (EnsembleConfig, {"chunk": 0.0}, "`chunk`: 0 is not above 0"),
        (DedupeConfig, {"threshold": 1.1}, "`threshold`: 1.1 is above 1"),
        (DedupeConfig, {"threshold": 0.7, "precision": 0.8}, "`precision` and `threshold` cannot be combined"),
        (DedupeConfig, {"precision": 0.4}, "`precision`: 0.4 is below 0.5"),
        (DedupeConfig, {"keep": True, "pairs": True}, "`keep` and `pairs`"),
        (DedupeConfig, {"delimiter": "::"}, "`delimiter`: '::' is not one character"),
    ],
)
def test_refused(config: type, values: dict[str, object], said: str):
    with pytest.raises(UsageError) as caught:
        config(**values)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("config", "values", "hint"),
    [
        (EvalConfig, {"fail_under": ("top-1", 95.0)}, "95% is top-1=0.95"),
        (EvalConfig, {"fail_under": ("difference", -5.0), "against": "b"}, "-5% is difference=-0.05"),
        (EvalConfig, {"detect": 2.0}, "2% is 0.02"),
        (TrainConfig, {"detect": 2.0, "lr": (0.1, 0.2)}, "2% is 0.02"),
        (TrainConfig, {"dev": 20.0}, "20% is 0.2"),
        (PredictConfig, {"coverage": 95.0}, "95% is 0.95"),
        (AttackConfig, {"eps": (100.0,), "norm": "linf"}, "100/255"),
        (TrainConfig, {"mixup": 2000.0}, ""),
    ],
)
def test_a_percentage_is_shown_as_the_share_that_it_stands_for(config: type, values: dict[str, object], hint: str):
    with pytest.raises(UsageError) as caught:
        config(**values)
    assert hint in caught.value.hint and bool(hint) == bool(caught.value.hint)


@pytest.mark.parametrize("bound", [("gain", 3.0), ("bits", 7.5), ("mcc", -0.5), ("robust", 1.0), ("top-1", 0.0)])
def test_bounds_that_a_figure_can_have_are_gates(bound: tuple[str, float]):
    assert gate(bound) == (*bound, False)


@pytest.mark.parametrize("config", [AttackConfig, Convert2DTo3DConfig, DedupeConfig, EvalConfig, PredictConfig])
def test_every_field_is_an_option_with_help(config: type):
    described = list(declared(config))
    assert len(described) == len(config.__dataclass_fields__)
    assert all(details.help.endswith(".") for _, details in described)
    config()
    assert SUBCOMMANDS


@pytest.mark.parametrize(
    ("bounds", "shown"),
    [
        ({"minimum": 0, "below": 1}, "from 0 to below 1"),
        ({"above": 0, "maximum": 1}, "above 0 to 1"),
        ({"above": 0, "below": 1}, "above 0 to below 1"),
        ({"above": 0}, "above 0"),
        ({"below": 0.5}, "below 0.5"),
        ({"minimum": 0}, ""),
        ({"minimum": 2}, "at least 2"),
        ({"maximum": 1}, "at most 1"),
        ({"minimum": 0, "maximum": 1}, "from 0 to 1"),
        ({}, ""),
    ],
)
def test_a_range_is_shown_as_it_holds(bounds: dict[str, float], shown: str):
    details = Option("Help.", **bounds)
    assert range_in_words(details) == shown
    for value in (-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0):
        inside = bounds.get("minimum", -1) <= value <= bounds.get("maximum", 2)
        inside = inside and bounds.get("above", -2) < value < bounds.get("below", 3)
        with nullcontext() if inside else pytest.raises(UsageError):
            _check_value("`x`", details, value)


def test_the_help_of_format_names_the_commands_that_print_csv_on_a_pipe():
    modules = {name: import_module(f"dlcli.specs.{name.replace('-', '_')}") for name in COMMANDS}
    kinds = {name: {getattr(kind, "KIND", "") for kind in vars(module).values()} for name, module in modules.items()}
    rows = [name for name, found in kinds.items() if "rows" in found]
    (described,) = [details.help for item, details in declared(RunOptions) if item.name == "format"]
    assert f"CSV from {', '.join(rows[:-1])} and {rows[-1]}," in described and len(rows) == 4


def test_established_means_that_the_interval_excludes_zero():
    assert Difference(0.2, 0.1, 0.3, 9).established and Difference(-0.2, -0.3, -0.1, 9).established
    assert not Difference(0.1, 0.0, 0.2, 9).established and not Difference(0.1, -0.1, 0.3, 9).established


@pytest.mark.parametrize(
    ("config", "given", "read"),
    [
        (AttackConfig, {"eps": 0.1}, {"eps": (0.1,)}),
        (AttackConfig, {"eps": "8/255"}, {"eps": (8 / 255,)}),
        (AttackConfig, {"eps": [4 / 255, "8/255"]}, {"eps": (4 / 255, 8 / 255)}),
        (AttackConfig, {"method": "fgsm"}, {"method": ("fgsm",)}),
        (AttackConfig, {"method": ["fgsm", "pgd"], "output": "a"}, {"method": ("fgsm", "pgd"), "output": Path("a")}),
        (AttackConfig, {"fail_under": "robust=0.5"}, {"fail_under": ("robust", 0.5)}),
        (TrainConfig, {"adversarial": "fgsm:8/255"}, {"adversarial": ("fgsm", 8 / 255, 1.0)}),
        (TrainConfig, {"lr": "1e-3"}, {"lr": 1e-3}),
        (TrainConfig, {"surgery": "elu", "data": Path("x.npz")}, {"surgery": ("elu",), "data": "x.npz"}),
        (TrainConfig, {"freeze": ["features", "layer1"]}, {"freeze": ("features", "layer1")}),
        (DedupeConfig, {"mask": "numbers,ids"}, {"mask": ("ids", "numbers")}),
        (Convert2DTo3DConfig, {"dilations": "1,2"}, {"dilations": (1, 2)}),
    ],
)
def test_a_configuration_reads_what_its_flags_read(config: type, given: dict[str, object], read: dict[str, object]):
    made = config(**given)
    assert {name: getattr(made, name) for name in read} == read
    assert made == config(**read)


@pytest.mark.parametrize(("config", "given"), [(AttackConfig, {"eps": "x"}), (TrainConfig, {"lr": "fast"})])
def test_what_cannot_be_read_names_the_field(config: type, given: dict[str, object]):
    with pytest.raises(UsageError, match=f"`{next(iter(given))}`: "):
        config(**given)


@pytest.mark.parametrize("name", COMMANDS)
def test_reading_what_was_read_changes_nothing(name: str):
    config = config_class(name)()
    assert replace(config) == config
    for item, details in declared(config):
        value = getattr(config, item.name)
        if details.parse and details.show and value is not None:
            assert details.parse(details.show(value)) == value
