"""What a record says twice: words of the command line and options, and results by command."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

import dlcli.specs
from dlcli.engines.verify.agreement import CONFIGS, RESULTS
from dlcli.engines.verify.arguments import given_values
from dlcli.specs.eval import EvalConfig
from dlcli.specs.result import Result
from dlcli.specs.train import TrainConfig


def test_all_results_of_a_command_are_known() -> None:
    for module in iter_modules(dlcli.specs.__path__):
        import_module(f"dlcli.specs.{module.name}")
    kinds = [kind for kind in Result.__subclasses__() if kind.__module__.startswith("dlcli.specs")]
    assert {command: {kind for kind in kinds if command == kind.COMMAND} for command in CONFIGS} == {
        command: set(found) for command, found in RESULTS.items()
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run"], {"model": "run"}),
        (["--model", "run", "--data=test"], {"model": "run", "data": "test"}),
        (["-q", "run", "-oreport", "--limit", "5"], {"model": "run", "output": "report", "limit": 5}),
        (["-qv", "--format", "json", "--slices", "a", "--slices", "b"], {"slices": ["a", "b"]}),
        (["--fail-under", "top-1=0.5"], {"fail_under": ["top-1", 0.5]}),
        (["--diagnose", "input", "--", "-run"], {"diagnose_input": True, "model": "-run"}),
        (["--size", "8", "--abstain", "0.25"], {"size": 8, "abstain": 0.25}),
    ],
)
def test_words_are_read_as_the_shell_reads_them(words: list[str], expected: dict[str, object]) -> None:
    assert given_values(EvalConfig, words) == expected


def test_a_value_may_look_like_an_option() -> None:
    assert given_values(TrainConfig, ["--versus", "--lr 0.1", "--epochs", "2"]) == {"versus": "--lr 0.1", "epochs": 2}


@pytest.mark.parametrize("words", [["--no-such", "1"], ["run", "data", "more"], ["--limit", "many"]])
def test_other_words_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="many|not an option|of an option"):
        given_values(EvalConfig, words)
