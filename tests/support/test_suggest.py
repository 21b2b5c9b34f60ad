"""The nearest name is suggested; without one, all names are listed."""

import pytest

from dlcli.support.suggest import closest, did_you_mean

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
