"""Fields that messages name in backticks are printed as the flags a user types; suggested commands are ones that parse."""

import shlex

import pytest

from dlcli.cli.flags import with_flags
from dlcli.specs.command_line import command_line
from dlcli.support.errors import InputError, NumericError, ResourceError, UsageError
from tests.conftest import Run


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        ("`early_stop` needs `dev=0.1`", "--early-stop needs --dev 0.1"),
        ("`vectors`: no folder 'x' (`vectors=static:FOLDER`)", "--vectors: no folder 'x' (--vectors static:FOLDER)"),
        ("`Conv2d` is a layer, `a b` is text, and ` alone is left", "`Conv2d` is a layer, `a b` is text, and ` alone is left"),
        ("nothing to replace", "nothing to replace"),
    ],
)
def test_fields_become_flags_and_other_text_stays(message, printed):
    assert with_flags(message) == printed


def test_an_error_names_the_flag_at_the_shell(dlcli: Run):
    done = dlcli("train", "--epochs", "0")
    assert done.returncode == 2
    assert b"--epochs" in done.stderr and b"`" not in done.stderr


def test_a_suggested_command_is_quoted_and_in_order():
    line = command_line("train", data="my data.npz", epochs=5, versus="--with selu", dev=None)
    assert shlex.split(line) == ["dlcli", "train", "--data", "my data.npz", "--epochs", "5", "--versus", "--with selu"]


def test_positional_arguments_come_first_and_tuples_repeat_the_flag():
    assert command_line("eval", fail_under=("top-1=0.9", "ece=0.1"), diagnose=True, model="runs/x").split() == [
        *("dlcli", "eval", "runs/x", "--fail-under", "top-1=0.9", "--fail-under", "ece=0.1", "--diagnose")
    ]


def test_a_field_that_does_not_exist_is_a_mistake():
    with pytest.raises(KeyError):
        command_line("train", epoch=5)


@pytest.mark.parametrize(
    ("kind", "built_in"),
    [(UsageError, ValueError), (InputError, ValueError), (NumericError, ArithmeticError), (ResourceError, OSError)],
)
def test_errors_are_caught_as_the_built_in_kinds(kind, built_in):
    with pytest.raises(built_in, match="what is wrong") as caught:
        raise kind("what is wrong", hint="what to do")
    assert caught.value.hint == "what to do"
