"""Which rows of a table ask the same: the engine of `dlcli dedupe`."""

import time
from dataclasses import replace

import numpy as np

from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.vectors import check_vectors
from dlcli.engines.dedupe.against import dedupe_against
from dlcli.engines.dedupe.index import dedupe_with_index
from dlcli.engines.dedupe.pair_columns import classify_pair_columns, plan_pairs
from dlcli.engines.dedupe.review import label_table, make_review, write_review
from dlcli.engines.dedupe.stages import (
    DedupeState,
    TextColumn,
    added_columns,
    assign_rows,
    choose_scorer,
    describe_threshold,
    distinct_texts,
    effective_threshold,
    find_candidates,
    group_sizes,
    group_texts,
    min_cosine,
    read_text_column,
    resolve_threshold,
    score_pairs,
)
from dlcli.engines.dedupe.tables import grouped_table, largest_groups, pairs_table
from dlcli.specs.dedupe import DedupeConfig, DedupeResult, PairColumnsResult
from dlcli.specs.estimates import Estimate
from dlcli.support.garbage import gc_disabled
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.tables import Table


@gc_disabled()
def run(config: DedupeConfig, *, report: Reporter = SILENT) -> DedupeResult | PairColumnsResult:
    """Group the rows of a table whose texts are equal after folding, or are duplicates with a probability from --threshold on.

    Pairs whose vectors have a cosine from --candidates on are scored. Groups are stars: every member is at or above the
    threshold to its canonical text, whatever the order of the rows. Rows without text are passed through, in no group.
    With --pair-columns the two texts of each row are judged instead.
    Raises the kinds of `dlcli.support.errors`.
    """
    if config.pair_columns:
        return classify_pair_columns(config, report)
    started = time.perf_counter()
    check_vectors(config.vectors)
    scorer = choose_scorer(config)
    config, precision = resolve_threshold(config)
    sheet = read_text_column(config, report)
    if config.index is not None:
        met = dedupe_with_index(config, config.index, sheet, scorer, report)
    elif config.against is not None:
        met = dedupe_against(config, config.against, sheet, scorer, report)
    else:
        met = _alone(config, sheet, scorer, report)
    if config.review is not None:
        write_review(config.review, make_review(config, sheet, met.texts, met.judged), report)
    result = _result(config, met, _table(config, met), precision, started)
    if result.oversized_groups:
        report.warn(_oversized(config, result))
    return result


def plan(config: DedupeConfig) -> list[str]:
    """Describe what `run` would do, one line per step; reads the table, but compares nothing."""
    if config.pair_columns:
        return plan_pairs(config)
    check_vectors(config.vectors)
    choose_scorer(config)
    config, precision = resolve_threshold(config)
    sheet = read_text_column(config, SILENT)
    columns = added_columns(config.prefix, earlier=config.has_earlier)
    if config.label is not None:
        what = f"the {config.label:,} pairs nearest that"
    elif config.pairs:
        what = "the pairs"
    else:
        what = f"{'the canonical rows' if config.keep else 'all rows'} with the columns {', '.join(columns)}"
    earlier = config.against or f"the index {config.index}, and add these"
    column, cosine = sheet.table.columns[sheet.place], f"{config.vectors} cosine of {min_cosine(config):g} or more"
    return [
        f"read {len(sheet.table.rows):,} rows from {sheet.table.name}",
        f"score pairs of column '{column}' with a {cosine}",
        f"{describe_threshold(config, precision)}, and group by the rule {config.keep_rule}",
        *([f"compare with the rows of {earlier}"] if config.has_earlier else []),
        f"write {what} to {config.output or 'standard output'}",
        *([f"write a page for labelling pairs to {config.review}"] if config.review else []),
    ]


def _alone(config: DedupeConfig, sheet: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    texts = distinct_texts(config, sheet)
    candidates = find_candidates(config, texts, report)
    judged = score_pairs(scorer, texts, candidates.pairs)
    stars = group_texts(config, texts, judged.duplicates(effective_threshold(config)))
    return DedupeState(sheet, texts, candidates, judged, assign_rows(texts, stars))


def _table(config: DedupeConfig, met: DedupeState) -> Table:
    if config.label is not None:
        table = label_table(met.sheet.table, make_review(config, met.sheet, met.texts, met.judged), config.label)
    elif config.pairs:
        table = pairs_table(met.sheet, met.texts, met.judged.duplicates(effective_threshold(config)))
    else:
        table = grouped_table(met.sheet, met.texts, met.verdicts, prefix=config.prefix, keep=config.keep, earlier=met.earlier)
    return replace(table, excel_safe=config.excel_safe)


def _result(config: DedupeConfig, met: DedupeState, table: Table, precision: Estimate | None, started: float) -> DedupeResult:
    sheet, verdicts, candidates = met.sheet, met.verdicts, met.candidates
    twice, near = ~verdicts.canonical, verdicts.text != verdicts.centre
    sizes = group_sizes(verdicts, met.earlier)[np.unique(verdicts.centre[twice])]
    return DedupeResult(
        source=sheet.table.name,
        column=sheet.table.columns[sheet.place],
        vectors=config.vectors,
        model=str(config.model or ""),
        candidates_from=candidates.level,
        threshold=effective_threshold(config),
        precision=precision,
        keep_rule=config.keep_rule,
        rows_read=len(sheet.table.rows),
        rows_empty=len(sheet.table.rows) - len(verdicts.rows),
        rows_exact=int((twice & ~near).sum()),
        rows_near=int(near.sum()),
        rows_canonical=int(verdicts.canonical.sum()),
        groups=len(sizes),
        oversized_groups=int((sizes > config.max_group).sum()),
        candidates=len(candidates.pairs),
        pairs=int((met.judged.probability >= effective_threshold(config)).sum())
        + len(verdicts.rows)
        - len(np.unique(verdicts.text)),
        recall=candidates.recall,
        largest=largest_groups(sheet, verdicts, met.earlier),
        seconds=time.perf_counter() - started,
        table=table,
        notes=sheet.notes,
        failed=_failed(config, sheet.table, int(twice.sum())),
    )


def _oversized(config: DedupeConfig, result: DedupeResult) -> str:
    first = result.largest[0]
    have = "group has" if result.oversized_groups == 1 else "groups have"
    where = f"{first.size:,} rows with row {first.canonical_row}, '{first.canonical_text[:40]}'"
    large = f"{result.oversized_groups:,} {have} more than {config.max_group:,} rows (`max_group`)"
    return f"{result.source}: {large}; the largest: {where}"


def _failed(config: DedupeConfig, table: Table, duplicates: int) -> str:
    if not (config.fail_on_duplicates and duplicates):
        return ""
    are = "is a duplicate" if duplicates == 1 else "are duplicates"
    return f"{duplicates:,} of the {len(table.rows):,} rows of {table.name} {are}"
