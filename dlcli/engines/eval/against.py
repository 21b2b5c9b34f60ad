"""Compare a classifier with another one on the same examples: `dlcli eval NEW --against OLD`. Needs torch for networks only."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.comparison import LEVEL, compare_parts, gate_power, no_worse, p_of_pairs
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.slices import CLASS, ExampleSlice
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.table_input import check_tables
from dlcli.engines.eval.matching import check_truth, matched
from dlcli.engines.eval.opened_predictions import open_predictions
from dlcli.engines.eval.side import Side
from dlcli.specs.comparison import BROKEN, DIFFERENCE, FIXED, ClassifierComparison, ComparedPart, Flip
from dlcli.specs.estimates import apart_from
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predictions import is_prediction_file
from dlcli.specs.table_options import table_format
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive
from dlcli.support.tables import Table, write_csv

FLIPS = "flips.csv"
_MOST_FLIPS = 24
"""Of each kind, in a result and on its page; the table has all."""


@dataclass(frozen=True)
class ComparedClassifiers:
    """The comparison, all examples that changed, and what there is to note.

    `pictures` (m, c, h, w) are those of the flips of `comparison`; None without an output folder, or a network.
    """

    comparison: ClassifierComparison
    flips: tuple[Flip, ...]
    notes: tuple[str, ...]
    pictures: NDArray[np.floating] | None = None

    def numbered(self, numbers: NDArray[np.int64]) -> "ComparedClassifiers":
        """The same with what a table calls its examples, (n,), in place of the places of their rows."""
        flips, shown = (
            tuple(replace(one, index=int(numbers[one.index])) for one in rows) for rows in (self.flips, self.comparison.flips)
        )
        return replace(self, flips=flips, comparison=replace(self.comparison, flips=shown))

    def change(self, n: int) -> NDArray[np.int64]:
        """1 where only the new one is right, -1 where only the old one is, else 0, (n,)."""
        found = np.zeros(n, dtype=np.int64)
        for one in self.flips:
            found[one.index] = 1 if one.change == FIXED else -1
        return found


def compare_with(config: EvalConfig, new: Side, cuts: Sequence[ExampleSlice], report: Reporter) -> ComparedClassifiers | None:
    """Evaluate `config.against` on the same examples; None without that option.

    Args:
        config: The options.
        new: The new classifier, whose groups count.
        cuts: The slices, (n,) each; classes are compared in any case.
        report: Receives progress.

    Raises:
        InputError: If the examples are not the same; names the first that differs.
    """
    if config.against is None:
        return None
    old = _opened(config, new, config.against, report)
    named = any(one.startswith("file=") for one in config.columns)
    rows, left, doubt, note = matched(new, old, named=named, first=config.limit is not None)
    mine, theirs = new.predictions, old.predictions
    check_truth(new, old, rows)
    _check_left(config, new, left)
    others = [f"Not compared: {left}."] if left else []
    warnings = (*_itself(new, old, rows), *others, *filter(None, [doubt]), *_other_cells(config, new, old, rows))
    for warning in warnings:
        report.warn(warning)
    read = [f"{old.name}: {old.read_as}"] if old.read_as and old.read_as != new.read_as else []
    notes = (*warnings, *filter(None, [note]), *read, *old.notes, *(() if old.source is None else old.source.warnings))
    right, before = mine.correct, theirs.correct[rows]
    seed = derive(config.seed, "comparison")
    parts = compare_parts(_all_cuts(mine, cuts), right, before, mine.group, seed=seed)
    difference = difference_of(right, before, mine.group)
    flips = _flips(new, old, rows)
    shown = [one for kind in (BROKEN, FIXED) for one in [flip for flip in flips if flip.change == kind][:_MOST_FLIPS]]
    power = None if config.no_worse is None else gate_power(difference, config.no_worse)
    comparison = ClassifierComparison(
        against=old.name,
        against_sha256=old.sha256,
        new=share_of(right, mine.group),
        old=share_of(before, mine.group),
        difference=difference,
        p=p_of_pairs(right, before, mine.group, seed=seed),
        fixed=int((right & ~before).sum()),
        broken=int((before & ~right).sum()),
        parts=parts,
        flips=tuple(shown),
        margin=config.no_worse,
        power=None if power is None else power.power,
        needed=None if power is None else power.needed,
    )
    pictures = None if config.output is None or not shown else _pictures(new, old, rows, [one.index for one in shown])
    return ComparedClassifiers(comparison, flips, (*notes, *_notes(comparison, config)), pictures)


def _check_left(config: EvalConfig, new: Side, left: str) -> None:
    """Refuse a gate on the difference where the new classifier lacks examples of the old one: those it fails on, maybe."""
    gated = config.no_worse is not None or (config.fail_under is not None and config.fail_under[0] == DIFFERENCE)
    if left and gated and config.limit is None:
        message = f"{new.name}: has no prediction for {left}"
        raise InputError(message, hint="a gate on the difference needs predictions of both for the same examples")


def _itself(new: Side, old: Side, rows: NDArray[np.intp]) -> tuple[str, ...]:
    """That both are one and the same, so that the difference is 0 and a gate passes whatever the network is like."""
    names = [np.array(one.predictions.outputs, dtype=object)[one.predictions.predicted] for one in (new, old)]
    if new.sha256 != old.sha256 or not np.array_equal(names[0], names[1][rows]):
        return ()
    has = "has the same weights" if new.source is None else "is the same table"
    return (f"{new.name} is compared with itself: {old.name} {has}, by its SHA-256.",)


def _other_cells(config: EvalConfig, new: Side, old: Side, rows: NDArray[np.intp]) -> list[str]:
    """Which columns of `slices` and `group` are not the same in both tables, with the first row that differs."""
    said = []
    for name in dict.fromkeys((*config.slices, *filter(None, [config.group]))):
        if name in new.columns and name in old.columns:
            mine, theirs = new.columns[name].astype(str), old.columns[name].astype(str)[rows]
            differ = np.flatnonzero(mine != theirs)
            if len(differ):
                k = differ[0]
                what = f"'{mine[k]}' in row {k + 1:,} of {new.name} and '{theirs[k]}' in {old.name}"
                said.append(f"Column '{name}' differs in {count(len(differ), 'example')}: {what}; that of {new.name} counts.")
    return said


def failed_margin(config: EvalConfig, found: ClassifierComparison | None) -> str:
    """What is not established to be no worse by more than `no_worse`; empty if everything is, or there is no such gate."""
    if found is None or config.no_worse is None:
        return ""
    wanted = [("all examples", found.difference), *((_named(one), one.difference) for one in _gated(config, found))]
    failing = [
        f"{name} {apart_from(difference, difference.low, -config.no_worse)}"
        for name, difference in wanted
        if not no_worse(difference, config.no_worse)
    ]
    if not failing:
        return ""
    more = f" and {count(len(failing) - 3, 'more slice')}" if len(failing) > 3 else ""
    return f"not established to be at most {config.no_worse:g} worse than {found.against}: {'; '.join(failing[:3])}{more}"


def write_flips(folder: Path, flips: Sequence[Flip]) -> None:
    """Write all examples that changed to flips.csv in a folder."""
    columns = ["index", "file", "change", "true", "old", "new", "old_probability", "new_probability"]
    if not any(one.file for one in flips):
        columns.remove("file")
    stream = io.StringIO()
    write_csv(Table(columns, [[getattr(one, name) for name in columns] for one in flips]), stream)
    write_text(folder / FLIPS, stream.getvalue())


def _pictures(new: Side, old: Side, rows: NDArray[np.intp], shown: list[int]) -> NDArray[np.floating] | None:
    """Pictures of examples from the side that is a network."""
    if new.pictures is not None:
        return new.pictures(shown)
    return None if old.pictures is None else old.pictures(rows[shown].tolist())


def _opened(config: EvalConfig, new: Side, source: str, report: Reporter) -> Side:
    if is_prediction_file(source):
        # All rows, in whatever order they are.
        opened = open_predictions(replace(config, group=None, limit=None), source, alone=False, other=True)
        read = [table for table in (new.source, opened.source) if table is not None]
        check_tables(table_format(config), *read)
        for warning in opened.source.warnings:
            report.warn(warning)
        save_bad_rows(config.skip_bad, *read)
        return Side(
            name=source,
            sha256=opened.sha256,
            predictions=opened.predictions,
            files=None if opened.table.files is None else [str(one) for one in opened.table.files],
            ids=opened.ids,
            columns=opened.table.metadata,
            source=opened.source,
            notes=tuple(f"{source}: {note}" for note in opened.table.notes),
            read_as=opened.table.read_as,
        )
    from dlcli.engines.eval.images import side_of_network  # here, since it imports torch

    return side_of_network(config, source, report)


def _all_cuts(predictions: Predictions, cuts: Sequence[ExampleSlice]) -> list[ExampleSlice]:
    """The classes that have examples, and then the slices."""
    if any(one.column == CLASS for one in cuts):
        return list(cuts)
    there = np.unique(predictions.y).tolist()
    return [*(ExampleSlice(CLASS, predictions.outputs[k], predictions.y == k) for k in there), *cuts]


def _flips(new: Side, old: Side, rows: NDArray[np.intp]) -> tuple[Flip, ...]:
    """All examples that changed, the broken ones first, those with the most confident wrong prediction first."""
    mine, theirs = new.predictions, old.predictions
    sure = [None if one.confidence is None else one.confidence for one in (mine, theirs)]
    found = [
        Flip(
            index=k,
            file="" if new.files is None else new.files[k],
            change=FIXED if mine.correct[k] else BROKEN,
            true=mine.outputs[mine.y[k]],
            old=theirs.outputs[theirs.predicted[rows[k]]],
            new=mine.outputs[mine.predicted[k]],
            old_probability=None if sure[1] is None else float(sure[1][rows[k]]),
            new_probability=None if sure[0] is None else float(sure[0][k]),
        )
        for k in np.flatnonzero(mine.correct != theirs.correct[rows]).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (one.change != BROKEN, -(_wrong_probability(one) or 0.0), one.index)))


def _wrong_probability(one: Flip) -> float | None:
    return one.new_probability if one.change == BROKEN else one.old_probability


def _gated(config: EvalConfig, found: ClassifierComparison) -> list[ComparedPart]:
    return [one for one in found.parts if one.column in config.slices]


def _named(one: ComparedPart) -> str:
    return f"{one.column}={one.name}"


def _beside_level(p: float) -> str:
    """A p-value in as many digits as tell it from the level."""
    return next((text for k in (2, 3, 4) if float(text := f"{p:.{k}g}") != LEVEL), f"{p:.5g}")


def _notes(found: ClassifierComparison, config: EvalConfig) -> tuple[str, ...]:
    parts = count(len(found.parts), "class or slice", "classes and slices")
    test = "McNemar's exact test" if config.group is None else f"exchanging both in whole groups of '{config.group}'"
    notes = [
        f"The difference of all examples is established if its 95% interval excludes 0; a class or slice is better or worse if "
        f"{test} is significant at 5% after Holm's correction for {parts}."
    ]
    if (found.p <= LEVEL) != found.difference.established:
        kind = "more conservative" if config.group is None else "another test"
        notes.insert(
            0,
            f"The verdict on all examples, {found.difference.verdict}, is that of the interval; {test} is {kind} and has p "
            f"{_beside_level(found.p)}.",
        )
    if found.margin is not None and found.power is not None:
        notes.append(
            f"The gate passes if the whole interval is above {-100 * found.margin:g} points. Two equally good classifiers that "
            f"differ on as many examples pass in {100 * found.power:.0f}% of such test sets; for 80% it takes "
            f"{count(found.needed or 0, 'example')}."
        )
    return tuple(notes)
