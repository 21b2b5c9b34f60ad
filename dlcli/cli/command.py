"""What each file in this folder says about its subcommand; everything else is the same for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUBCOMMANDS = {
    "train": "Train a network, or two in pairs to see whether a change helps.",
    "eval": "Judge a trained network: how good it is, where it fails, and what to do next.",
    "predict": "Write what a trained network says of images or videos, a row each.",
    "ensemble": "Train several networks and see what combining them buys.",
    "attack": "Measure how easily a classifier is fooled, and whether an ensemble helps.",
    "probe-gradients": "Say what a network's gradients look like, why it may not train, and what to change.",
    "convert-2d-to-3d": "Turn a network for images into one for video, and prove that it knows the same.",
    "dedupe": "Find the rows of a table that ask the same thing.",
}
"""Name and summary of each subcommand; `dlcli/cli/commands/NAME.py` holds its COMMAND."""


def run_folder(values: dict[str, Any], suffix: str = "") -> dict[str, Any]:
    """What is trained has a folder; without -o it is the first free one that is named after the data."""
    if values["output"] is None:
        name = f"{Path(values['data']).stem}{suffix}"
        places = [Path("runs") / (f"{name}-{k}" if k > 1 else name) for k in range(1, 1000)]
        values["output"] = next((place for place in places if not place.exists()), places[0])
    return values


@dataclass(frozen=True)
class TerminalTable:
    """A table as a terminal shows it: the cells are text, `strong` are the rows to bring out, `notes` stand below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One subcommand.

    `config` is its dataclass in dlcli.specs, `engine` the dotted name of its module in dlcli.engines, `table` draws a
    result for a terminal and `summary` says it in a line for standard error; `adjust` mends defaults that depend on the
    shell (is standard input a pipe?), which engines do not know.
    """

    name: str
    config: type[Any]
    engine: str
    examples: tuple[str, ...]
    table: Callable[[Any], TerminalTable]
    summary: Callable[[Any], str]
    adjust: Callable[[dict[str, Any]], dict[str, Any]] = dict
