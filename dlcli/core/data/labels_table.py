"""List the images or videos that a table names, with their classes and sets: labels.csv, or any other csv, tsv or jsonl."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import FILE, SCORE, LoadOptions
from dlcli.core.data.class_labels import BLANK, ClassLabels, choose_labels, needed_labels
from dlcli.core.data.column_names import FILE_COLUMNS, LABEL_COLUMNS, known_columns
from dlcli.core.data.examples import LabelledRows, Listing, form_sets, test_set_of
from dlcli.core.data.file_kinds import KINDS, PICTURES, VIDEOS, FileKind, composed
from dlcli.core.data.locate import locate_files
from dlcli.core.data.score_labels import ScoreLabels, choose_scores
from dlcli.core.data.set_columns import sets_of_columns
from dlcli.core.data.set_names import set_of_file
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.read_tables import read_table
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table, cell_text

TABLES = ("labels.csv", "labels.tsv")
"""Names of the table of a folder."""

_INDEX, _NAME = "class_index", "name"
_MAX_CLASSES = 100_000


def table_in(folder: Path) -> Path | None:
    """The table of labels in a folder; None if it has none."""
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


@dataclass(frozen=True)
class ImageTable:
    """A table with a column of files, opened.

    Attributes:
        table: The table.
        column: The column that names the files.
        paths: The files.
        names: The same relative to the folder of the table.
    """

    table: Table
    column: str
    paths: Sequence[Path]
    names: Sequence[str]

    @property
    def kind(self) -> FileKind:
        """What the files are, by the name of the first that is either."""
        kinds = (kind for path in self.paths for kind in KINDS if kind.matches(path))
        return next(kinds, PICTURES)

    def cells(self, column: str) -> list[str]:
        """A column as text."""
        k = self.table.columns.index(column)
        return [cell_text(row[k]) for row in self.table.rows]

    def take(self, which: Sequence[int]) -> "ImageTable":
        """The rows at the indices `which`."""
        paths, names = [self.paths[k] for k in which], [self.names[k] for k in which]
        return ImageTable(self.table.take(which), self.column, paths, names)


def open_table(path: Path, report: Reporter) -> ImageTable:
    """Read a table and find its files, relative to its folder.

    Args:
        path: A csv, tsv or jsonl, maybe gzipped.
        report: Receives warnings about the table.

    Returns:
        The table with its files.

    Raises:
        InputError: If it has no rows, no column of files, several that differ, or a blank cell in it.
    """
    table = read_table(str(path))
    for warning in table.warnings:
        report.warn(warning)
    columns = known_columns(table.columns, FILE_COLUMNS)
    if not columns:
        hint = f"call the column of files {FILE} or path"
        raise InputError(f"{path}: has columns {', '.join(table.columns)}, none of which names files", hint=hint)
    if not table.rows:
        raise InputError(f"{path}: has no rows")
    opened = [_with_files(path, table, column, report) for column in _telling(table, columns)]
    paths = opened[0].paths
    for other in opened[1:]:
        if list(other.paths) != list(paths) and any(map(Path.is_file, other.paths)):
            both = f"'{opened[0].column}' and '{other.column}'"
            raise InputError(f"{path}: columns {both} name different files", hint="rename or remove one of them")
    return opened[0]


def _telling(table: Table, columns: list[str]) -> list[str]:
    """Those of `columns` whose first cell looks like a file of examples; the first one if none does."""
    first = dict(zip(table.columns, table.rows[0], strict=True))
    found = [column for column in columns if any(kind.matches(Path(str(first[column]))) for kind in KINDS)]
    return found or columns[:1]


def _with_files(path: Path, table: Table, column: str, report: Reporter) -> ImageTable:
    cells = [cell_text(row[table.columns.index(column)]) for row in table.rows]
    blank = [row for row, cell in enumerate(cells, 1) if not cell.strip()]
    if blank:
        more = f" ({len(blank)} such rows)" if len(blank) > 1 else ""
        raise InputError(f"{path}: row {blank[0]}, column '{column}': is empty{more}")
    located = locate_files(str(path), path.parent, cells, report)
    return ImageTable(table, column, located.paths, located.names)


def list_table(opened: ImageTable, kind: FileKind, options: LoadOptions) -> Listing:
    """List the files of a table with their classes and sets.

    Without a column of sets, a table whose name is that of a set, such as test.csv, is that set; else, as of a folder, a fifth
    of each class is the test set. A table with a column class_index, or without another label a column `name`, is a test set.

    Args:
        opened: The table.
        kind: What its files must be.
        options: `target` is what the column of labels holds and `label_column` names it; `report` receives warnings.

    Returns:
        The sets and classes; all columns become metadata.

    Raises:
        InputError: If it has no labels, or they cannot be used.
    """
    _refuse_mixed(opened, kind)
    labels, whole = _labels(opened, options)
    sets = _sets(opened)
    kept = _distinct(opened, labels, sets, options.report)
    opened, labels = opened.take(kept.tolist()), labels.take(kept)
    rows = _rows(opened, labels, sets and [sets[k] for k in kept])
    if whole and sets is None:
        return test_set_of(rows, options.report)
    return form_sets(rows, options.report, options.group)


def list_unlabelled_table(opened: ImageTable) -> Listing:
    """Every row of a table, in its order, as a test set without classes."""
    nothing = ClassLabels((), np.zeros(len(opened.paths), dtype=np.int64))
    return _rows(opened, nothing, None).unlabelled()


def _rows(opened: ImageTable, labels: ClassLabels | ScoreLabels, sets: Sequence[str] | None) -> LabelledRows:
    metadata = {name: np.array(opened.cells(name), dtype=object) for name in opened.table.columns}
    return LabelledRows(
        source=opened.table.name,
        files=opened.paths,
        names=opened.names,
        labels=labels,
        sets=sets,
        metadata=metadata,
        word=opened.kind.word,
    )


def _refuse_mixed(opened: ImageTable, kind: FileKind) -> None:
    for row, path in enumerate(opened.paths, 1):
        for other in (PICTURES, VIDEOS):
            if other is not kind and other.matches(path):
                what = f"row {row}: {path} is {other.described} by its name, and others are {kind.word}s"
                raise InputError(f"{opened.table.name}: {what}", hint="keep images and videos apart")


def _labels(opened: ImageTable, options: LoadOptions) -> tuple[ClassLabels | ScoreLabels, bool]:
    """The labels, and whether the table is a test set as a whole."""
    source, columns = opened.table.name, [name for name in opened.table.columns if name != opened.column]
    if options.target == SCORE:
        cells = {name: opened.cells(name) for name in columns}
        return choose_scores(source, cells, options.label_column, options.raters), False
    if options.label_column is None and _INDEX in columns:
        return _class_indices(opened), True
    if options.label_column is None and _NAME in columns and not known_columns(columns, LABEL_COLUMNS):
        return needed_labels(source, columns, choose_labels(source, {_NAME: opened.cells(_NAME)}, _NAME, options.report)), True
    cells = {name: opened.cells(name) for name in columns}
    return needed_labels(source, columns, choose_labels(source, cells, options.label_column, options.report)), False


def _sets(opened: ImageTable) -> list[str] | None:
    """The set of each row: by a column of sets, or by the name of the table."""
    columns = {name: opened.cells(name) for name in opened.table.columns if name != opened.column}
    sets = sets_of_columns(opened.table.name, columns)
    if sets is not None:
        return sets
    named = set_of_file(Path(opened.table.name).name)
    return None if named is None else [named] * len(opened.paths)


def _distinct(
    opened: ImageTable, labels: ClassLabels | ScoreLabels, sets: Sequence[str] | None, report: Reporter
) -> NDArray[np.intp]:
    """The first row of each file; a file with two labels, or in two sets, is refused."""
    first: dict[str, int] = {}
    kept, doubled = [], 0
    for row, path in enumerate(opened.paths):
        key = composed(str(path))
        before = first.setdefault(key, row)
        if before == row:
            kept.append(row)
            continue
        doubled += 1
        for what, of in (("labelled", _label_names(labels)), ("in the set", lambda k: "" if sets is None else sets[k])):
            _refuse_different(opened, before, row, what, of)
    if doubled:
        report.warn(f"{opened.table.name}: {count(doubled, 'row')} with a file that an earlier row has; read once")
    return np.array(kept, dtype=np.intp)


def _label_names(labels: ClassLabels | ScoreLabels) -> Callable[[int], str]:
    if isinstance(labels, ScoreLabels):
        return lambda k: str(float(labels.y[k])).removesuffix(".0")
    return lambda k: labels.classes[labels.y[k]] if labels.y[k] != BLANK else ""


def _refuse_different(opened: ImageTable, before: int, row: int, what: str, of: Callable[[int], str]) -> None:
    if of(before) != of(row):
        name = opened.names[row]
        raise InputError(
            f"{opened.table.name}: row {row + 1}, column '{opened.column}': '{name}' is in row {before + 1} too, {what} "
            f"'{of(before)}' there and '{of(row)}' here",
            hint="keep one row per file",
        )


def _class_indices(opened: ImageTable) -> ClassLabels:
    """The labels of a column of indices of a network's outputs, with names from the column `name` if there is one."""
    y = [_class_index(opened.table.name, row, cell) for row, cell in enumerate(opened.cells(_INDEX), 1)]
    named = list(map(composed, opened.cells(_NAME))) if _NAME in opened.table.columns and opened.column != _NAME else []
    return ClassLabels(_class_names(opened.table.name, y, named), np.array(y, dtype=np.int64), fixed=True)


def _class_index(source: str, row: int, cell: str) -> int:
    text = cell.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < _MAX_CLASSES):
        raise InputError(f"{source}: row {row}, column '{_INDEX}': '{cell}' is not a number from 0 to {_MAX_CLASSES - 1}")
    return int(text)


def _class_names(source: str, y: list[int], named: list[str]) -> tuple[str, ...]:
    """Names of the classes up to the largest index; a class without a name is called by its number."""
    names = [str(k) for k in range(max(y) + 1)]
    seen: dict[int, str] = {}
    for row, (k, name) in enumerate(zip(y, named, strict=False), 1):
        if seen.setdefault(k, name) != name:
            raise InputError(f"{source}: row {row}: class {k} is called '{name}' here and '{seen[k]}' above")
        names[k] = name
    return tuple(names)
