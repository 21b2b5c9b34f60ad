"""How to run each subcommand in a second or two, and how to make it fail; a new subcommand adds one Case."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One subcommand: `quick` runs it whole, `missing` names a file that is not there, `output` is a name for -o."""

    name: str
    quick: tuple[str, ...]
    missing: tuple[str, ...]
    output: str
    endless: tuple[str, ...]


CASES = (
    Case(
        name="attack",
        quick=("--limit", "20", "--epochs", "1", "--members", "2", "--ensemble", "max", "--device", "cpu"),
        missing=("--data", "no-such.npz"),
        output="report",
        endless=("--epochs", "100000", "--seed", "1", "--device", "cpu", "-v"),
    ),
    Case(
        name="dedupe",
        quick=("questions",),
        missing=("no-such.csv",),
        output="out.csv",
        endless=("-",),
    ),
)
