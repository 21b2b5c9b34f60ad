"""The hint for a missing extra can be pasted, and errors are said to be about something."""

import tomllib
from importlib.metadata import metadata

import pytest

from dlcli.support.errors import InputError, MissingExtraError, error_context
from tests.conftest import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"dev"}))
def test_the_hint_installs_what_the_extra_declares(extra: str):
    if extra not in (metadata("dlcli-kit").get_all("Provides-Extra") or []):
        pytest.skip("installed before this extra was declared; install again")
    hint = MissingExtraError("this", extra).hint
    assert hint.startswith("pip install '")
    assert hint.removeprefix("pip install ").replace("'", "").split() == EXTRAS[extra]


def test_an_unknown_extra_names_the_checkout():
    assert MissingExtraError("this", "nope").hint == "pip install '.[nope]'"


@pytest.mark.parametrize("error", [InputError("it is gone", hint="find it"), MissingExtraError("it", "video")])
def test_what_an_error_is_about_comes_first_and_its_kind_and_hint_stay(error):
    message, hint = error.message, error.hint
    with pytest.raises(type(error), match="a.mp4: it ") as caught, error_context("a.mp4"):
        raise error
    assert (caught.value.message, str(caught.value), caught.value.hint) == (*[f"a.mp4: {message}"] * 2, hint)


def test_what_is_no_such_error_is_let_through():
    with pytest.raises(ValueError, match="^plain$"), error_context("a.mp4"):
        raise ValueError("plain")
