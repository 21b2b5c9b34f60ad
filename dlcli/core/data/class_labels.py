"""Labels as cells hold them, made into classes: the one place where labels of tables, parquet, tar and COCO are read."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import LABEL_COLUMNS, SCORE_COLUMNS, known_columns, named_column
from dlcli.core.data.file_kinds import composed
from dlcli.support.errors import InputError
from dlcli.support.reporter import SILENT, Reporter

BLANK = -1
"""The index of an example without a label."""

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_SHOWN = 3


@dataclass(frozen=True)
class ClassLabels:
    """The classes of some examples.

    Attributes:
        classes: Their names, in the order of their indices.
        y: The index of each example's class (n,) int64; BLANK where it has no label.
        fixed: Whether the source itself numbers the classes: they all stay, even those without examples.
    """

    classes: tuple[str, ...]
    y: NDArray[np.int64]
    fixed: bool = False

    def take(self, which: NDArray[np.intp]) -> "ClassLabels":
        """Those of the examples at the indices `which`."""
        return ClassLabels(self.classes, self.y[which], self.fixed)


def read_labels(where: str, cells: Iterable[Any], report: Reporter = SILENT) -> ClassLabels:
    """The classes of labels: whole numbers in numeric order, other text in the order of the alphabet.

    Args:
        where: Source and column, for messages.
        cells: Text, whole numbers, truth values; blank text, None and NaN are no label.
        report: Receives warnings about labels that may not be meant as they are.

    Returns:
        The classes and the index of each cell.

    Raises:
        InputError: If labels are lists or other objects, or numbers with fractions.
    """
    texts = _whole_numbers(where, [_text(where, cell) for cell in cells])
    distinct = set(texts) - {""}
    numbers = all_whole_numbers(distinct)
    classes = class_order(distinct)
    if numbers:
        _warn_gaps(where, classes, report)
    else:
        _warn_alike(where, classes, report)
    return ClassLabels(tuple(classes), _indices(texts, classes))


def class_order(names: Iterable[str]) -> list[str]:
    """Names of classes in the order of their indices, the same for every source of data.

    By value if all are whole numbers in their usual notation (2 before 10), else in the order of the alphabet.
    """
    distinct = set(names)
    return sorted(distinct, key=int) if all_whole_numbers(distinct) else sorted(distinct)


def all_whole_numbers(names: Iterable[str]) -> bool:
    """Whether all names are whole numbers in their usual notation: 7, but not 07 or 7.0."""
    return all(map(_WHOLE.fullmatch, names))


def numbered_labels(where: str, cells: Iterable[Any], names: Sequence[str]) -> ClassLabels:
    """The classes of labels that are indices into `names`, or these names themselves.

    Raises InputError, naming the cell, for a label that is neither.
    """
    texts = _whole_numbers(where, [_text(where, cell) for cell in cells])
    known = {composed(name).strip(): k for k, name in enumerate(names)}
    if not set(texts) - {""} <= set(known):
        known = {str(k): k for k in range(len(names))}
        known["-1"] = BLANK  # what Hugging Face datasets write for a row without a label
    for text in texts:
        if text and text not in known:
            raise InputError(
                f"{where}: label '{text}' is neither the name of a class, of {len(names):,}, nor the number of one"
            )
    y = np.array([known.get(text, BLANK) for text in texts], dtype=np.int64)
    return ClassLabels(tuple(map(composed, names)), y, fixed=True)


def choose_labels(
    source: str,
    columns: Mapping[str, Sequence[Any]],
    wanted: str | None,
    report: Reporter,
    class_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> ClassLabels | None:
    """The labels among some columns, by their names.

    Args:
        source: What has the columns, for messages.
        columns: Their cells, by name.
        wanted: The column that `label_column` names; None to look for a usual name.
        report: Receives warnings about the labels.
        class_names: Columns whose cells are indices of classes, with the names of these.

    Returns:
        The classes; None if no column has a usual name or names of classes.

    Raises:
        InputError: If there is no column `wanted`, or several columns disagree about which examples are of one class.
    """

    def read(name: str, report: Reporter) -> ClassLabels:
        where = f"{source}: column '{name}'"
        if name in class_names:
            return numbered_labels(where, columns[name], class_names[name])
        return read_labels(where, columns[name], report)

    if wanted is not None:
        return read(named_column(source, list(columns), wanted), report)
    names = known_columns(list(columns), LABEL_COLUMNS) or list(class_names)
    if len(names) < 2:
        return read(names[0], report) if names else None
    found = [read(name, SILENT) for name in names]
    for name, other in zip(names[1:], found[1:], strict=True):
        if not _same_classes(found[0], other):
            hint = f"choose one with `label_column={names[0]}`"
            raise InputError(f"{source}: columns '{names[0]}' and '{name}' may both hold the labels, and differ", hint=hint)
    return _combined(found)


def needed_labels(source: str, columns: Sequence[str], found: ClassLabels | None) -> ClassLabels:
    """`found`; raises InputError listing the columns if it is None."""
    if found is None:
        hint = "name the column that holds the labels, as `label_column=NAME`"
        hint += ", or learn scores with `task=score`" if known_columns(columns, SCORE_COLUMNS) else ""
        raise InputError(f"{source}: has columns {', '.join(columns)}, none of which is called label or class", hint=hint)
    return found


def _text(where: str, cell: Any) -> str:
    if isinstance(cell, str):
        return composed(cell).strip()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        return repr(cell)
    if isinstance(cell, (list, tuple)) and len(cell) == 1:
        return _text(where, cell[0])
    if isinstance(cell, bytes):
        return composed(cell.decode("utf-8", "replace")).strip()
    raise InputError(f"{where}: a label is {type(cell).__name__} '{str(cell)[:40]}'; one class per example is needed")


def _whole_numbers(where: str, texts: list[str]) -> list[str]:
    """Labels that are all numbers with a point, but whole ones, such as 1.0, without the point; others as they are."""
    distinct = set(texts) - {""}
    if all_whole_numbers(distinct) or not all(map(_NUMBER.fullmatch, distinct)):
        return texts
    if all("." not in text and "e" not in text.lower() for text in distinct):
        return texts  # such as 007, which are names
    fraction = next((text for text in texts if text and not float(text).is_integer()), None)
    if fraction is not None:
        hint = "learn them with `task=score`; if another column holds the classes, name it: `label_column=NAME`"
        raise InputError(f"{where}: '{fraction}' is a number with a fraction, so these are scores and not classes", hint=hint)
    return [str(int(float(text))) if text else "" for text in texts]


def _indices(texts: Iterable[str], classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: k for k, name in enumerate(classes)}
    return np.array([index.get(text, BLANK) for text in texts], dtype=np.int64)


def _warn_gaps(where: str, classes: Sequence[str], report: Reporter) -> None:
    if not classes or [int(name) for name in classes] in [list(range(first, first + len(classes))) for first in (0, 1)]:
        return
    shown = ", ".join(classes[:_SHOWN]) + (" ..." if len(classes) > _SHOWN else "")
    report.warn(
        f"{where}: the labels are {len(classes)} numbers with gaps, or that do not begin at 0 or 1 ({shown}): each is a class, "
        "in their order; call the column class_index if they are the indices of a network's outputs"
    )


def _warn_alike(where: str, classes: Sequence[str], report: Reporter) -> None:
    if pairs := called_alike(classes):
        report.warn(f"{where}: {pairs}, and are read as two classes")


def called_alike(classes: Sequence[str]) -> str:
    """Which classes are called alike but for case or notation, as the beginning of a sentence; "" if there are none."""
    keys: dict[object, str] = {}
    same = [(keys[key], name) for name in classes if keys.setdefault(key := _without_notation(name), name) != name]
    if not same:
        return ""
    first, second = same[0]
    if isinstance(_without_notation(first), Decimal):
        how = "are the same number"
    else:
        how = "look the same" if composed(first) == composed(second) else "differ in case only"
    more = f" ({len(same)} such pairs)" if len(same) > 1 else ""
    return f"'{first}' and '{second}' {how}{more}"


def _without_notation(name: str) -> Decimal | str:
    """The value of a number; other names in small letters and composed characters."""
    return Decimal(name) if _DECIMAL.fullmatch(name) else composed(name).casefold()


def _same_classes(one: ClassLabels, other: ClassLabels) -> bool:
    """Whether both put the same examples together."""
    pairs = len(set(zip(one.y.tolist(), other.y.tolist(), strict=True)))
    return pairs == len(np.unique(one.y)) == len(np.unique(other.y)) and np.array_equal(one.y < 0, other.y < 0)


def _combined(found: Sequence[ClassLabels]) -> ClassLabels:
    """Columns that agree, such as one of numbers and one of names: the names, in the order of numbers from 0 on."""
    if found[0].fixed:
        return found[0]
    named = next((one for one in found if not all_whole_numbers(one.classes)), found[0])
    numbered = next((one for one in found if one.classes == tuple(map(str, range(len(one.classes))))), None)
    if numbered is None:
        return named
    name_of = dict(zip(numbered.y.tolist(), named.y.tolist(), strict=True))
    return ClassLabels(tuple(named.classes[name_of[k]] for k in range(len(numbered.classes))), numbered.y)
