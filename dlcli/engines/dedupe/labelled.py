"""Pairs drawn at random to be labelled (`label`), and what the labels tell of the table (`labelled`)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlcli.core.pairs.labelled import label_of
from dlcli.core.text.distinct import Distinct
from dlcli.core.text.review.sampling import LabelledSample, Stratum, draw, shuffled, strata
from dlcli.core.text.scoring.explanation import explain
from dlcli.core.text.scoring.operating_point import GRID, smallest_reaching
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.core.text.strict import strict_keys
from dlcli.core.text.table_input import open_table
from dlcli.core.text.tokens import fold_all
from dlcli.engines.dedupe.scores import effective_threshold, lowest_labelled
from dlcli.specs.dedupe import LABEL_COLUMNS, DedupeConfig
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.tables import Table, cell_text

_DIGITS = 4
_HINT = "print the pairs again with `label`, from this table and with the same options, and fill in is_duplicate"


class LabelledRow(NamedTuple):
    """A row of the completed table."""

    row: int
    texts: tuple[str, str]
    label: bool | None
    score: float
    stratum: Stratum


@dataclass(frozen=True)
class LabelledEstimates:
    """What the labels tell: a threshold, given or chosen by them, and the figures there, None if too few pairs are labelled.

    Attributes:
        threshold: The threshold.
        precision: Fraction of the pairs at or above it that are duplicates.
        found: Fraction of the duplicates among the pairs from `found_from` on that are at or above it.
        found_from: Smallest probability of a pair that could be drawn.
        labelled: Number of labelled pairs.
        note: A remark on rows without a label, "" if there are none.
    """

    threshold: float
    precision: Estimate | None
    found: Estimate | None
    found_from: float
    labelled: int
    note: str


def label_table(config: DedupeConfig, table: Table, texts: Distinct, pairs: ScoredPairs, wanted: int) -> Table:
    """Draw pairs to label, half of them at or above the threshold, in the columns that `dlcli train` reads for pairs.

    Args:
        config: Gives the threshold.
        table: The table, for its format.
        texts: Its distinct texts.
        pairs: The scored pairs.
        wanted: Number of pairs.

    Returns:
        The pairs in the order in which they were drawn, with an empty column of labels, to be filled in.
    """
    threshold = effective_threshold(config)
    lowest = lowest_labelled(threshold)
    parts = strata(lowest, threshold)
    rows = []
    for k in draw(parts, pairs.probability, wanted):
        a, b = texts.texts[pairs.pairs.first[k]], texts.texts[pairs.pairs.second[k]]
        probability = float(pairs.probability[k])
        (within,) = [part for part in parts if part.holds(pairs.probability[k : k + 1])[0]]
        rows.append([a, b, None, round(probability, _DIGITS), explain(a, b), f"{within.low:g} to {within.high:g}"])
    return replace(table, columns=list(LABEL_COLUMNS), rows=rows, origin=None, origin_columns=0, origin_rows=())


def check_no_labels_lost(path: Path | None) -> None:
    """Raise UsageError if a file that is to be written holds labels."""
    if path is None or not path.is_file():
        return
    try:
        table = open_table(str(path))
    except InputError:
        return  # another kind of file, as for any output
    if "is_duplicate" not in table.columns:
        return
    place = table.columns.index("is_duplicate")
    filled = sum(bool(cell_text(row[place]).strip()) for row in table.rows)
    if filled:
        message = f"`output`: {path} holds {count(filled, 'label')}, which would be lost"
        raise UsageError(message, hint="name another file, or remove this one")


def label_note(config: DedupeConfig, rows: int) -> str:
    """A sentence on why `label` gave fewer rows than it asks for, "" if it did not."""
    if config.label is None or rows >= config.label:
        return ""
    lowest = lowest_labelled(effective_threshold(config))
    why = f"no other one has a probability of {lowest:g} or more, half the threshold"
    return f"{count(rows, 'pair')} to label, not {config.label:,}: {why}"


def read_labelled(path: Path) -> list[LabelledRow]:
    """Read a completed table of pairs; raises InputError, naming file, row and column."""
    table = open_table(str(path))
    missing = [name for name in LABEL_COLUMNS if name not in table.columns and name != "why"]
    if missing:
        raise InputError(f"{path}: has no column '{missing[0]}', so its pairs were not drawn by `label`", hint=_HINT)
    places = [table.columns.index(name) for name in ("question1", "question2", "score", "stratum")]
    rows = []
    for k, cells in enumerate(table.rows):
        a, b, score, stratum = (cell_text(cells[place]).strip() for place in places)
        bounds = re.fullmatch(r"([\d.]+) to ([\d.]+)", stratum)
        try:
            within, probability = Stratum(*map(float, bounds.groups() if bounds else ())), float(score.replace(",", "."))
        except (TypeError, ValueError):
            raise InputError(f"{path}: row {k + 1}: '{stratum}' or '{score}' was changed", hint=_HINT) from None
        label = label_of(table, k, table.columns.index("is_duplicate"))
        rows.append(LabelledRow(k + 1, (a, b), label, probability, within))
    if not any(row.label is not None for row in rows):
        raise InputError(f"{path}: no pair has a label", hint="fill in is_duplicate with 1 or 0")
    return rows


def estimate_by_labels(path: Path, config: DedupeConfig, texts: Distinct, scored: ScoredPairs) -> LabelledEstimates:
    """Estimate the precision in the table from labelled pairs, at a given threshold or one with the wanted `precision`.

    Args:
        path: The completed table of `label`.
        config: Gives `threshold` or `precision`.
        texts: The distinct texts.
        scored: The scored pairs, from which the sample was drawn.

    Returns:
        The threshold and the figures there.

    Raises:
        InputError: The file cannot be read, or its pairs are not a sample of these.
        UsageError: The threshold is below what the pairs were drawn from.
        CheckFailedError: No threshold has the wanted precision.
    """
    rows = read_labelled(path)
    lowest, threshold = min(row.stratum.low for row in rows), effective_threshold(config)
    if config.precision is None and threshold < lowest:
        message = f"`threshold` {threshold:g} is below {lowest:g}, the smallest probability of a pair drawn for {path}"
        hint = f"pass `threshold={lowest:g}` or more, or draw pairs again with `label` at the lower threshold"
        raise UsageError(message, hint=hint)
    pair = _places(path, rows, _pair_numbers(texts, scored, rows), scored)
    kept = {k: row.label for k, row in zip(pair, rows, strict=True) if row.label is not None}
    drawn = np.array(list(kept), np.intp)
    parts = sorted({row.stratum for row in rows}, reverse=True)
    sample = LabelledSample(parts, scored.probability, scored.probability[drawn], np.array(list(kept.values()), bool))
    if config.precision is not None:
        found = {t: sample.precision(t) for t in GRID if t >= lowest}
        known = {t: estimate for t, estimate in found.items() if estimate is not None}
        bound_of = f"the lower bound by the {count(len(kept), 'labelled pair')} of {path}"
        threshold = smallest_reaching(known, config.precision, bound_of, "label more pairs: `label` with a larger number")
    return LabelledEstimates(
        threshold, sample.precision(threshold), sample.found(threshold), lowest, len(kept), _unlabelled(path, rows)
    )


def _pair_numbers(texts: Distinct, scored: ScoredPairs, rows: Sequence[LabelledRow]) -> list[int]:
    """The number of the scored pair in each row, -1 if its texts are no such pair.

    Within blocks several pairs may have the same texts; rows with these stand for those of their probability, in the order in
    which they are drawn.
    """
    fold, keys = strict_keys if texts.strict else fold_all, texts.keys_in_block
    drawn = np.concatenate([shuffled(part, scored.probability) for part in {row.stratum for row in rows}])
    last_first = np.append(np.setdiff1d(np.arange(len(scored.probability)), drawn), drawn[::-1]).tolist()
    first, second = scored.pairs.first.tolist(), scored.pairs.second.tolist()
    probability = np.round(scored.probability, _DIGITS).tolist()
    pairs: dict[tuple[str, ...], dict[float, list[int]]] = {}
    for k in last_first:
        pairs.setdefault(_unordered(keys[first[k]], keys[second[k]]), {}).setdefault(probability[k], []).append(k)
    of_texts = [pairs.get(_unordered(*fold(row.texts)), {}) for row in rows]
    found = [_nearest(some, row.score) for some, row in zip(of_texts, rows, strict=True)]
    return [same.pop() if len(same) > 1 else same[0] for same in found]


def _nearest(pairs: Mapping[float, list[int]], probability: float) -> list[int]:
    """The pairs of the nearest probability: halves of the last digit are not rounded alike everywhere."""
    return pairs[min(pairs, key=lambda each: abs(each - probability))] if pairs else [-1]


def _unordered(*keys: str) -> tuple[str, ...]:
    return tuple(sorted(keys))


def _places(path: Path, rows: Sequence[LabelledRow], pair: list[int], scored: ScoredPairs) -> list[int]:
    """The numbers of the pairs, once it is sure that these are a random sample of the scored pairs."""
    for k, row in zip(pair, rows, strict=True):
        probability = float(scored.probability[k]) if k >= 0 else -1.0
        inside = k >= 0 and row.stratum.holds(scored.probability[k : k + 1])[0]
        if not inside or abs(probability - row.score) > 10.0**-_DIGITS:
            has = f"has a probability of {probability:.4f} and not {row.score:g}" if k >= 0 else "is not one of this table"
            raise InputError(f"{path}: row {row.row}: this pair {has}: the table or options were others", hint=_HINT)
    for stratum in {row.stratum for row in rows}:
        of_rows = [k for k, row in zip(pair, rows, strict=True) if row.stratum == stratum]
        if set(shuffled(stratum, scored.probability)[: len(set(of_rows))].tolist()) != set(of_rows):
            message = f"{path}: its rows from {stratum.low:g} to {stratum.high:g} are not those that `label` draws first"
            raise InputError(message, hint="keep all rows, and leave is_duplicate empty where you cannot tell")
    if len(set(pair)) < len(pair):
        again = next(row for place, row in enumerate(rows) if pair[place] in pair[:place])
        raise InputError(f"{path}: row {again.row}: this pair stands in an earlier row, too", hint="keep one of them")
    return pair


def _unlabelled(path: Path, rows: Sequence[LabelledRow]) -> str:
    """A remark on rows without a label before the last one with a label."""
    last = max(k for k, row in enumerate(rows) if row.label is not None)
    skipped = sum(row.label is None for row in rows[:last])
    if not skipped:
        return ""
    rest = "if these are the hard ones, the figures are too good"
    return f"{path}: {count(skipped, 'row')} without a label among the others; {rest}"
