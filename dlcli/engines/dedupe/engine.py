"""Run and plan `dlcli dedupe`.

What only some runs need is imported where they need it, since that takes a tenth of the time of a small table.
"""

import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.mask import masks_that_help
from dlcli.core.text.scoring.explanation import KINDS
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.vectors import check_vectors
from dlcli.engines.dedupe.candidates import min_cosine
from dlcli.engines.dedupe.cells import find_and_score
from dlcli.engines.dedupe.labelled import check_no_labels_lost, estimate_by_labels, label_note, label_table
from dlcli.engines.dedupe.missed import count_unscored
from dlcli.engines.dedupe.own_input import check_no_rows_lost
from dlcli.engines.dedupe.resume import cells_kept, parts_folder, remove_cells
from dlcli.engines.dedupe.scores import (
    ResolvedThreshold,
    choose_scorer,
    corrected,
    corrected_sample,
    describe_threshold,
    effective_threshold,
    precision_of,
    resolve_alone,
    resolve_in_table,
    scores_alone,
    table_words,
)
from dlcli.engines.dedupe.stages import (
    DedupeState,
    TextColumn,
    added_columns,
    assign_rows,
    distinct_texts,
    group_sizes,
    group_texts,
    read_text_column,
)
from dlcli.engines.dedupe.tables import (
    Explanations,
    equal_once_masked,
    explain_duplicates,
    grouped_table,
    largest_groups,
    pairs_table,
)
from dlcli.engines.trusted import only_named_code
from dlcli.specs.dedupe import LOWEST_COSINE, STRICT, DedupeConfig, DedupeResult, PairColumnsResult
from dlcli.specs.dedupe_images import DedupeImagesResult
from dlcli.specs.dedupe_index import ForgetResult
from dlcli.specs.estimates import Estimate
from dlcli.support.finish import finish
from dlcli.support.garbage import gc_disabled
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.scratch import scratch_beside
from dlcli.support.tables import Table

DedupeOutcome = DedupeResult | PairColumnsResult | DedupeImagesResult | ForgetResult


@gc_disabled()
@only_named_code
def run(config: DedupeConfig, *, report: Reporter = SILENT) -> DedupeOutcome:
    """Group the rows of a table whose texts are equal after folding, or duplicates with a probability of `threshold` or more.

    Pairs of texts that are alike are scored, see `candidates`. Groups come from star clustering (Aslam et al. 2004):
    every member is a duplicate of the canonical text itself, whatever the order of the rows. Rows without text are in no group.
    With `pair_columns` the two texts within each row are compared instead; of a folder its images are. Without a table, rows
    are removed from an index. Raises the kinds of `dlcli.support.errors`.
    """
    check_no_rows_lost(config)
    with scratch_beside(config.output):
        return _other_mode(config, report) or _run_on_table(config, report)


def _other_mode(config: DedupeConfig, report: Reporter) -> DedupeOutcome | None:
    """What a run does that compares no rows of a table with each other; None if the run is none of these."""
    if config.only_forgets and config.index is not None:
        from dlcli.engines.dedupe.index_forget import forget_rows

        return forget_rows(config, config.index, report)
    if _is_image_folder(config):
        from dlcli.engines.dedupe.images import dedupe_images

        return dedupe_images(config, report)
    if config.pair_columns:
        from dlcli.engines.dedupe.pair_columns import classify_pair_columns

        return classify_pair_columns(config, report)
    return None


def _is_image_folder(config: DedupeConfig) -> bool:
    """Whether the input is a folder, which holds images, and not a table."""
    return config.table is not None and not isinstance(config.table, InMemory) and Path(config.table).is_dir()


def _preferred_column(config: DedupeConfig) -> str | None:
    """The text column that an index was made with, if the run does not name one."""
    if config.index is None:
        return None
    from dlcli.engines.dedupe.index_changes import preferred_column

    return preferred_column(config)


def _run_on_table(config: DedupeConfig, report: Reporter) -> DedupeResult:
    started = time.perf_counter()
    if config.label is not None:
        check_no_labels_lost(config.output)
    check_vectors(config.vectors)
    scorer = choose_scorer(config)
    config, precision = resolve_alone(config)
    text_column = read_text_column(config, report, _preferred_column(config))
    save_bad_rows(config.skip_bad, text_column.table)
    state = _state(config, text_column, scorer, report)
    config, precision = _resolve(config, state, precision)
    if config.review is not None:
        from dlcli.engines.dedupe.review import make_review, write_review

        write_review(config.review, make_review(config, text_column, state.texts, state.scored), report)
    reasons = explain_duplicates(state.text_column, state.texts, state.assignments)
    result = _result(config, state, _table(config, state, reasons), Counter(reasons.match), precision, started)
    # Named now: once the output is written, a link such as /dev/stdout may lead elsewhere.
    finish(partial(remove_cells, parts_folder(config)))
    return _with_remarks(config, state, result, report)


