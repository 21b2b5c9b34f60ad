"""Tables and answers of predicted masks, for `train` and `eval`."""

from collections.abc import Sequence
from statistics import fmean

from dlcli.cli.command import TerminalTable
from dlcli.specs.estimates import PointEstimate
from dlcli.specs.figures import in_millions, percent, points, scaled
from dlcli.specs.masks import MASK_NAMES, ClassMask, Figure, MaskEvalResult, MaskMetric, MaskRow, MaskTrainResult
from dlcli.specs.train_result import Comparison
from dlcli.support.plural import count

_SEEDS_SHOWN = 6
_COUNTS = ("epochs to level", "seconds")
_COLUMNS = ("class", "IoU, %", "accuracy, %", "boundary F, %")


def mask_train_table(result: MaskTrainResult) -> TerminalTable:
    """One network, two in pairs, or several."""
    if result.comparisons and result.comparisons[0].variants:
        return _arms(result)
    return _versus(result) if result.comparisons else _single(result)


def mask_eval_table(result: MaskEvalResult) -> TerminalTable:
    """The classes, and the metrics below."""
    title = f"{result.split} {result.unit}s by class"
    worst = tuple((one.file or str(one.index), f"{100 * one.miou:.1f}") for one in result.worst)
    details = (TerminalTable("lowest mIoU", ("picture", "mIoU, %"), worst),) if worst else ()
    rows = tuple(map(_class, result.per_class))
    notes = (_metrics(result.metrics), *_without(result.per_class), *result.notes)
    return TerminalTable(title, _COLUMNS, rows, notes=notes, answer=mask_eval_answer(result), details=details)


def mask_eval_answer(result: MaskEvalResult) -> str:
    """The mIoU of the set, and of how many pictures and pixels."""
    found = result.metrics[0].estimate
    of = f"{count(result.n_images, f'{result.split} {result.unit}')} with {count(result.n_pixels, 'labelled pixel')}"
    return f"{result.model} on {result.data}: mIoU {percent(found, '%')} of {of}"


def mask_train_answer(result: MaskTrainResult) -> str:
    """The mIoU of a network, or the difference of two."""
    names = _variants(result)
    if result.comparisons and len(names) > 2:
        means = _means(result)
        best = next(iter(means))
        over = f"{count(result.comparisons[0].difference.n, 'seed')}, {count(result.n_test, f'test {result.unit}')}"
        return f"highest mean test mIoU: {means[best]:.1f}% with {best} ({over})"
    if result.comparisons:
        one = result.comparisons[0]
        over = f"{count(one.difference.n, 'seed')}, {count(result.n_test, f'test {result.unit}')}"
        return f"{names[0]} against {names[1]}: {one.metric} {points(one.difference)}, {one.verdict} ({over})"
    if not result.rows:
        return "stopped before the end"
    found = result.rows[-1].figure("miou")
    return f"{result.model} on {result.data}: mIoU {percent(found, '%')} of {count(result.n_test, f'test {result.unit}')}"


def _class(one: ClassMask) -> tuple[str, ...]:
    return one.name, *(_cell(found) for found in (one.iou, one.accuracy, one.boundary_f))


def _cell(found: Figure | None) -> str:
    if isinstance(found, PointEstimate):
        return f"{100 * found.value:.1f}"
    return "-" if found is None else percent(found)


def _without(classes: Sequence[ClassMask]) -> list[str]:
    """Why some figures have no interval."""
    figures = [found for one in classes for found in (one.iou, one.accuracy, one.boundary_f)]
    reasons = dict.fromkeys(found.why for found in figures if isinstance(found, PointEstimate))
    return [f"Figures without an interval: {', '.join(reasons)}."] if reasons else []


def _metrics(metrics: Sequence[MaskMetric]) -> str:
    """All metrics but the first, which is the answer, in a sentence."""
    return ", ".join(f"{MASK_NAMES[one.name]} {percent(one.estimate, '%')}" for one in metrics[1:]) + "."


def _where(result: MaskTrainResult) -> str:
    return f"{result.model} on {result.data}, {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"


def _single(result: MaskTrainResult) -> TerminalTable:
    rows = tuple(_class(one) for row in result.rows for one in row.per_class)
    notes = [line for row in result.rows for line in (_metrics(row.metrics), *_without(row.per_class), _trained(result, row))]
    return TerminalTable(_where(result), _COLUMNS, rows, notes=(*notes, *result.notes), answer=mask_train_answer(result))


