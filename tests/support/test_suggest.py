"""The nearest name is suggested; without one, all names are listed."""

from pathlib import Path

import pytest

from dlcli.support.suggest import closest, did_you_mean, meant_path

NAMES = ("fgsm", "pgd", "square")


@pytest.mark.parametrize(("name", "near"), [("fgms", "fgsm"), ("sqare", "square"), ("zzz", ""), ("", "")])
def test_the_nearest_name(name, near):
    assert closest(name, NAMES) == near


def test_hint():
    assert did_you_mean("fgms", NAMES) == "did you mean fgsm?"
    assert did_you_mean("zzz", NAMES) == "choose from fgsm, pgd, square"
    assert did_you_mean("zzz", iter(NAMES), otherwise="see the list") == "see the list"
    assert did_you_mean("zzz", NAMES, otherwise="") == ""


def test_the_start_of_one_name_says_more_than_likeness():
    """`acc` is one letter from `auc`, but the start of `accuracy` alone."""
    assert closest("acc", ("auc", "accuracy", "f1")) == "accuracy" == closest("ACC", ("auc", "accuracy"))
    assert closest("acc", ("auc", "accuracy", "accent")) == "auc"
    assert closest("aux", ("auc", "auxiliary-loss")) == "auxiliary-loss"


def test_there_is_nothing_to_suggest_without_names():
    assert did_you_mean("score", []) == ""


def test_a_path_that_is_there_is_not_suggested_for_itself(tmp_path: Path):
    """As a pipe, or a file of the wrong kind."""
    (tmp_path / "stdin").touch()
    assert meant_path(str(tmp_path / "stdin")) == ""
    assert meant_path(str(tmp_path / "stdim")) == f"did you mean {tmp_path / 'stdin'}?"