def _resolve(config: DedupeConfig, state: DedupeState, precision: Estimate | None) -> ResolvedThreshold:
    """The threshold and its precision: by labels, by the probabilities in the table, or as `precision` gives it."""
    if state.labelled is not None:
        config = replace(config, precision=None, threshold=state.labelled.threshold)
        return ResolvedThreshold(config, state.labelled.precision)
    return ResolvedThreshold(config, precision) if scores_alone(config) else resolve_in_table(config, state.scored)


@only_named_code
def plan(config: DedupeConfig) -> list[str]:
    """Describe what `run` would do, one line per step; reads the table, but compares nothing."""
    check_no_rows_lost(config)
    if config.only_forgets and config.index is not None:
        from dlcli.engines.dedupe.index_forget import plan_forget

        return plan_forget(config, config.index)
    if _is_image_folder(config):
        from dlcli.engines.dedupe.images import plan_images

        return plan_images(config)
    if config.pair_columns:
        from dlcli.engines.dedupe.pair_columns import plan_pairs

        return plan_pairs(config)
    return _plan_for_table(config)


def _plan_for_table(config: DedupeConfig) -> list[str]:
    check_vectors(config.vectors)
    choose_scorer(config)
    config, precision = resolve_alone(config)
    text_column = read_text_column(config, SILENT, _preferred_column(config))
    columns = added_columns(config.prefix, earlier=config.has_earlier)
    if config.label is not None:
        what = f"{count(config.label, 'pair')} to label, half of them from that on"
    elif config.pairs:
        what = "the pairs"
    else:
        what = f"{'the canonical rows' if config.keep else 'all rows'} with the columns {', '.join(columns)}"
    earlier = config.against or f"the index {config.index}, and add these"
    column, alike = text_column.name, _alike(config)
    return [
        f"read {count(len(text_column.table.rows), 'row')} from {text_column.table.name}",
        f"score pairs of column '{column}' {alike}",
        f"{describe_threshold(config, precision)}, and group by the rule {config.keep_rule}",
        *([f"compare with the rows of {earlier}"] if config.has_earlier else []),
        f"write {what} to {config.output or 'standard output'}",
        *([f"write a page for labelling pairs to {config.review}"] if config.review else []),
    ]


def _alike(config: DedupeConfig) -> str:
    """Which pairs are scored, for `plan`."""
    if config.candidates is None and config.index is None:
        return f"that are most alike by {config.vectors}, all pairs of a small table"
    return f"with a {config.vectors} cosine of {min_cosine(config):g} or more"


