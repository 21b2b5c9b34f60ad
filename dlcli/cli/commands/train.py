"""`dlcli train` at the shell."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from dlcli.cli.command import Command, TerminalTable, run_folder
from dlcli.cli.commands.mask_table import mask_train_answer, mask_train_table
from dlcli.cli.commands.next_table import next_train_answer, next_train_table
from dlcli.cli.commands.pairs_table import pairs_answer, pairs_table
from dlcli.cli.commands.probe_table import probes_beside
from dlcli.cli.commands.score_table import score_train_answer, score_train_table
from dlcli.specs.figures import percent, points, scaled
from dlcli.specs.masks import MaskTrainResult
from dlcli.specs.next_step import NextTrainResult
from dlcli.specs.pairs import PairsTrainResult
from dlcli.specs.pretraining_result import all_rows, pretraining_answer
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import Comparison, TrainResult, TrainRow, named
from dlcli.specs.variant import given_name
from dlcli.support.plural import count

_METRICS = {"test accuracy": "test accuracy, %", "training accuracy": "training, %"}
_SEEDS_SHOWN = 6


class _Kind(NamedTuple):
    """How a kind of result is drawn and put into a sentence."""

    table: Callable[[Any], TerminalTable]
    answer: Callable[[Any], str]


def _pairs(result: PairsTrainResult) -> TerminalTable:
    n = f"{result.n_train:,} training, {result.n_dev:,} dev and {count(result.n_test, 'test pair')}"
    return pairs_table(f"{result.model} on {result.data}: {n}", _of_pairs(result), result)


def _of_pairs(result: PairsTrainResult) -> str:
    return f"{result.model} on {result.data}: {pairs_answer(result)}"


def _table(result: Any) -> TerminalTable:
    if (kind := _KINDS.get(type(result))) is not None:
        return kind.table(result)
    several = result.comparisons and result.comparisons[0].variants
    found = _arms(result) if several else _versus(result) if result.comparisons else _single(result)
    return replace(found, beside=probes_beside(result))


def _where(result: TrainResult) -> str:
    return f"{result.model} on {result.data}, {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"


def _single(result: TrainResult) -> TerminalTable:
    columns = ("test accuracy, %", "training, %", "training loss", "epochs", "seconds", "seed")
    title, answer = _where(result), _answer(result)
    return TerminalTable(title, columns, tuple(map(_run, result.rows)), notes=result.notes, answer=answer)


def _run(row: TrainRow) -> tuple[str, ...]:
    training = (f"{100 * row.train_accuracy:.1f}", f"{row.train_loss:.3f}", _epochs(row), f"{row.seconds:.1f}")
    return percent(row.accuracy), *training, str(row.seed)


def _epochs(row: TrainRow) -> str:
    return str(row.epochs) if row.best_epoch == row.epochs else f"{row.best_epoch} of {row.epochs}"


def _versus(result: TrainResult) -> TerminalTable:
    """The two variants side by side: a row for each metric, then one for each seed."""
    first, second = _variants(result)
    rows = [_metric(result, found) for found in result.comparisons]
    if (equal := result.equal_compute) is not None:
        rows[1:1] = [("same, equal compute", *_metric(result, found)[1:]) for found in equal.comparisons]
    seeds = list(dict.fromkeys(row.seed for row in result.rows))
    by_seed = [_seed(result, seed, first, second) for seed in seeds]
    title = f"{_where(result)}, means over {count(len(seeds), 'seed')}"
    columns = ("", "difference", "verdict", first, second)
    shown = len(rows) + _SEEDS_SHOWN
    own = [*([] if equal is None else [equal.note]), _p_values(result), *_never(result)]
    notes = (*result.notes, *own)
    return TerminalTable(
        title,
        columns,
        (*rows, *by_seed),
        frozenset({0}),
        notes,
        _answer(result),
        most=shown,
        rest=f"{len(seeds) - _SEEDS_SHOWN} more seeds",
        details=(_networks(result),),
    )


def _metric(result: TrainResult, found: Comparison) -> tuple[str, ...]:
    name = _METRICS.get(found.metric) or result.shown(found.metric)
    scale = 100 if found.metric in _METRICS else 1
    first, second = (f"{scale * value:.1f}" for value in (found.first, found.second))
    return name, scaled(found.difference, scale), found.verdict or "not tested", first, second


def _seed(result: TrainResult, seed: int, *variants: str) -> tuple[str, ...]:
    found = {row.variant: 100 * row.accuracy.value for row in result.rows if row.seed == seed}
    values = [found[name] for name in variants if name in found]
    gap = f"{values[0] - values[1]:+.1f}" if len(values) == len(variants) else ""
    shown = (f"{found[name]:.1f}" if name in found else "" for name in variants)
    return f"test, seed {seed}", gap, "", *shown


def _p_values(result: TrainResult) -> str:
    beside = () if result.equal_compute is None else result.equal_compute.comparisons
    every = [(one, result.shown(one.metric)) for one in result.comparisons]
    every += [(one, f"{one.metric} at equal compute") for one in beside]
    tested = ", ".join(f"{name} p {one.p:.2g}" for one, name in every if one.p is not None)
    return f"Corrected by Holm: {tested}." if tested else ""


def _never(result: TrainResult) -> list[str]:
    return [
        f"{result.shown(one.metric)}: never reached by {count(one.never, 'network')}, counted as the longest training."
        for one in result.comparisons
        if one.never
    ]


def _variants(result: TrainResult) -> list[str]:
    return list(dict.fromkeys(row.variant for row in result.rows))


def _networks(result: TrainResult) -> TerminalTable:
    """Every network, one after the other."""
    counts = map(result.shown, ("epochs to fit", "epochs to level"))
    columns = ("variant", "test accuracy, %", "seed", "training, %", "epochs", *counts, "s")
    return TerminalTable("every network", columns, tuple(map(_network, all_rows(result))))


def _network(row: TrainRow) -> tuple[str, ...]:
    fit, level = ("" if epochs is None else str(epochs) for epochs in (row.epochs_to_fit, row.epochs_to_level))
    training = (f"{100 * row.train_accuracy:.1f}", _epochs(row), fit, level, f"{row.seconds:.1f}")
    return row.variant, percent(row.accuracy), str(row.seed), *training


def _arms(result: TrainResult) -> TerminalTable:
    """Each variant beside the best one, the best first."""
    means = _means(result)
    best = next(iter(means))
    rows = [(best, f"{means[best]:.1f}", "", "")]
    for name in list(means)[1:]:
        found = next(one for one in result.comparisons if {best, name} == set(one.variants))
        sign = 1 if found.variants[0] == name else -1
        ends = sorted((sign * found.difference.low, sign * found.difference.high))
        gap = replace(found.difference, value=sign * found.difference.value, low=ends[0], high=ends[1])
        rows.append((name, f"{means[name]:.1f}", percent(gap), found.verdict))
    seeds = result.comparisons[0].difference.n
    title = f"{_where(result)}, means over {_units(result, seeds)}"
    columns = ("variant", "test accuracy, %", "minus the best", "verdict")
    details = (_pairs_of_arms(result), _networks(result))
    return TerminalTable(title, columns, tuple(rows), frozenset({0}), result.notes, _answer(result), details=details)


def _pairs_of_arms(result: TrainResult) -> TerminalTable:
    rows = [(" minus ".join(one.variants), percent(one.difference), one.verdict, f"{one.p:.2g}") for one in result.comparisons]
    columns = ("variants", "test accuracy, points", "verdict", "p by Holm")
    return TerminalTable("every pair of variants", columns, tuple(rows))


def _means(result: TrainResult) -> dict[str, float]:
    """Mean test accuracy in percent by variant, the highest first."""
    names = _variants(result)
    means = {name: 100 * fmean(row.accuracy.value for row in result.rows if row.variant == name) for name in names}
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def _answer(result: Any) -> str:
    if (kind := _KINDS.get(type(result))) is not None:
        return kind.answer(result)
    if result.comparisons and result.comparisons[0].variants:
        return _answer_of_arms(result)
    if result.comparisons:
        best, (first, second) = result.comparisons[0], _variants(result)
        over = f"{_units(result, best.difference.n)}, {count(result.n_test, f'test {result.unit}')}"
        equal = () if result.equal_compute is None else result.equal_compute.comparisons
        more = "".join(f"; at equal compute {points(one.difference)}, {one.verdict}" for one in equal)
        return f"{first} against {second}: test accuracy {points(best.difference)}, {best.verdict}{more} ({over})"
    if not result.rows and result.pretraining:
        return pretraining_answer(result.pretraining[0])
    if not result.rows:
        return "stopped before the end"
    found = result.rows[-1].accuracy
    return f"{result.model} on {result.data}: {percent(found, '%')} of {count(found.n, f'test {result.unit}')} right"


def _units(result: TrainResult, n: int) -> str:
    """What a difference of `n` independent pairs is over."""
    seeds = len({row.seed for row in result.rows})
    shared = n < seeds and any(row.labels_seed is not None for row in result.rows)
    return f"{count(n, 'draw')} of labels, {count(seeds, 'seed')}" if shared else count(n, "seed")


def _answer_of_arms(result: TrainResult) -> str:
    means = _means(result)
    best = next(iter(means))
    others = [one for one in result.comparisons if best in one.variants]
    established = sum(one.verdict == "established" for one in others)
    seeds = result.comparisons[0].difference.n
    won = f"the difference is established for {established} of {count(len(others), 'other')}"
    over = f"{_units(result, seeds)}, {count(result.n_test, result.unit)}"
    return f"highest mean test accuracy: {means[best]:.1f}% with {best} ({over}); {won}"


def _named(result: Any, config: TrainConfig) -> Any:
    """The network of the options that were given, named by those of them that the other one changes."""
    if isinstance(result, PairsTrainResult) or config.versus is None:
        return result
    found: TrainResult | ScoreTrainResult = named(result, given_name(config, config.versus))
    return found


_KINDS: Mapping[type, _Kind] = {
    ScoreTrainResult: _Kind(score_train_table, score_train_answer),
    MaskTrainResult: _Kind(mask_train_table, mask_train_answer),
    PairsTrainResult: _Kind(_pairs, _of_pairs),
    NextTrainResult: _Kind(next_train_table, next_train_answer),
}
"""Results of other tasks than the classes of images."""

COMMAND = Command(
    name="train",
    config=TrainConfig,
    engine="dlcli.engines.train",
    examples=(
        "dlcli train --data digits -o runs/digits",
        "dlcli train --model lenet --size 28 --with elu --versus baseline --seeds 5",
        "dlcli train photos/ --task score --group person -o runs/scores",
        "dlcli train pairs.csv --task pairs -o runs/questions",
        "dlcli train --data mnist.npz --adversarial fgsm:0.3 -o runs/robust",
    ),
    table=_table,
    answer=_answer,
    adjust=run_folder,
    named=_named,
    together=True,
)
