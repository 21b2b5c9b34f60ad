"""Tables of predictions with the examples of several sets, such as train and test, whose figures would be of all together."""

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import SET_COLUMNS, known_columns
from dlcli.core.data.set_names import read_set_name
from dlcli.support.plural import count


def mixed_sets_note(metadata: Mapping[str, NDArray[np.object_]], slices: Collection[str], unit: str) -> tuple[str, ...]:
    """Which sets a table mixes, and how many examples each has; nothing for a table of one set.

    Args:
        metadata: The columns that are neither labels nor probabilities, (n,) each.
        slices: The columns by which accuracy is shown.
        unit: What an example is called.
    """
    for column in known_columns(list(metadata), SET_COLUMNS):
        parts = Counter(str(one) for one in metadata[column])
        sets = {None if (found := read_set_name(part)) is None else found.name for part in parts}
        if None in sets or len(sets) < 2:
            continue
        shown = ", ".join(f"{part} ({count(number, unit)})" for part, number in sorted(parts.items()))
        how = "" if column in slices else f"; `slices={column}` tells them apart, and a table of one set has its figures"
        return (f"The column '{column}' names several sets: {shown}. All figures are of all of them together{how}.",)
    return ()
