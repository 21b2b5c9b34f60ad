"""The names that people give to columns of a dataset: one table for files, labels and sets, in any case and with any joints."""

import re
from collections.abc import Sequence

from dlcli.support.errors import InputError, UsageError
from dlcli.support.suggest import did_you_mean

FILE = "file"
"""Name of the metadata column, and of the column of labels.csv, with the file of an example."""
FILE_COLUMNS = tuple(
    "path filepath fullpath file filename image imagepath imagefile imagefilename imagename img imgpath imgfile imgname "
    "picture photo video videopath videofile videoname clip name imageid id".split()
)
"""Columns that name the file of an example, most telling first, in the form of `plain_name`."""
LABEL_COLUMNS = tuple(
    "label labels class classes classname classlabel labelname target targets y category categoryname cls labelid classid "
    "targetid categoryid".split()
)
"""Columns that hold its class."""
SCORE_COLUMNS = tuple("score scores meanscore mean rating meanrating mos value label target targets y class cls".split())
"""Columns that hold its score, a number; most telling first."""
RATER_COLUMN = re.compile(r"(rater|annotator)\d*")
"""Matches the plain name of a column of what one rater gave."""
LABEL_COLUMN = "label_column"
"""The option that names the column of classes."""
SET_COLUMNS = ("split", "set", "subset", "partition", "splitname", "datasplit")
"""Columns that tell which set it belongs to."""

_JOINTS = re.compile(r"[\s_.:/-]+")


def plain_name(column: str) -> str:
    """The name of a column without case, blanks and joints: `Image_Path` as `imagepath`."""
    return _JOINTS.sub("", column.casefold())


def known_columns(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of `columns` whose names are `known`, in the order of the latter."""
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(plain_name(column), []).append(column)
    return [column for name in known for column in by_name.get(name, [])]


def named_column(source: str, columns: Sequence[str], wanted: str, *, option: str = LABEL_COLUMN) -> str:
    """The column that an option names: exactly, or else the only one that differs in case and joints.

    Args:
        source: What has the columns, for messages.
        columns: Their names.
        wanted: The name that the option has.
        option: Field of the configuration.

    Raises:
        InputError: If there is none, for `label_column`.
        UsageError: If there is none, for the columns of scores.
    """
    if wanted in columns:
        return wanted
    near = [column for column in columns if plain_name(column) == plain_name(wanted)]
    if len(near) != 1:
        message, hint = f"{source}: has no column '{wanted}' (`{option}`)", did_you_mean(wanted, columns)
        raise InputError(message, hint=hint) if option == LABEL_COLUMN else UsageError(message, hint=hint)
    return near[0]
