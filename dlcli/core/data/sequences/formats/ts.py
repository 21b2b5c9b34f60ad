"""`.ts` files of the UCR and UEA archives (timeseriesclassification.com): header lines with @, then a sequence per line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dlcli.core.data.sequences.base import Floats, Found, SequenceOptions, Sequences
from dlcli.core.data.sequences.files_of_sets import files_of_sets, holds
from dlcli.core.data.sequences.numbers import cut_padding, number
from dlcli.support.errors import InputError
from dlcli.support.read_tables import read_bytes

DESCRIPTION = "NAME_TRAIN.ts and NAME_TEST.ts"
PRECEDENCE = 0

_SUFFIXES = (".ts",)
_HINT = "download the file again, or write it as a csv"


def claims(spec: str) -> bool:
    """Whether `spec` is such a file, or a folder with some."""
    return holds(Path(spec), _SUFFIXES)


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the files of the sets."""
    return Found({key: _read(file) for key, file in files_of_sets(spec, _SUFFIXES, options).items()})


def _read(file: Path) -> Sequences:
    name, content = read_bytes(str(file))
    lines = content.decode("utf-8", "replace").splitlines()
    start = next((k for k, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None:
        raise InputError(f"{name}: has no line @data", hint=_HINT)
    header = dict(_header(lines[:start]))
    if header.get("timestamps") == "true":
        raise InputError(f"{name}: has time stamps (@timeStamps true)", hint="write it as a table with the columns id and time")
    if "targetlabel" in header:
        raise InputError(f"{name}: has numbers to predict (@targetLabel), not classes", hint="choose data with @classLabel")
    labelled = header.get("classlabel", "false").startswith("true")
    rows = [(k, line.strip()) for k, line in enumerate(lines[start + 1 :], start + 2) if line.strip()]
    found = [_sequence(f"{name}: line {k}", line, labelled=labelled) for k, line in rows]
    return Sequences(
        [values for values, _ in found],
        [label for _, label in found] if labelled else None,
        where=lambda k: f"line {rows[k][0]} of {file.name}",
    )


def _header(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line.startswith("@"):
            key, _, value = line[1:].strip().partition(" ")
            yield key.lower(), value.strip().lower()


def _sequence(where: str, line: str, *, labelled: bool) -> tuple[Floats, str]:
    """The values (channels, t) of a line, and its label."""
    parts = line.split(":")
    label = parts.pop().strip() if labelled else ""
    if not parts or (labelled and not label):
        raise InputError(f"{where}: has no {'label' if parts else 'values'}", hint=_HINT)
    channels = [
        [number(f"{where}, channel {k}, step {step}", cell) for step, cell in enumerate(part.split(","), 1)]
        for k, part in enumerate(parts, 1)
    ]
    if len({len(channel) for channel in channels}) > 1:
        lengths = sorted({len(channel) for channel in channels})
        message = f"{where}: its channels have from {lengths[0]} to {lengths[-1]} steps"
        raise InputError(message, hint="give all channels of a sequence the same steps")
    return cut_padding(np.array(channels, dtype=np.float64)), label
