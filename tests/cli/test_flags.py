"""Fields that messages name in backticks are printed as the flags a user types; suggested commands are ones that parse."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import dlcli
from dlcli.cli.command import COMMANDS
from dlcli.cli.flags import _typed, with_flags
from dlcli.specs.command_line import command_line
from dlcli.support.errors import InputError, NumericError, ResourceError, UsageError
from tests.conftest import Run

_PARAMETERS = set("bounds sample first kappa overshoot gamma population p layers dropout to_pandas step".split())
"""Names in messages that are no options: parameters of functions of Python, and the column `step` of a table."""
_OTHER_TEXT = "`Conv2d` is a layer, `a b` is text, and ` alone is left"


@pytest.mark.parametrize(
    ("command", "message", "printed"),
    [
        ("train", "`early_stop` needs `dev=0.1`", "--early-stop needs --dev 0.1"),
        ("dedupe", "`vectors`: no folder 'x' (`vectors=static:FOLDER`)", "--vectors: no folder 'x' (--vectors static:FOLDER)"),
        ("train", _OTHER_TEXT, _OTHER_TEXT),
        ("attack", "`model` is missing", "--model is missing"),
        ("eval", "`model` is missing: `model=runs/x`", "MODEL is missing: runs/x"),
        ("eval", "pass `diagnose=True`", "pass --diagnose"),
        ("eval", "`vectors` is an option of another command", "--vectors is an option of another command"),
        ("eval", "`time_limit` is `for`", "--for is --for"),
        ("train", "take `with=selu`", "take --with selu"),
        ("verify", "a command wrote with `output`", "a command wrote with --output"),
        ("verify", "`model` is typed in two ways", "`model` is typed in two ways"),
        ("", "`debug` is shared, `model` is not", "--debug is shared, `model` is not"),
        ("train", "nothing to replace", "nothing to replace"),
    ],
)
def test_fields_of_the_command_become_flags_and_other_text_stays(command, message, printed):
    assert with_flags(message, command) == printed


def test_every_word_in_backticks_is_an_option_or_a_parameter():
    """Messages name options as fields; a name that is none would be printed in backticks, and is no option of any command."""
    options = {name for command in COMMANDS for name in _typed(command)}
    package = Path(dlcli.__file__).parent
    unknown = [
        f"{path.relative_to(package)}: `{name}`"
        for path in package.rglob("*.py")
        for text in _texts(ast.parse(path.read_text(encoding="utf-8")))
        for name in re.findall(r"`(\w+)(?:=[^`]*)?`", text)
        if name not in options | _PARAMETERS
    ]
    assert not unknown


def _texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are no docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_an_error_names_the_flag_at_the_shell(dlcli: Run):
    done = dlcli("train", "--epochs", "0")
    assert done.returncode == 2
    assert b"--epochs" in done.stderr and b"`" not in done.stderr


def test_a_suggested_command_is_quoted_and_in_order():
    line = command_line("train", data="my data.npz", epochs=5, versus="--with selu", dev=None)
    assert shlex.split(line) == ["dlcli", "train", "--data", "my data.npz", "--epochs", "5", "--versus", "--with selu"]


def test_positional_arguments_come_first_and_tuples_repeat_the_flag():
    assert command_line("eval", slices=("class", "site"), diagnose=True, model="runs/x").split() == [
        *("dlcli", "eval", "runs/x", "--slices", "class", "--slices", "site", "--diagnose")
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
