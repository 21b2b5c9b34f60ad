"""The option `pair_columns`: score the two texts within each row of a table."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.columns import find_column, texts_of
from dlcli.core.text.mask import mask_texts
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.explanation import explain
from dlcli.core.text.scoring.scored_pairs import PairContext, rounded_probability
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.tokens import fold_all
from dlcli.engines.dedupe.scores import choose_scorer, describe_threshold, effective_threshold, precision_of, resolve_alone
from dlcli.engines.dedupe.stages import read_input_table
from dlcli.specs.dedupe import PAIR_VERDICT_COLUMNS, STRICT, VERDICTS, DedupeConfig, DuplicatePair, PairColumnsResult
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.row_store import collected_rows
from dlcli.support.tables import Table

_DIGITS = 4
_SHOWN = 10
_BLOCK = 1 << 13
"""Rows scored at once, so that memory beyond the table itself does not grow with it."""


def classify_pair_columns(config: DedupeConfig, report: Reporter) -> PairColumnsResult:
    """Classify the two texts within each row as duplicate or different; a row that lacks one gets no score and no verdict.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    scorer = choose_scorer(config)
    config, precision = resolve_alone(config)
    table, notes, left, right = _read_pairs(config)
    for note in notes:
        report.note(note)
    for warning in table.warnings:
        report.warn(warning)
    save_bad_rows(config.skip_bad, table)
    probability = _probabilities(scorer, left, right, config.fold == STRICT, report)
    predicted = probability >= effective_threshold(config)
    cells = collected_rows(_cells(probability, predicted, left, right))
    extended = table.extend(_added(config), lambda start, stop: cells[start:stop])
    duplicates, empty = int(predicted.sum()), int(np.isnan(probability).sum())
    return PairColumnsResult(
        source=table.name,
        columns=config.pair_columns,
        model=str(config.model or ""),
        threshold=effective_threshold(config),
        precision=precision,
        precision_of=precision_of(config),
        rows_read=len(left),
        rows_empty=empty,
        rows_duplicate=duplicates,
        rows_different=len(left) - duplicates - empty,
        most_probable=_most_probable(probability, predicted, left, right),
        seconds=time.perf_counter() - started,
        table=extended,
        notes=(*notes, *table.warnings),
        failed=f"{count(duplicates, 'duplicate')} in {table.name}" if config.fail_on_duplicates and duplicates else "",
    )


def plan_pairs(config: DedupeConfig) -> list[str]:
    """Describe what `classify_pair_columns` would do, one line per step; reads the table, but scores nothing."""
    choose_scorer(config)
    config, precision = resolve_alone(config)
    table = _read_pairs(config).table
    return [
        f"read {count(len(table.rows), 'row')} from {table.name}",
        f"score the texts of {' and '.join(config.pair_columns)} in each",
        describe_threshold(config, precision),
        f"write all rows with the columns {', '.join(_added(config))} to {config.output or 'standard output'}",
    ]


def _added(config: DedupeConfig) -> list[str]:
    return [config.prefix + name for name in PAIR_VERDICT_COLUMNS]


class _PairTable(NamedTuple):
    """A table of pairs, remarks on the input, and the texts of both columns, "" where a cell is empty."""

    table: Table
    notes: list[str]
    left: Sequence[str]
    right: Sequence[str]


def _read_pairs(config: DedupeConfig) -> _PairTable:
    table, notes = read_input_table(config, _added(config))
    places = [find_column(table, name, field="pair_columns") for name in config.pair_columns]
    if len(set(places)) < len(places):
        message = f"`pair_columns={','.join(config.pair_columns)}` names column '{table.columns[places[0]]}' twice"
        raise InputError(message, hint="name each column once")
    left, right = (mask_texts(texts_of(table, place).texts, config.mask) for place in places)
    return _PairTable(table, notes, left, right)


def _probabilities(scorer: Scorer, left: Sequence[str], right: Sequence[str], strict: bool, report: Reporter) -> Floats:
    """The probability of each row, (rows,), NaN where a text folds to nothing."""
    empty = _blank if strict else _empty
    with report.task("scoring, pairs", total=len(left)) as task:
        parts = [np.empty(0)]
        for start in range(0, len(left), _BLOCK):
            a, b = left[start : start + _BLOCK], right[start : start + _BLOCK]
            found = rounded_probability(
                scorer, [*a, *b], np.arange(len(a)), len(a) + np.arange(len(a)), PairContext(strict=strict)
            )
            parts.append(np.where(empty(a) | empty(b), np.nan, found))
            task.advance(len(a))
    return np.concatenate(parts)


def _empty(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([not key for key in fold_all(texts)], bool)


def _blank(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([not text.strip() for text in texts], bool)


def _cells(
    probability: Floats, predicted: NDArray[np.bool_], left: Sequence[str], right: Sequence[str]
) -> Iterator[list[object]]:
    """The cells of `PAIR_VERDICT_COLUMNS`, one list per row."""
    shown = probability.round(_DIGITS).tolist()
    for score, verdict, a, b in zip(shown, predicted.tolist(), left, right, strict=True):
        # NaN is the only number that differs from itself.
        yield [None, None, None] if score != score else [score, VERDICTS[verdict], explain(a, b)]


def _most_probable(
    probability: Floats, predicted: NDArray[np.bool_], left: Sequence[str], right: Sequence[str]
) -> tuple[DuplicatePair, ...]:
    """The most probable duplicates below a probability of 1, which only texts that are equal after folding have."""
    rows = np.flatnonzero(predicted & (probability < 1))
    rows = rows[np.argsort(-probability[rows], kind="stable")][:_SHOWN].tolist()
    return tuple(
        DuplicatePair(row=k + 1, score=round(float(probability[k]), _DIGITS), text_a=left[k], text_b=right[k]) for k in rows
    )
