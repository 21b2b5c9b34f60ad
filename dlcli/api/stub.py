"""Writes `dlcli/__init__.pyi`, by which type checkers and editors know the functions."""

from dlcli.api.signature import RESULTS, Parameter, command_of, parameters, result_names
from dlcli.cli.command import SUBCOMMANDS

_HEAD = '''"""The functions of dlcli; generated from the configurations of the commands by `make docs`."""

from collections.abc import Sequence
from pathlib import Path

from dlcli.api.types import Data, Network, Texts
'''
_TAIL = """from dlcli.support.errors import DlcliError as DlcliError
from dlcli.support.errors import DlcliWarning as DlcliWarning

__version__: str
"""


def stub() -> str:
    """The text of the stub."""
    classes: dict[str, list[str]] = {}
    for module, _, name in sorted(one.partition(".") for names in RESULTS.values() for one in names):
        classes.setdefault(module, []).append(name)
    imports = [f"from dlcli.specs.{module} import {', '.join(names)}\n" for module, names in classes.items()]
    return "".join([_HEAD, *imports, _TAIL, *map(_function, RESULTS)])


def _function(name: str) -> str:
    found = parameters(name)
    given = [_written(one) for one in found if one.by_place] + ["*"] + [_written(one) for one in found if not one.by_place]
    lines = "".join(f"    {one},\n" for one in given)
    summary = SUBCOMMANDS[command_of(name)]
    return f'\ndef {name}(\n{lines}) -> {" | ".join(result_names(name))}:\n    """{summary}"""\n'


def _written(parameter: Parameter) -> str:
    return f"{parameter.name}: {parameter.annotation} = {_default(parameter.default)}"


def _default(value: object) -> str:
    return repr(value).replace("'", '"') if isinstance(value, (str, int, float, type(None))) or value == () else "..."
