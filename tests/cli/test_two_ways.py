"""MODEL and DATA are words or flags, in every command that has them; and no option of one value is taken twice."""

from pathlib import Path
from typing import Any

import pytest

from dlcli.cli import config_file
from dlcli.cli.app import _invoke, _subcommand
from dlcli.cli.command import COMMANDS
from dlcli.support.errors import UsageError

WITH_MODEL = ("eval", "predict", "attack", "probe-gradients", "convert-2d-to-3d")
WITH_MODEL_AND_DATA = WITH_MODEL[:4]
WITH_DATA = ("train", "ensemble")


@pytest.fixture(name="parsed")
def _parsed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model and the data that a command line gives."""
    found: list[Any] = []
    monkeypatch.setattr(config_file, "print_config", lambda name, config, sources: found.append(config) or 0)

    def parse(*words: str) -> tuple[str | None, str | None]:
        assert _invoke([*words, "--print-config"]) == 0
        return found[-1].model, getattr(found[-1], "data", None)

    return parse


@pytest.mark.parametrize("command", WITH_MODEL)
def test_the_model_is_a_word_or_a_flag(command: str, parsed: Any):
    assert parsed(command, "runs/x")[0] == parsed(command, "--model", "runs/x")[0] == "runs/x"
    with pytest.raises(UsageError, match="given twice"):
        parsed(command, "runs/x", "--model", "runs/y")


@pytest.mark.parametrize("command", WITH_MODEL_AND_DATA)
def test_the_data_follow_the_model_as_words_or_flags(command: str, parsed: Any):
    expected = ("runs/x", "photos/")
    assert parsed(command, "runs/x", "photos/") == expected
    assert parsed(command, "runs/x", "--data", "photos/") == expected
    assert parsed(command, "--model", "runs/x", "--data", "photos/") == expected
    assert parsed(command, "--data", "photos/", "--model", "runs/x") == expected


@pytest.mark.parametrize("command", WITH_DATA)
def test_the_data_of_training_are_a_word_or_a_flag(command: str, parsed: Any):
    assert parsed(command, "photos/")[1] == parsed(command, "--data", "photos/")[1] == "photos/"


@pytest.mark.parametrize("form", [("net.py:Net",), ("--model", "net.py:Net")])
def test_code_that_was_typed_may_replace_code_of_a_file(form: tuple[str, ...], parsed: Any, tmp_path: Path):
    config = tmp_path / "options.toml"
    config.write_text('[eval]\nmodel = "other.py:Net"\n')
    assert parsed("eval", *form, "--config", str(config))[0] == "net.py:Net"
    with pytest.raises(UsageError, match="trust"):
        parsed("eval", "--config", str(config))


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_of_one_value_is_refused_where_it_stands_twice(command: str):
    options = [one for one in _subcommand(command).params if one.param_type_name == "option" and not one.is_flag]
    assert options
    for option in options:
        for flag in (one for one in option.opts if not option.multiple):
            long = max(option.opts, key=len)
            with pytest.raises(UsageError, match=f"^{long} is given twice"):
                _invoke([command, flag, "1", f"{long}=2"])


def test_an_option_of_several_values_a_flag_and_what_a_value_replaces_may_stand_twice(
    parsed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    config = tmp_path / "options.toml"
    config.write_text('[eval]\ndata = "a"\n')
    monkeypatch.setenv("DLCLI_DATA", "b")
    assert parsed("eval", "runs/x", "--data", "c", "--config", str(config), "--quiet", "--quiet")[1] == "c"
    assert parsed("ensemble", "--model", "cnn", "--model", "resnet")[0] == ("cnn", "resnet")


def test_the_number_of_times_and_how_several_values_are_written_are_told():
    with pytest.raises(UsageError, match="^--eps is given 3 times"):
        _invoke(["attack", "--eps", "0.1", "--eps", "0.1", "--eps", "0.2"])
    with pytest.raises(UsageError) as refused:
        _invoke(["attack", "--method", "fgsm", "--method", "pgd"])
    assert refused.value.hint == "give it once; several values are separated by commas"
