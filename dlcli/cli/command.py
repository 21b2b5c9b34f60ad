"""The subcommands by name, and what a file in `commands/` declares about one of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUBCOMMANDS = {
    "train": "Train a network, or two in pairs to see whether a change helps.",
    "eval": "Evaluate a trained network: how good it is, where it fails, and what to do next.",
    "predict": "Predict labels for images or videos, one row per example.",
    "ensemble": "Train several networks and measure the gain from combining them.",
    "attack": "Measure how easily a classifier is fooled, and whether an ensemble helps.",
    "probe-gradients": "Diagnose a network's gradients: why it may not train and what to try.",
    "convert-2d-to-3d": "Inflate an image network to a video network and verify that both compute the same.",
    "dedupe": "Find duplicate and near-duplicate rows of a table.",
}
"""Name and summary of each subcommand; `dlcli/cli/commands/NAME.py` holds its COMMAND."""
UTILITIES = {
    "list": "List what there is to choose from: attacks, models, surgeries, vectors ...",
    "verify": "Check the record of a run: hashes, and a random tenth of its work done again.",
    "cache": "List what is kept between runs, or remove what is old.",
    "info": "Print versions, the device, extras and the cache.",
}
"""Subcommands that print what there is, or whether it holds; they write no output."""
COMMANDS = {**SUBCOMMANDS, **UTILITIES}
COMMAND_INDENT = "    "
"""What a line of a note begins with if it is a command to copy."""


def run_folder(values: dict[str, Any], suffix: str = "") -> dict[str, Any]:
    """Set the run directory: `output`, or by default the first free one in runs/ that is named after the data.

    A free directory has nothing to resume, so `resume` needs an `output`.
    """
    if values["output"] is None and not values["resume"]:
        name = f"{Path(values['data']).stem}{suffix}"
        places = [Path("runs") / (f"{name}-{k}" if k > 1 else name) for k in range(1, 1000)]
        values["output"] = next((place for place in places if not place.exists()), places[0])
    return values


@dataclass(frozen=True)
class TerminalTable:
    """A result drawn for a terminal: the answer, then a table, then notes.

    Attributes:
        title: What the table shows: the line above it.
        columns: Heads of the columns; the first names the rows, the second has the answer.
        rows: Cells as text, as many in each row as there are columns.
        strong: Indices of the rows to print in bold.
        notes: Sentences below the table, the most important first: a terminal shows two of them, and -v all. A line that begins
            with four spaces is a command to copy.
        answer: The result in a sentence, with its figure, interval, number of examples and verdict.
        most: Number of rows that are shown without -v, None for all.
        rest: What the other rows are: "6 more classes of 95% or better".
        details: Further tables, which -v shows.
        beside: Further tables, which are always shown.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    answer: str = ""
    most: int | None = None
    rest: str = ""
    details: tuple["TerminalTable", ...] = ()
    beside: tuple["TerminalTable", ...] = ()


@dataclass(frozen=True)
class Command:
    """One subcommand.

    Attributes:
        name: Name of the subcommand, as in `SUBCOMMANDS`.
        config: Its configuration, a dataclass in dlcli.specs.
        engine: Dotted name of its module in dlcli.engines, which is imported when the command runs.
        examples: Commands that --help shows.
        table: Draws a result for a terminal.
        answer: The result in one sentence, which a terminal shows first and standard error last.
        rows: Whether its output file holds the rows of its result.
        adjust: Sets defaults that depend on the shell (is standard input a pipe?), which engines do not know.
        named: The result with what only its configuration names, for the table and the answer.
        together: Whether processes that torchrun starts run it together, of which the first one writes and prints.
    """

    name: str
    config: type[Any]
    engine: str
    examples: tuple[str, ...]
    table: Callable[[Any], TerminalTable]
    answer: Callable[[Any], str]
    rows: bool = False
    adjust: Callable[[dict[str, Any]], dict[str, Any]] = dict
    named: Callable[[Any, Any], Any] = lambda result, config: result
    together: bool = False
