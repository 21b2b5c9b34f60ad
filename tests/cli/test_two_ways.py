"""MODEL and DATA are words or flags, in every command that has them."""

from pathlib import Path
from typing import Any

import pytest

from dlcli.cli import config_file
from dlcli.cli.app import _invoke
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
