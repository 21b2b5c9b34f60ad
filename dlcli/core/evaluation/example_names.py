"""What a table of predictions calls its examples: by a column `index`, and by the names of files."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.prediction_columns import INDEX
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

WHOLE = re.compile(r"(-?)0*(\d{1,18})(?:\.0*)?")
"""A whole number, which other programs write as 7.0 or 007."""
Texts = NDArray[np.object_]


def example_ids(table: Table, cells: dict[str, Texts]) -> Texts | None:
    """What the column `index` calls each example, (n,); None without such a column.

    Args:
        table: The table.
        cells: Its columns, (n,) each.

    Raises:
        InputError: If two rows have the same, as two rows for one example would count twice.
    """
    name = next((name for name in cells if plain_name(name) == INDEX), None)
    if name is None:
        return None
    if (pair := first_repeated([whole_or_text(one) for one in cells[name]])) is not None:
        first, second = pair
        message = f"{table.name}: row {second + 1}, column '{name}': '{cells[name][second]}' is that of row {first + 1} too"
        raise InputError(message, hint="keep one row for each example, or rename the column if it does not number the examples")
    return cells[name]


def whole_or_text(cell: object) -> str:
    """What a cell calls an example; whole numbers without the zeros before or behind them that programs add."""
    text = str(cell).strip()
    return str(int(found[1] + found[2])) if (found := WHOLE.fullmatch(text)) else text


def first_repeated(names: Sequence[str]) -> tuple[int, int] | None:
    """The first place whose name an earlier one has.

    Args:
        names: The names.

    Returns:
        The earlier place and that one; None if each name is there once.
    """
    places: dict[str, int] = {}
    for k, name in enumerate(names):
        if places.setdefault(name, k) != k:
            return places[name], k
    return None


def file_notes(files: Texts | None, ids: Texts | None) -> tuple[str, ...]:
    """A note where several rows name one file and nothing tells that they are several examples.

    Args:
        files: The file of each example, (n,); None without files.
        ids: What `example_ids` returns.
    """
    pair = None if files is None or ids is not None else first_repeated([str(one) for one in files])
    if files is None or pair is None:
        return ()
    several = len(files) - len(set(files))
    return (
        f"{count(several, 'row names', 'rows name')} a file that an earlier row names, first row {pair[1] + 1:,} and row "
        f"{pair[0] + 1:,}, '{files[pair[1]]}': if these are one example it counts several times, and if they are parts of one, "
        "`group=file` makes intervals wide enough.",
    )
