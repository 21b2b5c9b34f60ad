"""A configuration made from Python is held to the same bounds as one that is typed."""

from contextlib import nullcontext
from importlib import import_module

import pytest

from dlcli.cli.command import SUBCOMMANDS
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.estimates import Difference
from dlcli.specs.eval import EvalConfig
from dlcli.specs.option import Option, _check_value, declared, open_range
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
        (TrainConfig, {"label_smoothing": 1.0}, "`label_smoothing`: 1.0 is not below 1"),
        (TrainConfig, {"lr": float("nan")}, "`lr`: nan is not above 0"),
        (EnsembleConfig, {"chunk": 0.0}, "`chunk`: 0.0 is not above 0"),
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
        ({"minimum": 0, "below": 1}, "0<=x<1"),
        ({"above": 0, "maximum": 1}, "0<x<=1"),
        ({"above": 0, "below": 1}, "0<x<1"),
        ({"above": 0}, "x>0"),
        ({"below": 0.5}, "x<0.5"),
        ({"minimum": 0, "maximum": 1}, ""),  # Typer shows inclusive bounds
        ({}, ""),
    ],
)
def test_a_range_is_shown_as_it_holds(bounds: dict[str, float], shown: str):
    details = Option("Help.", **bounds)
    assert open_range(details) == shown
    for value in (-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0):
        inside = bounds.get("minimum", -1) <= value <= bounds.get("maximum", 2)
        inside = inside and bounds.get("above", -2) < value < bounds.get("below", 3)
        with nullcontext() if inside else pytest.raises(UsageError):
            _check_value("`x`", details, value)


def test_the_help_of_format_names_the_commands_that_print_csv_on_a_pipe():
    modules = {name: import_module(f"dlcli.specs.{name.replace('-', '_')}") for name in SUBCOMMANDS}
    kinds = {name: {getattr(kind, "KIND", "") for kind in vars(module).values()} for name, module in modules.items()}
    rows = [name for name, found in kinds.items() if "rows" in found]
    (described,) = [details.help for item, details in declared(RunOptions) if item.name == "format"]
    assert f"CSV from {' and '.join(rows)}," in described and len(rows) == 2


def test_established_means_that_the_interval_excludes_zero():
    assert Difference(0.2, 0.1, 0.3, 9).established and Difference(-0.2, -0.3, -0.1, 9).established
    assert not Difference(0.1, 0.0, 0.2, 9).established and not Difference(0.1, -0.1, 0.3, 9).established
