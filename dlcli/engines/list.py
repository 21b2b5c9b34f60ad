"""The choices of every kind with their descriptions: the engine of `dlcli list`.

Names and descriptions are read from the folders and files of the registries; nothing of them is imported.
"""

import ast
import re
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from dlcli.specs.command_line import command_line
from dlcli.specs.list import KINDS, REGISTRIES, ListConfig, ListResult
from dlcli.specs.masks import MASK_LOSSES
from dlcli.specs.shared import AUGMENTATIONS, RULE_TEXTS, SCORE_RULE_TEXTS
from dlcli.support.plugins import Plugin
from dlcli.support.registry import Registry
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table

COLUMNS = ("kind", "name", "description", "use")
_USES: dict[str, tuple[str, dict[str, str]]] = {
    "attacks": ("attack", {"method": "{name}"}),
    "augmentations": ("train", {"augment": "{name}"}),
    "data": ("train", {"data": "DATA"}),
    "ensemble-rules": ("ensemble", {"rule": "{name}"}),
    "explanations": ("eval", {"model": "MODEL", "explain": "{name}", "output": "DIR"}),
    "log": ("train", {"log": "{name}"}),
    "losses": ("train", {"data": "DATA", "task": "score", "loss": "{name}"}),
    "models": ("train", {"model": "{name}"}),
    "pair-models": ("train", {"task": "pairs", "model": "{name}"}),
    "published": ("eval", {"model": "{name}:NAME"}),
    "rules": ("convert-2d-to-3d", {"model": "MODEL", "rule": "{name}"}),
    "sequences": ("train", {"data": "DATA", "task": "sequence"}),
    "surgeries": ("train", {"surgery": "{name}"}),
    "tasks": ("train", {"data": "DATA", "task": "{name}"}),
    "vectors": ("dedupe", {"table": "TABLE", "vectors": "{name}"}),
}
"""By kind: the command that takes a choice, and the fields of its configuration."""
_NAMED = re.compile(r"^`[^`]*`: ")


def run(config: ListConfig, *, report: Reporter = SILENT) -> ListResult:
    """The choices of a kind, or of all kinds, in the order of their names. Raises the kinds of `dlcli.support.errors`."""
    kinds = KINDS if config.kind is None else (config.kind,)
    rows: list[list[object]] = [[kind, name, text, _use(kind, name)] for kind in kinds for name, text in _choices(kind)]
    return ListResult(table=Table(list(COLUMNS), rows))


def plan(config: ListConfig) -> list[str]:
    """What `run` would do."""
    return [f"list {config.kind or 'everything'} that can be chosen"]


def _use(kind: str, name: str) -> str:
    """A command that makes the choice."""
    command, values = _USES[kind]
    if kind == "losses" and name in MASK_LOSSES:  # the first of them is also that of classes, which needs no option
        values = {**values, "task": "segment"}
    if kind == "ensemble-rules" and name in SCORE_RULE_TEXTS:
        values = {**values, "task": "score"}
    return command_line(command, **{field: value.format(name=name) for field, value in values.items()})


def _choices(kind: str) -> list[tuple[str, str]]:
    if kind == "augmentations":
        return list(AUGMENTATIONS.items())
    if kind == "ensemble-rules":
        return [*RULE_TEXTS.items(), *SCORE_RULE_TEXTS.items()]
    registry = Registry(kind, REGISTRIES[kind])
    found = {name: _description(registry.package, name) for name in registry.own_names()}
    found |= {name: _of_plugin(plugin) for name, plugin in registry.plugins().items()}
    return sorted(found.items())


def _description(package: str, name: str) -> str:
    """The summary line of a module's docstring."""
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    module = name.replace("-", "_")
    places = [Path(folder) / file for folder in folders for file in (f"{module}.py", f"{module}/__init__.py")]
    return _summary(next(place for place in places if place.is_file()))


def _of_plugin(plugin: Plugin) -> str:
    """The summary line of a plugin, and the package that brings it."""
    source = plugin.source()
    with suppress(SyntaxError, ValueError, OSError):  # what is wrong with it is reported when it is used
        if source is not None and (text := _summary(source)):
            return f"{text} (of the package {plugin.distribution})"
    return f"of the package {plugin.distribution}"


def _summary(source: Path) -> str:
    summary, _, _ = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n")
    return _NAMED.sub("", summary).removesuffix(".")
