"""Errors for names on the command line that do not exist: each hint names what was meant."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from dlcli.cli.command import COMMANDS
from dlcli.specs.command_line import config_class
from dlcli.specs.option import declared, key
from dlcli.specs.shared import RunOptions
from dlcli.support.errors import UsageError
from dlcli.support.suggest import closest, did_you_mean

_OTHER_COMMANDS = {
    "evaluate": "eval",
    "test": "eval",
    "validate": "eval",
    "fit": "train",
    "infer": "predict",
    "classify": "predict",
    "deduplicate": "dedupe",
    "duplicates": "dedupe",
    "probe": "probe-gradients",
    "gradients": "probe-gradients",
    "convert": "convert-2d-to-3d",
    "inflate": "convert-2d-to-3d",
    "version": "--version",
    "env": "info",
    "doctor": "info",
    "ls": "list",
    "models": "list",
    "methods": "list",
}
"""What other tools call a subcommand."""
_OTHER_OPTIONS = {
    "learning-rate": ("lr",),
    "step-size": ("lr",),
    "epsilon": ("eps",),
    "num-epochs": ("epochs",),
    "n-epochs": ("epochs",),
    "max-epochs": ("epochs",),
    "bs": ("batch-size",),
    "batch": ("batch-size",),
    "wd": ("weight-decay",),
    "opt": ("optimizer",),
    "optim": ("optimizer",),
    "scheduler": ("schedule",),
    "lr-scheduler": ("schedule",),
    "grad-clip": ("clip-norm",),
    "clip-grad": ("clip-norm",),
    "patience": ("early-stop",),
    "early-stopping": ("early-stop",),
    "val-split": ("dev",),
    "validation-split": ("dev",),
    "augmentation": ("augment",),
    "amp": ("precision",),
    "surgery": ("with",),
    "iterations": ("steps",),
    "num-steps": ("steps",),
    "n-iter": ("steps",),
    "attack": ("method",),
    "attacks": ("method",),
    "rule": ("ensemble",),
    "network": ("model", "arch"),
    "net": ("model", "arch"),
    "architecture": ("arch", "model"),
    "checkpoint": ("weights", "model"),
    "ckpt": ("weights", "model"),
    "pretrained": ("weights", "model"),
    "dataset": ("data",),
    "input": ("data",),
    "image-size": ("size",),
    "img-size": ("size",),
    "resolution": ("size",),
    "num-frames": ("frames",),
    "frame-rate": ("fps",),
    "mean": ("normalise",),
    "normalize": ("normalise",),
    "num-workers": ("workers",),
    "jobs": ("workers",),
    "random-seed": ("seed",),
    "random-state": ("seed",),
    "gpu": ("device",),
    "cuda": ("device",),
    "out": ("output",),
    "out-dir": ("output",),
    "output-dir": ("output",),
    "save-dir": ("output",),
    "logger": ("log",),
    "text": ("column",),
    "field": ("column",),
    "sep": ("delimiter",),
    "separator": ("delimiter",),
    "header": ("no-header",),
    "similarity": ("threshold",),
    "min-similarity": ("threshold",),
    "embeddings": ("vectors",),
    "embedding": ("vectors",),
    "json": ("format",),
    "silent": ("quiet",),
    "continue": ("resume",),
    "traceback": ("debug",),
}
"""What other tools call an option, and the options here that do the same, the nearest first."""
_NOT_OPTIONS = frozenset({"DLCLI_DEBUG", "DLCLI_TORCHVISION_MIRROR", "DLCLI_TEST_DEVICE"})
"""Variables that set something else; the last one is for the tests of dlcli itself."""
_NOT_ONE_OF = re.compile(r"'(?P<value>[^']*)' is not one of (?P<choices>.+)")
_BETWEEN = re.compile(r", | and | or ")


def refuse_command(word: str) -> NoReturn:
    """Raise UsageError for a `word` that stands where a subcommand should and is not the name of one."""
    meant = _OTHER_COMMANDS.get(word) or closest(word, COMMANDS)
    hint = f"did you mean dlcli {meant}?" if meant else f"choose from {', '.join(COMMANDS)}"
    raise UsageError(f"'{word}' is not a command", hint=hint)


def meant_option(typed: str, known: Iterable[str]) -> str:
    """The option of `known` that `typed` stands for, all without dashes; "" if none is near."""
    known = list(known)
    name = typed.lower().replace("_", "-")
    if name in known:
        return name
    other = next((one for one in _OTHER_OPTIONS.get(name, ()) if one in known), "")
    return other or closest(name, known)


def explain_option(error: Any) -> tuple[str, str]:
    """The error of an option that the command does not have.

    Args:
        error: Typer's error; its `ctx` holds the command.

    Returns:
        One sentence, and the hint: the option that was meant.
    """
    typed = error.option_name
    known = [name for parameter in error.ctx.command.params for name in parameter.opts if name.startswith("--")]
    meant = meant_option(typed.lstrip("-"), [name[2:] for name in known])
    where = f"see {error.ctx.command_path} --help"
    return f"no option is called {typed}", f"did you mean --{meant}?" if meant else where


def closest_choice(message: str) -> str:
    """A hint for a message such as "'fgms' is not one of bim, fgsm": the choice that was meant; "" if none is near."""
    found = _NOT_ONE_OF.search(message)
    near = closest(found["value"], [name.strip("'") for name in _BETWEEN.split(found["choices"])]) if found else ""
    return f"did you mean {near}?" if near else ""


def unknown_variables(command: str) -> Iterator[str]:
    """A warning for each DLCLI_ variable of the environment that sets nothing in any command."""
    named = [name for name in os.environ if name.startswith("DLCLI_") and name not in _NOT_OPTIONS]
    known = set(_variables(command)) if named else set()
    if not known.issuperset(named):
        known |= {name for other in COMMANDS for name in _variables(other)}
    for name in sorted(set(named) - known):
        hint = did_you_mean(name, sorted(known), otherwise=f"dlcli {command} --help lists the options")
        yield f"the variable {name} sets no option ({hint})"


def variables(command: str, name: str) -> list[str]:
    """The variables of the environment that set the option `name`, the first one first."""
    written = name.upper().replace("-", "_")
    return [f"DLCLI_{command.upper().replace('-', '_')}_{written}", f"DLCLI_{written}"]


def _variables(command: str) -> Iterator[str]:
    for config in (config_class(command), RunOptions):
        for item, details in declared(config):
            if not details.typed_only:
                yield from variables(command, key(item))
