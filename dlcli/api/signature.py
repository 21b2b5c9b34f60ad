"""What the functions are called with: the signature of each, made from the configuration of its command."""

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dlcli.specs.command_line import config_class
from dlcli.specs.option import Option, declared

RESULTS = {
    "train": ("train_result.TrainResult", "pairs.PairsTrainResult"),
    "evaluate": ("eval.EvalResult", "pairs.PairsEvalResult"),
    "predict": ("predict.PredictResult",),
    "ensemble": ("ensemble.EnsembleResult",),
    "attack": ("attack.AttackResult",),
    "probe_gradients": ("probe_gradients.ProbeGradientsResult",),
    "convert_2d_to_3d": ("convert_2d_to_3d.Convert2DTo3DResult",),
    "dedupe": (
        *("dedupe.DedupeResult", "dedupe.PairColumnsResult"),
        *("dedupe_images.DedupeImagesResult", "dedupe_index.ForgetResult"),
    ),
}
"""Each function, and the classes in `dlcli.specs` of what it returns."""
_FIRST = ("model", "data")
_KINDS = {"model": "Network", "surrogate": "Network", "data": "Data", "recalibrate_bn": "Data", "table": "Texts"}
"""By field: what may stand in place of a name, as in `dlcli/api/types.py`."""
_ADDED = {
    "bounds": ("tuple[float, float] | None", None, "Lowest and highest value of the images that the network takes, in place of "
               "`normalise`: (0, 255), (-1, 1). Images and `eps` are in [0, 1] all the same."),
    "progress": ("bool", False, "Show progress and notes on standard error."),
}  # fmt: skip
"""Parameters that no command has: annotation, default and help."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function: its annotation as text, its default, its help, and whether it may be given by place."""

    name: str
    annotation: str
    default: Any
    help: str
    by_place: bool


def command_of(function: str) -> str:
    """The subcommand that a function is, as in `dlcli.cli.command.SUBCOMMANDS`; `eval` would hide a function of Python."""
    return {"evaluate": "eval"}.get(function, function.replace("_", "-"))


def result_names(function: str) -> list[str]:
    """The names of the classes of what a function returns."""
    return [name.partition(".")[2] for name in RESULTS[function]]


def parameters(function: str) -> list[Parameter]:
    """The parameters of a function: network and data, or the table, first, and then every option of the command."""
    config = config_class(command_of(function))
    hints = get_type_hints(config)
    first = ("table",) if function == "dedupe" else _FIRST
    found = [_parameter(item, details, hints[item.name], first, function) for item, details in declared(config)]
    names = {one.name for one in found}
    added = ["bounds"] * ("normalise" in names) + ["progress"]
    found += [Parameter(name, *_ADDED[name], by_place=False) for name in added]
    return [one for name in first for one in found if one.name == name] + [one for one in found if not one.by_place]


def signature(function: str) -> inspect.Signature:
    """The signature of a function, for help and notebooks."""
    kinds = {True: inspect.Parameter.POSITIONAL_OR_KEYWORD, False: inspect.Parameter.KEYWORD_ONLY}
    made = [
        inspect.Parameter(one.name, kinds[one.by_place], default=one.default, annotation=one.annotation)
        for one in parameters(function)
    ]
    return inspect.Signature(made, return_annotation=" | ".join(result_names(function)))


def _parameter(item: Field[Any], details: Option, hint: Any, first: tuple[str, ...], function: str) -> Parameter:
    assert item.default is not MISSING  # noqa: S101 - every option has a default
    kind = "" if function == "dedupe" and item.name == "model" else _KINDS.get(item.name, "")
    # The configuration sets a value where its field has a type without None: the data of the run.
    unset = ["None"] if item.default is None else []
    annotation = " | ".join(dict.fromkeys([*_annotations(hint, details, kind), *unset]))
    return Parameter(item.name, annotation, item.default, details.help, item.name in first)


def _annotations(hint: Any, details: Option, kind: str) -> Iterator[str]:
    """The types of a parameter: those of the field, and what its flag and a program give in place of these."""
    parts = get_args(hint) if get_origin(hint) in (UnionType, Union) else (hint,)
    yield from [kind] if kind else []
    for part in parts:
        if part is type(None):
            continue
        if get_origin(part) is not tuple:
            yield from ["str", "Path"] if part is Path else [part.__name__]
        elif get_args(part)[-1] is ...:
            inner = get_args(part)[0].__name__
            yield from [inner, f"Sequence[{inner}]"] if not kind else [f"Sequence[{kind} | {inner}]", inner]
        else:
            yield f"tuple[{', '.join(one.__name__ for one in get_args(part))}]"
    yield from ["str"] if details.parse is not None else []
    yield from ["Path"] if (details.reads or details.writes) and str in parts else []
    yield from ["None"] if type(None) in parts else []
