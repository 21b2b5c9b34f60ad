"""A registry is a package in which each public module is one entry, named as on the command line.

`fgsm.py` in `dlcli/core/attacks/methods` is the attack `fgsm`; `digits_net.py` is the model `digits-net`. Other packages add
entries by entry points (`PLUGIN_GROUPS`). Listing names reads folders and imports nothing, so `--help` and completions stay
fast; an entry is imported when it is used.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from dlcli.support.errors import InputError, UsageError
from dlcli.support.plugins import Plugin, plugins
from dlcli.support.suggest import did_you_mean

PLUGIN_GROUPS = {
    "dlcli.core.attacks.methods": ("dlcli.attacks", ("ATTACK",)),
    "dlcli.core.data.sources": ("dlcli.data", ("claims", "load", "DESCRIPTION")),
    "dlcli.core.models.zoo": ("dlcli.models", ("build", "RECIPE", "SMALLEST")),
    "dlcli.core.pairs.scorers": ("dlcli.scorers", ("SCORER", "load")),
    "dlcli.core.surgery.operations": ("dlcli.surgery", ("ARGUMENT", "check", "apply")),
    "dlcli.core.text.vectors.encoders": (
        "dlcli.vectors",
        ("check", "vectors", "CANDIDATE_COSINE", "DEPENDS_ON", "SCORED", "DEVICE"),
    ),
}
"""By the package of a registry: the group of its entry points, and what a module has to define at least."""
_NOT_ENTRIES = frozenset({"base"})


@dataclass(frozen=True)
class Registry:
    """The entries of one package: `kind` is the noun for an entry, `package` the dotted name."""

    kind: str
    package: str

    def names(self) -> tuple[str, ...]:
        """All entry names, sorted."""
        return tuple(sorted({*self.own_names(), *self.plugins()}))

    def own_names(self) -> tuple[str, ...]:
        """The names of the entries in the package itself, sorted."""
        spec = find_spec(self.package)
        folders = (spec.submodule_search_locations if spec else None) or []
        modules = (module.name for module in pkgutil.iter_modules(folders))
        return tuple(sorted(_to_name(m) for m in modules if not m.startswith("_") and m not in _NOT_ENTRIES))

    def plugins(self) -> dict[str, Plugin]:
        """The entries that other packages bring, by name; none replaces one of the package itself."""
        if self.package not in PLUGIN_GROUPS:
            return {}
        own = self.own_names()
        return {name: one for name, one in plugins(PLUGIN_GROUPS[self.package][0]).items() if name not in own}

    def module(self, name: str) -> ModuleType:
        """Import the module of the entry `name`.

        Raises UsageError with the closest name if there is none, and InputError if it is that of a plugin that fails.
        """
        if name in self.own_names():
            return import_module(f"{self.package}.{name.replace('-', '_')}")
        plugin = self.plugins().get(name)
        if plugin is None:
            raise UsageError(f"no {self.kind} is called '{name}'", hint=did_you_mean(name, self.names()))
        return self._imported(plugin)

    def _imported(self, plugin: Plugin) -> ModuleType:
        needed = PLUGIN_GROUPS[self.package][1]
        if plugin.module.rpartition(".")[2].replace("_", "-") != plugin.name:
            wrong = f"its module {plugin.module} is not called {plugin.name.replace('-', '_')}"
            raise self._broken(plugin, wrong)
        try:
            module = import_module(plugin.module)
        except Exception as error:
            first = (str(error).strip() or "no message").splitlines()[0]
            raise self._broken(plugin, f"{type(error).__name__}: {first}") from error
        if missing := [name for name in needed if not hasattr(module, name)]:
            raise self._broken(plugin, f"{plugin.module} does not define {missing[0]}")
        return module

    def _broken(self, plugin: Plugin, wrong: str) -> InputError:
        message = f"the {self.kind} '{plugin.name}' of the package {plugin.distribution} cannot be used: {wrong}"
        return InputError(message, hint=f"update it, or remove it by pip uninstall {plugin.distribution}")


def _to_name(module: str) -> str:
    return module.replace("_", "-")
