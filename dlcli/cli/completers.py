"""The values that a shell completes for each option: names, columns of the table on the line, run directories and files.

A completer returns everything that begins with what is typed. If it returns nothing, the shell completes file names.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dlcli.cli.sections import OTHER_WAY
from dlcli.specs.list import REGISTRIES
from dlcli.specs.shared import AUGMENTATIONS, DATASETS
from dlcli.specs.usual_data import RUN_FILES
from dlcli.support.registry import Registry

Completer = Callable[[Any, str], Iterable[str]]
"""Takes the context, whose `params` hold what is on the line already, and the word so far."""

_MODEL_FILES = (".safetensors", ".pth", ".pt", ".pt2", ".onnx", ".ckpt", ".bin", ".py")
_TABLE_FILES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".txt", ".gz")
_BUILDER = re.compile(r"^@register_model\b.*(?:\n@.*)*\ndef (\w+)\(", re.MULTILINE)


def names(kind: str) -> tuple[str, ...]:
    """The entries of a registry, by its kind in `dlcli list`."""
    return tuple(AUGMENTATIONS) if kind == "augmentations" else Registry(kind, REGISTRIES[kind]).names()


def _one_of(*words: str) -> Completer:
    return lambda context, incomplete: words


def _registered(kind: str, *more: str, ending: str = "") -> Completer:
    return lambda context, incomplete: [*(name + ending for name in names(kind)), *more]


def listed(completer: Completer) -> Completer:
    """Completes the last word of a list with commas: `fgsm,pg` to `fgsm,pgd`; words in the list are not offered again."""

    def complete(context: Any, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        there = before.split(",")
        return [f"{before}{comma}{word}" for word in completer(context, last) if word not in there]

    return complete


def _models(context: Any, incomplete: str) -> Iterator[str]:
    """Built-in and published networks, run directories and files of weights or code."""
    kind = "pair-models" if context.params.get("task") == "pairs" else "models"
    yield from names(kind)
    if kind == "models":
        yield from _published(incomplete)
    yield from _paths(incomplete, _MODEL_FILES)


def _published(incomplete: str) -> Iterator[str]:
    hub, colon, _ = incomplete.partition(":")
    if not colon:
        yield from (f"{name}:" for name in names("published"))
        if incomplete:  # else a hundred names would hide the others
            yield from builders("torchvision")
    elif hub in ("torchvision", "timm"):
        yield from (f"{hub}:{name}" for name in builders(hub))


def builders(package: str) -> Iterator[str]:
    """The networks of torchvision or timm, read from their source: an import would take a second or more."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder, "models").glob("*.py")):
            yield from _BUILDER.findall(file.read_text(encoding="utf-8"))


def _images(context: Any, incomplete: str) -> Iterator[str]:
    yield from ("digits", "moving-digits", *DATASETS)
    yield from _paths(incomplete, (*_TABLE_FILES, ".npz", ".tar"))


def _tables(context: Any, incomplete: str) -> Iterator[str]:
    yield "questions"
    yield from _paths(incomplete, _TABLE_FILES)


def _columns(*sources: str) -> Completer:
    """The columns of the first of these options that names a table, or a folder with a labels.csv."""

    def complete(context: Any, incomplete: str) -> list[str]:
        from dlcli.core.text.table_head import column_names
        from dlcli.specs.table_options import FIELDS
        from dlcli.support.table_format import TableFormat

        given = _given(context)
        source = next(filter(None, map(given.get, sources)), None)
        if not isinstance(source, str):
            return []
        path = Path(source, "labels.csv") if Path(source).is_dir() else Path(source)
        options = {name: given[name] for name in FIELDS if name != "skip_bad" and given.get(name) is not None}
        return column_names(str(path), TableFormat(**options))

    return complete


def _given(context: Any) -> dict[str, Any]:
    """The values on the line by name of the option.

    Before a value that is still missing, Click has not sorted the words that belong to no flag, but it keeps their order.
    """
    words = [parameter.name for parameter in context.command.params if parameter.param_type_name == "argument"]
    given = {**context.params, **dict(zip(words, context.args, strict=False))}
    return {name.removesuffix(OTHER_WAY): value for name, value in given.items() if value is not None}


def _keep_rules(context: Any, incomplete: str) -> list[str]:
    return ["central", "first", "longest", *(f"max:{column}" for column in _columns("table")(context, incomplete))]


