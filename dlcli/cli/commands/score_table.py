"""Tables and answers of predicted scores, for `train` and `eval`."""

import re
from collections.abc import Sequence
from statistics import fmean

from dlcli.cli.command import TerminalTable
from dlcli.specs.estimates import Ceiling
from dlcli.specs.figures import in_units, number_in_units, scaled
from dlcli.specs.pretraining_result import pretraining_answer
from dlcli.specs.score_text import METRICS, difference_text, metric_text, side_text, third_text
from dlcli.specs.scores import ConstantBaseline, Figure, ScoreEvalResult, ScoreMetric, ScoreThird, ScoreTrainResult
from dlcli.specs.train_result import Comparison
from dlcli.support.plural import count

_SEEDS_SHOWN = 6
_REASON = re.compile(r" \(no interval: (.*)\)$")


def score_train_table(result: ScoreTrainResult) -> TerminalTable:
    """One network, two in pairs, or several."""
    if result.comparisons and result.comparisons[0].variants:
        return _arms(result)
    return _versus(result) if result.comparisons else _single(result)


def score_eval_table(result: ScoreEvalResult) -> TerminalTable:
    """Metrics beside those of a constant, then errors by third."""
    title = f"{result.model} on {result.data}, {result.split} set"
    rows, reasons = _without_reasons((*_metric_rows(result.metrics, result.baseline), *_third_rows(result.thirds)))
    notes = (*_notes(result.baseline, result.ceiling), *reasons, *result.notes)
    details = (_mistakes(result),) if result.mistakes else ()
    return TerminalTable(
        title, ("metric", "value", "constant"), rows, notes=notes, answer=score_eval_answer(result), details=details
    )


def score_eval_answer(result: ScoreEvalResult) -> str:
    """Correlation and error, and the gain on a constant."""
    shown = _shown({one.name: one.estimate for one in result.metrics})
    n = count(result.n_images, f"{result.split} {result.unit}")
    return f"{result.model} on {result.data}: {shown}, of {n}{_beats(result.baseline)}"


def score_train_answer(result: ScoreTrainResult) -> str:
    """The figures of a network, or the difference of two."""
    names = _variants(result)
    if result.comparisons and len(names) > 2:
        means = _means(result)
        best = next(iter(means))
        seeds = result.comparisons[0].difference.n
        over = f"{count(seeds, 'seed')}, {count(result.n_test, f'test {result.unit}')}"
        return f"highest mean Spearman correlation: {means[best]:.3f} with {best} ({over})"
    if result.comparisons:
        over = f"{count(result.comparisons[0].difference.n, 'seed')}, {count(result.n_test, f'test {result.unit}')}"
        tested = [f"{one.metric} {difference_text(one)}, {one.verdict}" for one in result.comparisons[:2]]
        return f"{names[0]} against {names[1]}: {'; '.join(tested)} ({over})"
    if not result.rows and result.pretraining:
        return pretraining_answer(result.pretraining[0])
    if not result.rows:
        return "stopped before the end"
    shown = _shown({one.name: one.estimate for one in result.rows[-1].metrics})
    beats = "" if result.baseline is None else _beats(result.baseline)
    return f"{result.model} on {result.data}: {shown}, of {count(result.n_test, f'test {result.unit}')}{beats}"


def _shown(found: dict[str, Figure]) -> str:
    mae = f"MAE {in_units(found['mae'])}"
    if "spearman" not in found:
        return f"one score for all, so no correlation; {mae}"
    return f"Spearman {_figure(found['spearman'])}, {mae}"


def _figure(found: Figure | None) -> str:
    return "–" if found is None else scaled(found, decimals=3)


def _beats(baseline: ConstantBaseline) -> str:
    if baseline.gain is None:
        return ""
    how = "better than" if baseline.gain.low > 0 else "worse than" if baseline.gain.high < 0 else "not established against"
    return f"; {how} a constant"


def _metric_rows(metrics: Sequence[ScoreMetric], baseline: ConstantBaseline | None) -> list[tuple[str, ...]]:
    constant = {} if baseline is None else {"mae": baseline.mae, "rmse": baseline.rmse}
    found = {one.name: one.estimate for one in metrics}
    return [(METRICS[name], metric_text(name, found.get(name)), metric_text(name, constant.get(name))) for name in METRICS]


def _third_rows(thirds: Sequence[ScoreThird]) -> list[tuple[str, ...]]:
    return [(f"MAE, {third_text(third)}", in_units(third.mae), "–") for third in thirds]


