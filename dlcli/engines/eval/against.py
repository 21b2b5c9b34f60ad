"""Compare a classifier with another one on the same examples: `dlcli eval NEW --against OLD`. Needs torch for networks only."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.comparison import LEVEL, compare_parts, gate_power, no_worse, p_of_pairs
from dlcli.core.evaluation.prediction_files import whole_or_text
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.slices import CLASS, ExampleSlice
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.table_input import check_tables
from dlcli.engines.eval.opened_predictions import open_predictions
from dlcli.specs.comparison import BROKEN, FIXED, ClassifierComparison, ComparedPart, Flip
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

Names = Sequence[str]


@dataclass(frozen=True)
class Side:
    """One of both classifiers.

    Attributes:
        name: What it is called.
        sha256: Of its weights, or of the table.
        predictions: Its predictions.
        files: The file of each example, (n,); None without files.
        pictures: Makes pictures (m, c, h, w) of examples by their indices; None for a table.
        ids: What the column `index` of a table calls each example, (n,), no two alike; None without one. A network has the
            examples of the data in their order, which are called by their numbers.
        source: The table without its rows; None for a network.
    """

    name: str
    sha256: str
    predictions: Predictions
    files: Names | None
    pictures: Callable[[list[int]], NDArray[np.floating]] | None = None
    ids: Names | None = None
    source: Table | None = None


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
    rows, notes = _matched(new, old)
    itself = _itself(new, old, rows)
    for warning in itself:
        report.warn(warning)
    notes = (*itself, *notes, *(() if old.source is None else old.source.warnings))
    mine, theirs = new.predictions, old.predictions
    _check_truth(new, old, rows)
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


def _itself(new: Side, old: Side, rows: NDArray[np.intp]) -> tuple[str, ...]:
    """That both are one and the same, so that the difference is 0 and a gate passes whatever the network is like."""
    names = [np.array(one.predictions.outputs, dtype=object)[one.predictions.predicted] for one in (new, old)]
    if new.sha256 != old.sha256 or not np.array_equal(names[0], names[1][rows]):
        return ()
    has = "has the same weights" if new.source is None else "is the same table"
    return (f"{new.name} is compared with itself: {old.name} {has}, by its SHA-256.",)


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
        limit = config.limit if new.files is None and new.ids is None else None  # these are matched by name
        opened = open_predictions(replace(config, group=None, limit=limit), source, alone=False)
        read = [table for table in (new.source, opened.source) if table is not None]
        check_tables(table_format(config), *read)
        for warning in opened.source.warnings:
            report.warn(warning)
        save_bad_rows(config.skip_bad, *read)
        files = None if opened.table.files is None else [str(one) for one in opened.table.files]
        return Side(source, opened.sha256, opened.predictions, files, ids=opened.ids, source=opened.source)
    from dlcli.engines.eval.images import side_of_network  # here, since it imports torch

    return side_of_network(config, source, report)


def _matched(new: Side, old: Side) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The row of the old classifier for each example of the new one, and what is to be said about it."""
    if new.files is not None and old.files is not None and _each_once(new.files) and _each_once(old.files):
        return _matched_by_name(new, old, _ends_of_paths(new.files, old.files), "{}")
    if new.ids is not None and old.ids is not None:
        return _matched_by_name(new, old, _numbers_or_names(new.ids, old.ids), "index {}")
    n, m = len(new.predictions.y), len(old.predictions.y)
    if n != m:
        raise InputError(
            f"{old.name}: has {count(m, 'prediction')}, and {new.name} {n:,}",
            hint="both need predictions for the same examples",
        )
    _check_order(new, old)
    return np.arange(n), ("Examples are matched by their order: not both have names of files, or an index, each once.",)


def _check_order(new: Side, old: Side) -> None:
    """Refuse rows in another order, where both name files that are not each named once."""
    if new.files is None or old.files is None:
        return
    above = [_folders_above(mine, theirs) for mine, theirs in zip(new.files, old.files, strict=True)]
    roots = min((one for one in above if one is not None), key=lambda one: len(one[0]), default=None)
    other = next((k for k, one in enumerate(above) if one is None or one != roots), None)
    if other is None:
        return
    message = f"{old.name}: row {other + 1:,} is {old.files[other]}, and {new.files[other]} in {new.name}"
    hint = "files that several rows name are matched in their order: sort both alike, or give each row its own index"
    raise InputError(message, hint=hint)


def _folders_above(mine: str, theirs: str) -> tuple[list[str], list[str]] | None:
    """The folders of two paths above the longest end that they share; None if they share none."""
    parts = _parts(mine), _parts(theirs)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*map(reversed, parts), strict=False)))
    return (parts[0][:-shared], parts[1][:-shared]) if shared else None


def _matched_by_name(new: Side, old: Side, names: tuple[Names, Names], said: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The same, by what both call each example.

    Args:
        new: The new classifier.
        old: The old one.
        names: Of the examples of the new one, and of the old one, each once.
        said: How a message has a name, as a format.

    Raises:
        InputError: If the old one lacks an example.
    """
    mine, theirs = names
    place = {name: row for row, name in enumerate(theirs)}
    missing = next((name for name in mine if name not in place), None)
    if missing is not None:
        hint = "both need predictions for the same examples"
        raise InputError(f"{old.name}: has no prediction for {said.format(missing)}", hint=hint)
    more = len(theirs) - len(mine)
    left = (f"Not compared: {count(more, 'more example')} of {old.name}.",) if more else ()
    return np.array([place[name] for name in mine], dtype=np.intp), left


def _parts(file: str) -> list[str]:
    return file.replace("\\", "/").strip("/").split("/")


def _each_once(names: Names) -> bool:
    return len(set(names)) == len(names)


def _ends_of_paths(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """Names of files, cut to the longest ends of their paths by which all of the first are among the second, each once.

    Whole paths where there are no such ends: the same files may lie in other folders.
    """
    parts = [[_parts(file) for file in files] for files in (mine, theirs)]
    deepest = max((len(one) for files in parts for one in files), default=1)
    for kept in range(deepest, 0, -1):
        ends = [["/".join(one[-kept:]) for one in files] for files in parts]
        if all(map(_each_once, ends)) and set(ends[0]) <= set(ends[1]):
            return ends[0], ends[1]
    return mine, theirs


def _numbers_or_names(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """What two tables call their examples; whole numbers without the zeros before or behind them that programs add."""
    plain = [[whole_or_text(name) for name in names] for names in (mine, theirs)]
    return (plain[0], plain[1]) if all(map(_each_once, plain)) else (mine, theirs)


def _check_truth(new: Side, old: Side, rows: NDArray[np.intp]) -> None:
    mine, theirs = (np.array(one.predictions.outputs, dtype=object)[one.predictions.y] for one in (new, old))
    other = np.flatnonzero(mine != theirs[rows])
    if not len(other):
        return
    k = int(other[0])
    what = new.files[k] if new.files is not None else f"row {k + 1:,}"
    message = f"{old.name}: the true class of {what} is '{theirs[rows][k]}', and '{mine[k]}' in {new.name}"
    raise InputError(message, hint="are these the same examples, in the same order?")


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