def _paths(incomplete: str, endings: tuple[str, ...]) -> Iterator[str]:
    """Run directories, other folders with a slash, and files with one of the endings, as they are typed."""
    folder, typed = os.path.split(incomplete)
    with suppress(OSError):
        for entry in sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name):
            if not entry.name.startswith(typed) or entry.name.startswith(".") > typed.startswith("."):
                continue
            name = os.path.join(folder, entry.name)
            if not entry.is_dir():
                yield from [name] * entry.name.endswith(endings)
            else:
                yield name if any(Path(entry.path, file).is_file() for file in RUN_FILES) else f"{name}/"


def _metrics(context: Any, incomplete: str) -> list[str]:
    from dlcli.specs import attack, ensemble, eval, masks, pairs, scores

    command = context.info_name
    known = {
        "attack": attack.METRICS,
        "ensemble": ensemble.METRICS,
        "eval": (*eval.METRICS, *scores.SCORE_METRICS, *masks.MASK_METRICS, *pairs.PAIR_METRICS),
    }
    return [f"{metric}=" for metric in dict.fromkeys(known.get(command, ()))]


_TABLE_COLUMNS = listed(_columns("table"))
_METADATA = _columns("data")
COMPLETERS: dict[str, Completer] = {
    "add": _models,
    "adversarial": _registered("attacks", ending=":"),
    "against": _tables,
    "against-column": listed(_columns("against")),
    "arch": _models,
    "augment": _registered("augmentations"),
    "column": _TABLE_COLUMNS,
    "calibrate": _images,
    "calibration": _images,
    "columns": listed(_columns("data")),
    "corrupt": _one_of("labels=", "shuffled-pixels", "random-pixels", "gaussian"),
    "data": _images,
    "delimiter": _one_of("tab", "none"),
    "device": _one_of("auto", "cpu", "cuda", "mps"),
    "early-stop": _one_of("loss", "accuracy", "spearman", "miou"),
    "encoding": _one_of("utf-8", "utf-16", "latin-1", "cp1252", "shift_jis", "gb18030"),
    "against-encoding": _one_of("utf-8", "utf-16", "latin-1", "cp1252", "shift_jis", "gb18030"),
    "fail-under": _metrics,
    "forget": _tables,
    "group": _METADATA,
    "keep-rule": _keep_rules,
    "grow": _registered("surgeries"),
    "key": _TABLE_COLUMNS,
    "label-column": _METADATA,
    "log": _registered("log"),
    "mask": listed(_one_of("numbers", "ids", "times", "urls")),
    "model": _models,
    "never-across": _TABLE_COLUMNS,
    "normalise": _one_of("auto", "none", "0-255", "imagenet", "cifar10", "mnist"),
    "pair-columns": _TABLE_COLUMNS,
    "path": _one_of("nearest", "random", "grid", "pair:"),
    "raters": _METADATA,
    "recalibrate-bn": _images,
    "score-column": _METADATA,
    "slices": lambda context, incomplete: ["class", *_METADATA(context, incomplete)],
    "surrogate": _models,
    "table": _tables,
    "unlabelled": _images,
    "vectors": _registered("vectors"),
    "with": _registered("surgeries"),
    "within": _TABLE_COLUMNS,
    "wrt": _one_of("input", "layer:"),
}
"""By the name of the option. Options with fixed choices are not here: they complete themselves."""


def completion(key: str, kind: Any, choices: Callable[[], tuple[str, ...]] | None) -> Callable[..., list[str]] | None:
    """What Typer calls to complete the values of an option.

    Args:
        key: Name of the option.
        kind: Type of the field; paths that have no completer of their own are completed by the shell.
        choices: What may be typed, alone or as a list with commas.

    Returns:
        A function of the context and the word so far; None for options whose values have no names.
    """
    completer = COMPLETERS.get(key) if kind not in (Path, Path | None) else None
    if completer is None and choices is not None:
        fixed = choices
        completer = listed(lambda context, incomplete: fixed())
    if completer is None:
        return None
    found = completer

    def complete(ctx: Any, incomplete: str) -> list[str]:
        return list(dict.fromkeys(word for word in found(ctx, incomplete) if word.startswith(incomplete)))

    return complete
