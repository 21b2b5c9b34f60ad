"""Examples that belong together by a metadata column, such as the frames of a film or the pictures of a person."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

if TYPE_CHECKING:  # which imports torch
    from dlcli.core.data.base import Array, ImageData, Metadata

MORE_COLUMNS = "more come from columns of the table (labels.csv in a folder), or of the .npz"
"""The end of a hint that lists metadata columns."""


class NoGroupsError(InputError):
    """The data have no column of the name that `group` gives."""


def load_by_group(load: "Callable[[str | None], ImageData]", group: str | None, report: Reporter) -> "ImageData":
    """Data for a network whose sets were formed by group: formed in the same way where they have that column.

    Args:
        load: Loads the data by the groups of a column, or without any.
        group: The column that the network was trained with; None without one.
        report: Receives a note where the data, which are others then, have no such column.
    """
    if group is None:
        return load(None)
    try:
        return load(group)
    except NoGroupsError:
        found = load(None)
        report.note(f"{found.name}: has no column '{group}', by which the network was split in training")
        return found


NONE = "(none)"
"""What an example without a value is called."""


def value_text(value: Any) -> str:
    """A value of a metadata column as text; NONE for a blank one."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)
    return NONE if not text.strip() or (not isinstance(value, (str, bytes)) and text in ("nan", "NaT")) else text.strip()


def group_numbers(values: "Array") -> NDArray[np.int64]:
    """The group of each example, (n,) from 0 on, by the values (n,) of a column; one without a value is a group of its own."""
    texts = [value_text(value) for value in values]
    alone = [f"{NONE} {k}" if text == NONE else f"= {text}" for k, text in enumerate(texts)]
    return np.unique(alone, return_inverse=True)[1].astype(np.int64)


def groups_of(metadata: "Metadata", column: str | None, source: str) -> NDArray[np.int64] | None:
    """The group of each example by the metadata column of `group`; None without that option.

    Raises InputError, naming `source`, if there is no such column.
    """
    if column is None:
        return None
    if column not in metadata:
        hint = f"there are: {', '.join(metadata) or 'none'}; {MORE_COLUMNS}"
        raise NoGroupsError(f"`group`: {source} has no column '{column}'", hint=hint)
    return group_numbers(metadata[column])


def check_groups(data: "ImageData", column: str) -> None:
    """Raise InputError if a group is in two sets of the data, so that a network would be tested on what it has learned."""
    seen: dict[str, str] = {}
    for name, split in data.splits.items():
        if not len(split.y):
            continue
        groups_of(split.metadata, column, data.name)
        here = {value_text(value) for value in split.metadata[column]} - {NONE}
        shared = sorted(group for group in here if group in seen)
        if shared:
            both = f"in the {seen[shared[0]]} set and in the {name} set"
            more = f" ({count(len(shared), 'such group')})" if len(shared) > 1 else ""
            hint = "move each group to one set, or remove the sets, so that dlcli forms them by group"
            raise InputError(f"`group`: {data.name} has '{shared[0]}' of '{column}' {both}{more}", hint=hint)
        seen |= dict.fromkeys(here, name)
