"""The hint for a missing extra can be pasted."""

import tomllib

import pytest

from dlcli.support.errors import MissingExtraError
from tests.conftest import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"dev"}))
def test_the_hint_installs_what_the_extra_declares(extra: str):
    hint = MissingExtraError("this", extra).hint
    assert hint.startswith("pip install '")
    assert hint.removeprefix("pip install ").replace("'", "").split() == EXTRAS[extra]


def test_an_unknown_extra_names_the_checkout():
    assert MissingExtraError("this", "nope").hint == "pip install '.[nope]'"
