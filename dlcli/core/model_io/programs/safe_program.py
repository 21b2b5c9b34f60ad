"""Whether a program of torch.export can be loaded and run without running code that the file brings along.

`torch.export.load` unpickles constants and example inputs, loads compiled libraries, imports modules that the layout of the
arguments names, evaluates symbolic sizes as Python, and calls whatever function of torch a node names. None of that is needed
by a network, so a file in which it occurs is refused.
"""

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dlcli.core.data.metadata import ARCHIVE_ERRORS
from dlcli.support.errors import InputError
from dlcli.support.trust import current_trust

_DAMAGED: tuple[type[Exception], ...] = (*ARCHIVE_ERRORS, RecursionError)
_MEMBERS = re.compile(
    r"[^/]*/(archive_format|archive_version|byteorder|\.data/\w+|\.format_version|\.storage_alignment|models/[^/]+\.json"
    r"|data/(weights|constants)/[^/]+|data/sample_inputs/[^/]+\.pt|extra/[^/]+)"
)
_OPERATORS = "add|sub|mul|floordiv|truediv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|getitem|and_|or_|not_"
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims|torchvision|quantized|quantized_decomposed)\.(?!from_file\b|save\b|__)\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(wrap_with_set_grad_enabled|wrap_with_autocast|cond)"
    rf"|torch\.sym_\w+|math\.\w+|_operator\.({_OPERATORS})"
)
_IN_SIZES = (ast.Expression, ast.Call, ast.Name, ast.Load, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant)
_OPERATOR_NODES = (ast.operator, ast.unaryop, ast.cmpop)
_FUNCTIONS = {
    *(
        "Symbol",
        "Integer",
        "Float",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "Mod",
        "Max",
        "Min",
        "Abs",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
    ),
    *("And", "Or", "Not", "Piecewise", "FloorDiv", "CeilDiv", "CleanDiv", "IntTrueDiv", "FloatTrueDiv", "ModularIndexing"),
    *(
        "PythonMod",
        "PowByNatural",
        "FloatPow",
        "ToFloat",
        "TruncToInt",
        "CeilToInt",
        "FloorToInt",
        "RoundToInt",
        "Where",
        "Identity",
    ),
}
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict", None)


def check_program(path: Path, content: bytes) -> None:
    """Raise InputError if loading or running the program may run code of the file, unless recorded code is trusted.

    Args:
        path: The file, for messages.
        content: Its bytes.
    """
    trust = current_trust()
    if trust is not None and trust.recorded:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            reason = next(_reasons(archive), "")
    except _DAMAGED as error:
        message = f"{path}: not a whole program of torch.export ({str(error).partition(chr(10))[0]})"
        raise InputError(message, hint="save it with torch.export.save") from None
    if reason:
        raise InputError(f"{path}: refused, {reason}, and loading it could run code", hint="add `trust_code` if you trust it")


def _reasons(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        if not _MEMBERS.fullmatch(name):
            yield f"it holds {name[:80]}"
        elif "/data/sample_inputs/" in name:
            yield from _unsafe_pickle(name, archive.read(name))
        elif name.endswith(".json") and "/extra/" not in name:
            for key, value in _entries(json.loads(archive.read(name))):
                yield from _unsafe_entry(key, value)


def _unsafe_pickle(name: str, content: bytes) -> Iterator[str]:
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle may raise any kind
        yield f"{name} holds more than tensors"


def _entries(found: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values in decoded JSON, each with the key that it stands under."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield name, value
            yield from _entries(value, name)
    elif isinstance(found, list):
        for value in found:
            yield from _entries(value, key)


def _unsafe_entry(key: str, value: Any) -> Iterator[str]:
    if key == "use_pickle" and value:
        yield "it holds pickled tensors"
    elif key == "as_custom_obj" and value:
        yield "it holds objects other than tensors"
    elif key in ("target", "as_operator") and isinstance(value, str) and not _TARGETS.fullmatch(value):
        yield f"it calls {value[:80]}"
    elif key == "expr_str" and not _is_size(value):
        yield f"a size is {str(value)[:80]!r}"
    elif key in ("in_spec", "out_spec") and isinstance(value, str) and not _is_layout(value):
        yield "its arguments or outputs are other than tuples, lists and dictionaries"


def _is_size(text: Any) -> bool:
    """Whether this is arithmetic on integers and symbols, such as `2*Symbol('s0', integer=True) + 1`."""
    try:
        nodes = list(ast.walk(ast.parse(str(text), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, (*_IN_SIZES, *_OPERATOR_NODES)) and _is_harmless(node) for node in nodes)


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _SYMBOL.fullmatch(node.value) is not None
    return not isinstance(node, ast.Name) or _SYMBOL.fullmatch(node.id) is not None


def _is_layout(text: str) -> bool:
    """Whether a layout of arguments holds tuples, lists and dictionaries only."""
    found = json.loads(text)
    kinds = [value for key, value in _entries(found) if key == "type"]
    plain = "default_factory_module" not in text and "__enum__" not in text
    return plain and all(kind in _CONTAINERS for kind in kinds)
