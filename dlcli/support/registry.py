"""A registry is a package in which each public module is one entry, named as on the command line.

`fgsm.py` in `dlcli/core/attacks/methods` is the attack `fgsm`; `digits_net.py` is the model `digits-net`. Listing names reads
a folder and imports nothing, so `--help` and completions stay fast; an entry is imported when it is used.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dlcli.support.errors import UsageError
from dlcli.support.suggest import did_you_mean

_NOT_ENTRIES = frozenset({"base"})


@dataclass(frozen=True)
class Registry:
    """The entries of one package: `kind` is the noun for an entry, `package` the dotted name."""

    kind: str
    package: str

    def names(self) -> tuple[str, ...]:
        """All entry names, sorted."""
        spec = find_spec(self.package)
        folders = (spec.submodule_search_locations if spec else None) or []
        modules = (module.name for module in pkgutil.iter_modules(folders))
        return tuple(sorted(_to_name(m) for m in modules if not m.startswith("_") and m not in _NOT_ENTRIES))

    def module(self, name: str) -> ModuleType:
        """Import the module of the entry `name`; raises UsageError with the closest name if there is none."""
        names = self.names()
        if name not in names:
            raise UsageError(f"no {self.kind} is called '{name}'", hint=did_you_mean(name, names))
        return import_module(f"{self.package}.{name.replace('-', '_')}")


def _to_name(module: str) -> str:
    return module.replace("_", "-")