def _trained(result: MaskTrainResult, row: MaskRow) -> str:
    cost = f"{count(row.parameters, 'parameter')}, {in_millions(row.multiply_adds)} multiply-adds per picture"
    return (
        f"Loss {result.loss}: {row.train_loss:.4f} in epoch {row.best_epoch} of {row.epochs}; mIoU of "
        f"{count(row.n_watched, f'training {result.unit}')} {100 * row.train_miou:.1f}%; {cost}; seed "
        f"{row.seed}, {row.seconds:.1f} s."
    )


def _versus(result: MaskTrainResult) -> TerminalTable:
    first, second = _variants(result)
    rows = [_comparison(found) for found in result.comparisons]
    seeds = list(dict.fromkeys(row.seed for row in result.rows))
    by_seed = [_seed(result, seed, first, second) for seed in seeds]
    return TerminalTable(
        f"{_where(result)}, means over {count(len(seeds), 'seed')}",
        ("", "difference", "verdict", first, second),
        (*rows, *by_seed),
        frozenset({0}),
        (*result.notes, *_p_values(result.comparisons)),
        mask_train_answer(result),
        most=len(rows) + _SEEDS_SHOWN,
        rest=f"{len(seeds) - _SEEDS_SHOWN} more seeds",
        details=(_by_class(result), _networks(result)),
    )


def _comparison(found: Comparison) -> tuple[str, ...]:
    scale = 1 if found.metric in _COUNTS else 100
    sides = (f"{scale * value:.1f}" for value in (found.first, found.second))
    name = found.metric if scale == 1 else f"{found.metric}, %"
    return name, scaled(found.difference, scale), found.verdict or "not tested", *sides


def _seed(result: MaskTrainResult, seed: int, *variants: str) -> tuple[str, ...]:
    found = {row.variant: 100 * row.figure("miou").value for row in result.rows if row.seed == seed}
    values = [found[name] for name in variants if name in found]
    gap = f"{values[0] - values[1]:+.1f}" if len(values) == len(variants) else ""
    return f"mIoU, seed {seed}", gap, "", *(f"{found[name]:.1f}" if name in found else "" for name in variants)


def _p_values(comparisons: Sequence[Comparison]) -> list[str]:
    tested = ", ".join(f"{one.metric} p {one.p:.2g}" for one in comparisons if one.p is not None)
    return [f"Corrected by Holm: {tested}."] if tested else []


def _variants(result: MaskTrainResult) -> list[str]:
    return list(dict.fromkeys(row.variant for row in result.rows))


def _by_class(result: MaskTrainResult) -> TerminalTable:
    names = _variants(result)
    rows = tuple((name, *(_mean_iou(result, name, side) for side in names)) for name in result.classes)
    return TerminalTable("IoU by class, in %, means over seeds", ("class", *names), rows)


def _mean_iou(result: MaskTrainResult, name: str, side: str) -> str:
    of_side = [row for row in result.rows if row.variant == side]
    found = [one.iou.value for row in of_side for one in row.per_class if one.name == name and one.iou]
    return f"{100 * fmean(found):.1f}" if found else "-"


def _networks(result: MaskTrainResult) -> TerminalTable:
    columns = ("variant", "mIoU, %", "seed", "training, %", "epochs", "multiply-adds", "s")
    rows = tuple(
        (
            row.variant,
            percent(row.figure("miou")),
            str(row.seed),
            f"{100 * row.train_miou:.1f}",
            str(row.epochs),
            in_millions(row.multiply_adds),
            f"{row.seconds:.1f}",
        )
        for row in result.rows
    )
    return TerminalTable("every network", columns, rows)


def _means(result: MaskTrainResult) -> dict[str, float]:
    """Mean test mIoU in percent by variant, the highest first."""
    names = _variants(result)
    means = {name: 100 * fmean(row.figure("miou").value for row in result.rows if row.variant == name) for name in names}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _arms(result: MaskTrainResult) -> TerminalTable:
    """Each variant beside the best one, the best first."""
    means = _means(result)
    best = next(iter(means))
    rows = [(best, f"{means[best]:.1f}", "", "")]
    for name in list(means)[1:]:
        found = next(one for one in result.comparisons if {best, name} == set(one.variants))
        gap = found.difference if found.variants[0] == name else -found.difference
        rows.append((name, f"{means[name]:.1f}", scaled(gap, 100), found.verdict))
    seeds = count(result.comparisons[0].difference.n, "seed")
    return TerminalTable(
        f"{_where(result)}, means over {seeds}",
        ("variant", "test mIoU, %", "minus the best", "verdict"),
        tuple(rows),
        frozenset({0}),
        result.notes,
        mask_train_answer(result),
        details=(_networks(result),),
    )