def _state(config: DedupeConfig, text_column: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    if config.index is not None:
        from dlcli.engines.dedupe.index import dedupe_with_index

        return dedupe_with_index(config, config.index, text_column, scorer, report)
    if config.against is not None:
        from dlcli.engines.dedupe.against import dedupe_against

        return dedupe_against(config, config.against, text_column, scorer, report)
    return _dedupe_table(config, text_column, scorer, report)


def _dedupe_table(config: DedupeConfig, text_column: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    texts = distinct_texts(config, text_column)
    words = table_words(config, texts)
    with cells_kept(config, report):
        candidates, found, texts = find_and_score(config, texts, scorer, words, report)
    scored = corrected(config, found, texts.rows)
    labelled = estimate_by_labels(config.labelled, config, texts, scored) if config.labelled is not None else None
    threshold = labelled.threshold if labelled else effective_threshold(resolve_in_table(config, scored).config)
    groups = group_texts(config, texts, scored.duplicates(threshold))
    unscored = None
    if candidates.beyond:
        sample = score_pairs(scorer, texts, candidates.beyond.sample, words, candidates.chance)
        unscored = count_unscored(candidates.beyond, corrected_sample(config, sample, found, texts.rows), threshold)
    assignments = assign_rows(texts, groups)
    return DedupeState(text_column, texts, candidates, scored, assignments, labelled=labelled, unscored=unscored)


def _table(config: DedupeConfig, state: DedupeState, reasons: Explanations) -> Table:
    if config.label is not None:
        table = label_table(config, state.text_column.table, state.texts, state.scored, config.label)
    elif config.pairs:
        table = pairs_table(state.text_column, state.texts, state.scored.duplicates(effective_threshold(config)))
    else:
        table = grouped_table(
            *(state.text_column, state.texts, state.assignments, reasons),
            prefix=config.prefix,
            keep=config.keep,
            earlier=state.earlier,
        )
    return replace(table, excel_safe=config.excel_safe)


def _result(
    config: DedupeConfig, state: DedupeState, table: Table, match: Counter[str], precision: Estimate | None, started: float
) -> DedupeResult:
    text_column, assignments, candidates = state.text_column, state.assignments, state.candidates
    duplicate, near = ~assignments.is_canonical, assignments.text != assignments.canonical_text
    places = assignments.rows, assignments.canonical_row
    masked = equal_once_masked(text_column, *places, duplicate & ~near, strict=config.fold == STRICT)
    groups = np.flatnonzero(np.bincount(assignments.canonical_text[duplicate]))
    sizes = group_sizes(assignments, state.earlier)[groups]
    return DedupeResult(
        source=text_column.table.name,
        column=text_column.name,
        within=config.within or "",
        vectors=config.vectors,
        model=str(config.model or ""),
        candidates_from=candidates.min_cosine,
        threshold=effective_threshold(config),
        precision=precision,
        precision_of=precision_of(config),
        labelled_found=state.labelled.found if state.labelled else None,
        labelled_from=state.labelled.found_from if state.labelled else None,
        keep_rule=config.keep_rule,
        rows_read=len(text_column.table.rows),
        rows_empty=len(text_column.table.rows) - len(assignments.rows),
        rows_exact=int((duplicate & ~near & ~masked).sum()),
        rows_masked=int(masked.sum()),
        rows_near=int(near.sum()),
        matches={kind: match[kind] for kind in KINDS},
        rows_canonical=int(assignments.is_canonical.sum()),
        groups=len(sizes),
        oversized_groups=int((sizes > config.max_group).sum()),
        candidates=len(candidates.pairs) + candidates.dropped,
        pairs=int((state.scored.probability >= effective_threshold(config)).sum())
        + len(assignments.rows)
        - int(np.count_nonzero(np.bincount(assignments.text))),
        recall=candidates.recall,
        unscored=state.unscored,
        largest=largest_groups(text_column, assignments, state.earlier),
        seconds=time.perf_counter() - started,
        table=table,
        notes=text_column.notes,
        failed=_failed(config, text_column.table, int(duplicate.sum())),
    )


def _with_remarks(config: DedupeConfig, state: DedupeState, result: DedupeResult, report: Reporter) -> DedupeResult:
    """Report what is odd about the result, and return it with these notes."""
    if result.oversized_groups:
        report.warn(_oversized(config, result))
    labels = state.labelled.note if state.labelled else label_note(config, len(result.table.rows))
    notes = [note for note in (labels, _mask_hint(config, state, result), _unscored(result)) if note]
    for note in notes:
        report.note(note)
    return replace(result, notes=(*result.notes, *notes))


def _oversized(config: DedupeConfig, result: DedupeResult) -> str:
    first = result.largest[0]
    have = "group has" if result.oversized_groups == 1 else "groups have"
    where = f"{count(first.size, 'row')} with row {first.canonical_row}, '{first.canonical_text[:40]}'"
    large = f"{result.oversized_groups:,} {have} more than {count(config.max_group, 'row')} (`max_group`)"
    return f"{result.source}: {large}; the largest: {where}"


def _unscored(result: DedupeResult) -> str:
    """A sentence on duplicates among pairs that were not scored, "" if none are expected."""
    found = result.unscored
    if found is None or not found.low:
        return ""
    number = f"some {found.duplicates:,} [{found.low:,}, {found.high:,}] more pairs would be called duplicates"
    among = f"among the {found.pairs:,} next most alike (by a {result.vectors} cosine of {found.cosine_from:g} or more)"
    remedy = f"; `candidates={found.cosine_from:g}` scores these" if found.cosine_from >= LOWEST_COSINE else ""
    return f"{result.source}: {number} {among}, which were not scored{remedy}"


def _mask_hint(config: DedupeConfig, state: DedupeState, result: DedupeResult) -> str:
    """A sentence that names the option `mask` if it would make many more texts equal, else ""."""
    if config.mask or config.index or config.within:
        return ""
    found = masks_that_help(state.texts.texts, 1 - result.rows_canonical / max(1, result.rows_read - result.rows_empty))
    if found is None:
        return ""
    kinds = " and ".join(filter(None, [", ".join(found.kinds[:-1]), found.kinds[-1]]))
    equal = f"{found.equal:.0%} of the texts equal another one but for {kinds}"
    return f"{result.source}: {equal}; if these do not matter, as in logs: `mask={','.join(found.kinds)}`"


def _failed(config: DedupeConfig, table: Table, duplicates: int) -> str:
    if not (config.fail_on_duplicates and duplicates):
        return ""
    are = "is a duplicate" if duplicates == 1 else "are duplicates"
    return f"{duplicates:,} of the {count(len(table.rows), 'row')} of {table.name} {are}"
