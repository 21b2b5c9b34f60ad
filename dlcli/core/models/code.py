"""The user's code: what may be imported, importing it, and the files that it consists of."""

import ast
import hashlib
import importlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import resolve_name
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from dlcli.specs.code import code_in
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.fingerprints import file_sha256
from dlcli.support.trust import current_trust

_INSTALLED = (
    *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")),
    str(Path(__file__).parents[2]),
)
"""Where packages are installed: also those of the user, of the system, and of the environment that this one is built upon.

dlcli is one of them wherever it lies: which of its modules are loaded depends on what else the process has done.
"""
_IMPORTED: dict[str, ModuleType] = {}
"""What was imported here, by its file or the name of its module."""


@dataclass(frozen=True)
class RecordedCode:
    """The code that a file on disk names, as it was when the file was written.

    Attributes:
        source: The file that names it, for messages.
        files: SHA-256 of each of its own files, by its path relative to the file that is imported; empty if not recorded.
    """

    source: str
    files: Mapping[str, str]


def import_code(spec: str, recorded: RecordedCode | None = None) -> ModuleType:
    """Import, and so run, the module of `file.py:callable` or `package.module:callable`.

    Args:
        spec: Its spelling.
        recorded: What the file that names it records of the code; None if the user named it.

    Raises:
        InputError: If the code may not be imported, is not the one that was recorded, is not there, or fails.
        UsageError: If there is no such module.
    """
    trust = current_trust()
    if trust is not None and not trust.allows(spec):
        place = f"{recorded.source}: the network is code, {spec}," if recorded else f"{spec}: the network is code"
        message = f"{place} which is not imported because it was not named on the command line"
        raise InputError(message, hint="add `trust_code` if you trust it")
    source = spec.rpartition(":")[0]
    path = Path(source) if source.endswith(".py") else None
    if recorded is not None:
        _check_before(spec, path or _file_of(source), recorded)
    with _without_bytecode() if recorded is not None else nullcontext():
        module = _import_module(source) if path is None else _import_file(path)
    _IMPORTED[_full(source)] = module
    if recorded is not None and dict(recorded.files) != _hashes(module):
        raise _changed(spec, recorded, "its files")
    return module


def code_files(spec: str) -> dict[str, str]:
    """SHA-256 of each file of the code that a network was built by, for `RecordedCode`; empty for a built-in network."""
    code = code_in(spec)
    if code is None:
        return {}
    return _hashes(_IMPORTED.get(_full(code.rpartition(":")[0])) or import_code(code))


def _full(source: str) -> str:
    return str(Path(source).resolve()) if source.endswith(".py") else source


def source_sha256(module: ModuleType) -> str:
    """SHA-256 over the module's file and of all modules it imports from, except installed packages."""
    files = sorted(set(_own_files(module, set())))
    return hashlib.sha256(b"\0".join(hashlib.sha256(Path(file).read_bytes()).digest() for file in files)).hexdigest()


def first_line(error: BaseException) -> str:
    """An error in one line, for messages."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _check_before(spec: str, file: Path | None, recorded: RecordedCode) -> None:
    """Compare what is on disk before any of it runs."""
    if not recorded.files:
        message = f"{recorded.source}: the network is code, {spec}, whose SHA-256 is not recorded"
        raise InputError(message, hint="train or convert it again")
    if file is None or not file.is_file():
        raise MissingInputError(f"{recorded.source}: the network is code, {spec}, and there is no such file here")
    if file.name not in recorded.files:
        raise _changed(spec, recorded, str(file))
    for name, digest in recorded.files.items():
        one = file.parent / name
        if not one.is_file() or file_sha256(one) != digest:
            raise _changed(spec, recorded, str(one))


def _changed(spec: str, recorded: RecordedCode, what: str) -> InputError:
    message = f"{recorded.source}: {spec} is not the code that the network was made with: {what} changed"
    return InputError(message, hint="restore it, or train or convert again")


def _file_of(name: str) -> Path | None:
    """The file of a module, found as Python finds it, but without importing the packages that it is in."""
    path: list[str] | None = [str(Path.cwd()), *sys.path]
    spec, full = None, ""
    for part in name.split("."):
        full = f"{full}.{part}" if full else part
        spec = PathFinder.find_spec(full, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec is not None and spec.origin else None


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such file")
    loader = SourceFileLoader(f"_dlcli_model_{path.stem}", str(path))
    module = ModuleType(loader.name)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where pickle, dataclasses and inspect look for it
    with _importing(str(path), path.resolve().parent):
        loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    with _importing(name, Path.cwd()):
        return importlib.import_module(name)


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Compile the files that were compared: a compiled file beside them, which Python would prefer, may hold anything."""
    before = sys.pycache_prefix, sys.dont_write_bytecode
    with TemporaryDirectory() as nothing:
        sys.pycache_prefix, sys.dont_write_bytecode = nothing, True
        try:
            yield
        finally:
            sys.pycache_prefix, sys.dont_write_bytecode = before


@contextmanager
def _importing(what: str, folder: Path) -> Iterator[None]:
    """Look in `folder` first, as `python file.py` and `python -m module` do; failures become an InputError."""
    sys.path.insert(0, str(folder))
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"cannot import {what}: {first_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise InputError(f"importing {what} failed: {first_line(error)}") from error
    finally:
        sys.path.remove(str(folder))


def _hashes(module: ModuleType) -> dict[str, str]:
    files = sorted(set(_own_files(module, set())))
    start = Path(files[0] if not module.__file__ else module.__file__).resolve().parent if files else Path()
    relative = {Path(os.path.relpath(Path(file).resolve(), start)).as_posix(): Path(file) for file in files}
    return {name: file_sha256(file) for name, file in sorted(relative.items())}


def _own_files(module: ModuleType, seen: set[str]) -> Iterator[str]:
    seen.add(module.__name__)
    if file := _source_file(module):
        yield file
    for name in [*_modules_of_values(module), *_imported_names(module)]:
        other = sys.modules.get(name)
        if other is not None and other.__name__ not in seen and _is_own(other):
            yield from _own_files(other, seen)


def _modules_of_values(module: ModuleType) -> Iterator[str]:
    """The modules that the values in a module are or come from."""
    for value in list(vars(module).values()):
        origin = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(origin, str):
            yield origin


def _imported_names(module: ModuleType) -> Iterator[str]:
    """The modules that the import statements in a module name, whose plain values do not tell where they are from."""
    file = _source_file(module)
    if file is None or not file.endswith(".py"):
        return
    for node in ast.walk(ast.parse(Path(file).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = resolve_name(name, module.__package__) if node.level and module.__package__ else name
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _source_file(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file if file and Path(file).is_file() else None


def _is_own(module: ModuleType) -> bool:
    file = _source_file(module)
    return file is not None and not file.startswith(tuple(f"{folder}{os.sep}" for folder in _INSTALLED))
