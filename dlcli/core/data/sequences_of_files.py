"""Files that follow each other, such as the frames of a drive, by their names; and blocks of them, which count as one."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = "block"
"""The metadata column of the block that a picture is in, where names look like those of a sequence."""
_FEWEST, _SHARE, _RUN = 24, 0.8, 8
"""How many pictures look like a sequence, and which share of them in runs of at least how many."""
_BLOCKS = 12
"""Into about how many blocks a set is divided: few enough to hold what is alike together, and enough for an interval."""
_LONGEST_STEP = 60
_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")


def blocks_of(names: Sequence[str], set_name: str) -> NDArray[np.object_] | None:
    """The block of each file, (n,) text, unless the names do not look like a sequence.

    Names do if most of them differ from the one before by the same step in their last number, as frames of a film do.

    Args:
        names: Names of files, sorted.
        set_name: What they are a set of, which begins the names of blocks.

    Returns:
        The blocks; None for other names.
    """
    runs = _runs([Path(name).with_suffix("").as_posix() for name in names])
    long = sum(len(run) for run in runs if len(run) >= _RUN)
    if len(names) < _FEWEST or long < _SHARE * len(names):
        return None
    length = len(names) / _BLOCKS
    parts = [part for run in runs for part in np.array_split(run, max(1, round(len(run) / length)))]
    found = np.empty(len(names), dtype=object)
    for k, part in enumerate(parts):
        found[part] = f"{set_name} {k}".strip()
    return found


def _runs(names: Sequence[str]) -> list[list[int]]:
    """The indices of names in runs: the same text around the number, which rises by the same small step."""
    found: list[list[int]] = []
    before: tuple[str, str, int] | None = None
    step = 0
    for k, name in enumerate(names):
        match = _NUMBER.match(name)
        here = None if match is None else (match[1], match[3], int(match[2]))
        gap = here[2] - before[2] if here is not None and before is not None and here[:2] == before[:2] else 0
        if 0 < gap <= _LONGEST_STEP and (len(found[-1]) == 1 or gap == step):
            found[-1].append(k)
        else:
            found.append([k])
        step, before = gap, here
    return found
