"""Cells of the join that a run of `dlcli dedupe` has finished, stored so that an interrupted run can continue from them."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.cell_job import CellPairs
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.search.neighbours import Pairs
from dlcli.engines.other_options import other_options
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.table_options import FIELDS
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.schema import mapping_of, number

MOST_BLOCKS = 400
"""Blocks that rows are cut into at the most, which make 80,200 cells."""
_RECORD = "run.json"
_ANYTHING = mapping_of(lambda value: "")
_FACTS = {"determined_by": _ANYTHING, "options": _ANYTHING, "blocks": number(1, MOST_BLOCKS)}
_TEXTS, _VALUES, _LOWEST = "content of the table", "values of the vectors", "smallest probability that is kept"
_DECIDED_BY = {
    _TEXTS: ("table", "column", "within", "mask", "fold", "keep_rule", *FIELDS),
    _VALUES: ("vectors", "device"),
    _LOWEST: ("threshold", "precision", "label", "labelled", "review"),
}
"""Facts that several options decide. Where one differs, so may an option, which is then named in its place."""
_FOLLOW = {_TEXTS: (_VALUES, "candidates")} | {
    name: (fact, *((_VALUES, "candidates") if fact == _TEXTS else ())) for fact, names in _DECIDED_BY.items() for name in names
}
"""What else may differ where one fact or option does."""


def parts_folder(config: DedupeConfig) -> Path | None:
    """Where a run stores finished cells until it ends; None if its output is not a file."""
    output = config.output
    if output is None or (output.exists() and not output.is_file()):
        return None
    # Beside the file itself: /dev/stdout is a link as well.
    return Path(f"{os.path.realpath(output) if output.is_symlink() else output}.parts")


def stored_cells(config: DedupeConfig) -> int:
    """How many cells an interrupted run has stored."""
    folder = parts_folder(config)
    return 0 if folder is None else len(list(folder.glob("cell-*.npz")))


def remove_cells(folder: Path | None) -> None:
    """Remove the folder in which this run, or an interrupted one before it, has stored cells, if there is one."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cells_kept(config: DedupeConfig, report: Reporter) -> Iterator[None]:
    """Report what an interrupted run leaves behind, and how to continue."""
    if config.resume and not stored_cells(config):
        report.note("`resume`: no finished comparison is stored, so the run starts over")
    try:
        yield
    except BaseException as error:
        # Only whole cells are stored, so a signal, a full disk or a process without memory loses those at work alone.
        stored = stored_cells(config)
        if not stored:
            remove_cells(parts_folder(config))
        elif not isinstance(error, (UsageError, InputError)):
            kept = f"{count(stored, 'finished part')} of the comparison {'is' if stored == 1 else 'are'} kept"
            report.note(f"{kept}; continue with `resume`")
        raise


def _facts_and_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What determined two runs, and the options that may be why it differs.

    Args:
        before: The record of the interrupted run.
        now: That of this run.

    Returns:
        Both by name, for `other_options`.
    """
    first, second = before["determined_by"], now["determined_by"]
    named = [name for fact, names in _DECIDED_BY.items() if first.get(fact) != second.get(fact) for name in names]
    one, other = ({name: record["options"].get(name) for name in named} for record in (before, now))
    return one | first, other | second


@dataclass(frozen=True)
class StoredCells:
    """Finished cells in a folder, one file per cell, written whole or not at all.

    A record beside them holds everything that the cells depend on, in the terms of JSON: cells of another table or of other
    options would give pairs that no single run could have given.

    Attributes:
        folder: The folder.
        texts: Number of distinct texts, below which every number of a stored pair has to be.
    """

    folder: Path
    texts: int

    def blocks(self) -> int | None:
        """Into how many blocks the interrupted run cut the rows; None if there is no such run."""
        return None if (record := self._record()) is None else int(str(record["blocks"]))

    def begin(self, determined_by: Mapping[str, object], blocks: int, config: DedupeConfig) -> None:
        """Check that the stored cells are of this run, or remove them and start a new record.

        Args:
            determined_by: Everything that cells depend on.
            blocks: Number of blocks.
            config: The options, of which `resume` tells whether to continue.

        Raises:
            UsageError: The interrupted run had other options or another table.
            InputError: The record is damaged.
        """
        record = self._record() if config.resume else None
        names = dict.fromkeys(name for names in _DECIDED_BY.values() for name in names)
        options = {name: getattr(config, name) for name in names}
        now = json.dumps({"determined_by": determined_by, "options": options, "blocks": blocks}, indent=2, default=str)
        if record is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_text(self.folder / _RECORD, now + "\n")
            return
        other = other_options(*_facts_and_options(record, json.loads(now)), DedupeConfig, _FOLLOW)
        if other:
            hint = "give the options of the interrupted run, or drop `resume` to start again"
            raise UsageError(f"`resume`: {self.folder} was started with {other}", hint=hint)

    def load(self, cell: tuple[int, int]) -> CellPairs | None:
        """What is stored of a cell; None if it has to be joined."""
        try:
            with self._file(cell).open("rb") as stream, np.load(stream, allow_pickle=False) as part:
                pairs = Pairs(part["first"], part["second"], part["cosine"])
                probability = part["probability"] if "probability" in part else None
                self._check(pairs, probability)
                return CellPairs(pairs, probability, int(part["found"]))
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(
                f"{self._file(cell)}: damaged: {error}", hint="remove this file, and the part is computed again"
            ) from None

    def _check(self, pairs: Pairs, probability: Floats | None) -> None:
        """Raise ValueError if these are no pairs of the table."""
        arrays: list[NDArray[Any]] = [pairs.first, pairs.second, pairs.score, *([] if probability is None else [probability])]
        if {array.shape for array in arrays} != {(len(pairs),)} or any(array.dtype.kind not in "if" for array in arrays):
            raise ValueError("its arrays do not go together")
        if len(pairs) and not ((pairs.first >= 0) & (pairs.first < pairs.second) & (pairs.second < self.texts)).all():
            raise ValueError("a number is none of a row")

    def save(self, cell: tuple[int, int], found: CellPairs) -> None:
        """Store a cell."""
        first, second, cosine = found.pairs.first, found.pairs.second, found.pairs.score
        arrays: dict[str, Any] = {"first": first, "second": second, "cosine": cosine, "found": np.array(found.found)}
        if found.probability is not None:
            arrays["probability"] = found.probability
        with atomic_path(self._file(cell)) as path:
            np.savez(path, **arrays)

    def _file(self, cell: tuple[int, int]) -> Path:
        return self.folder / f"cell-{cell[0]:03}-{cell[1]:03}.npz"

    def _record(self) -> dict[str, object] | None:
        path = self.folder / _RECORD
        if not path.exists():
            return None
        record = read_json_metadata(path)
        check_metadata(record, path, _FACTS, hint=f"remove {self.folder}, or drop `resume`")
        return record