def _without_reasons(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """Rows whose cells do not say why there is no interval, for a table of 80 columns.

    Returns:
        The rows, and a note for each reason with the names of its rows.
    """
    names: dict[str, dict[str, None]] = {}
    for name, *cells in rows:
        for found in filter(None, map(_REASON.search, cells)):
            names.setdefault(found[1], {})[name] = None
    shown = tuple(tuple(_REASON.sub(" (no interval)", cell) for cell in row) for row in rows)
    return shown, [f"No interval of {', '.join(which)}: {why}." for why, which in names.items()]


def _notes(baseline: ConstantBaseline | None, ceiling: Ceiling | None) -> list[str]:
    notes = []
    if baseline is not None:
        gain = "" if baseline.gain is None else f"; the network's error is smaller by {in_units(baseline.gain)}"
        notes.append(
            f"The constant is the median of the training scores, {baseline.median:g}, and for RMSE their mean, "
            f"{baseline.mean:.3g}{gain}."
        )
    if ceiling is not None:
        rest = ceiling.one_against_rest.get("spearman")
        agree = "" if rest is None else f"one rater agrees with the mean of the others by Spearman {_figure(rest)}; "
        notes.append(
            f"Ceiling of {count(ceiling.raters, 'rater')}: {agree}reliability of their mean "
            f"{_figure(ceiling.mean_reliability)}."
        )
    return notes


def _mistakes(result: ScoreEvalResult) -> TerminalTable:
    rows = tuple((one.file or str(one.index), number_in_units(one.predicted), f"{one.true:g}") for one in result.mistakes)
    return TerminalTable("largest errors", ("file" if result.mistakes[0].file else "index", "predicted", "true"), rows)


def _where(result: ScoreTrainResult) -> str:
    return f"{result.model} on {result.data}, {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"


def _single(result: ScoreTrainResult) -> TerminalTable:
    rows = [cells for row in result.rows for cells in (*_metric_rows(row.metrics, result.baseline), *_third_rows(row.thirds))]
    notes = [
        f"Loss {result.loss}: {row.train_loss:.4f} in epoch {row.best_epoch} of {row.epochs}; Spearman on "
        f"{count(row.n_watched, f'training {result.unit}')} {row.train_spearman:.3f}; seed {row.seed}, {row.seconds:.1f} s."
        for row in result.rows
    ]
    shown, reasons = _without_reasons(rows)
    notes = [*_notes(result.baseline, result.ceiling), *reasons, *notes, *result.notes]
    return TerminalTable(
        _where(result), ("metric", "value", "constant"), shown, notes=tuple(notes), answer=score_train_answer(result)
    )


def _versus(result: ScoreTrainResult) -> TerminalTable:
    first, second = _variants(result)
    rows = [_comparison(found) for found in result.comparisons]
    beside = () if result.equal_compute is None else result.equal_compute.comparisons
    rows += [(f"{found.metric}, equal compute", *_comparison(found)[1:]) for found in beside]
    seeds = list(dict.fromkeys(row.seed for row in result.rows))
    by_seed = [_seed(result, seed, first, second) for seed in seeds]
    equal = [] if result.equal_compute is None else [result.equal_compute.note]
    notes = (*_notes(None, result.ceiling), *equal, *result.notes, *_p_values(result.comparisons))
    return TerminalTable(
        f"{_where(result)}, means over {count(len(seeds), 'seed')}",
        ("", "difference", "verdict", first, second),
        (*rows, *by_seed),
        frozenset({0}),
        notes,
        score_train_answer(result),
        most=len(rows) + _SEEDS_SHOWN,
        rest=f"{len(seeds) - _SEEDS_SHOWN} more seeds",
        details=(_networks(result),),
    )


def _comparison(found: Comparison) -> tuple[str, ...]:
    sides = (side_text(found, value) for value in (found.first, found.second))
    return found.metric, difference_text(found), found.verdict or "not tested", *sides


def _seed(result: ScoreTrainResult, seed: int, *variants: str) -> tuple[str, ...]:
    found = {row.variant: row.value("spearman") for row in result.rows if row.seed == seed}
    values = [found[name] for name in variants if name in found]
    gap = f"{values[0] - values[1]:+.3f}" if len(values) == len(variants) else ""
    return f"Spearman, seed {seed}", gap, "", *(f"{found[name]:.3f}" if name in found else "" for name in variants)


def _p_values(comparisons: Sequence[Comparison]) -> list[str]:
    tested = ", ".join(f"{one.metric} p {one.p:.2g}" for one in comparisons if one.p is not None)
    return [f"Corrected by Holm: {tested}."] if tested else []


def _variants(result: ScoreTrainResult) -> list[str]:
    return list(dict.fromkeys(row.variant for row in result.rows))


def _networks(result: ScoreTrainResult) -> TerminalTable:
    columns = ("variant", "Spearman", "seed", "MAE", "training Spearman", "epochs", "s")
    rows = tuple(
        (
            row.variant,
            _figure(row.figure("spearman")),
            str(row.seed),
            in_units(row.figure("mae")),
            f"{row.train_spearman:.3f}",
            str(row.epochs),
            f"{row.seconds:.1f}",
        )
        for row in result.rows
    )
    return TerminalTable("every network", columns, rows)


def _means(result: ScoreTrainResult) -> dict[str, float]:
    """Mean Spearman correlation by variant, the highest first."""
    names = _variants(result)
    means = {name: fmean(row.value("spearman") for row in result.rows if row.variant == name) for name in names}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _arms(result: ScoreTrainResult) -> TerminalTable:
    """Each variant beside the best one, the best first."""
    means = _means(result)
    best = next(iter(means))
    rows = [(best, f"{means[best]:.3f}", "", "")]
    for name in list(means)[1:]:
        found = next(one for one in result.comparisons if {best, name} == set(one.variants))
        gap = found.difference if found.variants[0] == name else -found.difference
        rows.append((name, f"{means[name]:.3f}", scaled(gap, decimals=3), found.verdict))
    seeds = count(result.comparisons[0].difference.n, "seed")
    return TerminalTable(
        f"{_where(result)}, means over {seeds}",
        ("variant", "test Spearman", "minus the best", "verdict"),
        tuple(rows),
        frozenset({0}),
        (*_notes(None, result.ceiling), *result.notes),
        score_train_answer(result),
        details=(_networks(result),),
    )
