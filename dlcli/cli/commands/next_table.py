"""Tables and answers of networks that predict the next step, for `train` and `eval`."""

from statistics import fmean

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import scaled
from dlcli.specs.next_step import Figure, NextBaselines, NextEvalResult, NextRow, NextTrainResult
from dlcli.specs.train_result import Comparison
from dlcli.support.plural import count

_SEEDS_SHOWN = 6


def next_train_table(result: NextTrainResult) -> TerminalTable:
    """One network beside simple predictions, or several networks."""
    return _compared(result) if result.comparisons else _single(result)


def next_train_answer(result: NextTrainResult) -> str:
    """Bits per step, or the difference of two networks."""
    if result.comparisons and not result.comparisons[0].variants:
        one = result.comparisons[0]
        over = f"{count(one.difference.n, 'seed')}, {count(result.n_test, f'test {result.unit}')}"
        names = list(dict.fromkeys(row.variant for row in result.rows))
        return f"{names[0]} against {names[1]}: bits per step {scaled(one.difference, decimals=3)}, {one.verdict} ({over})"
    if result.comparisons:
        means = {row.variant: fmean(r.bits.value for r in result.rows if r.variant == row.variant) for row in result.rows}
        best = min(means, key=lambda name: means[name])
        return f"fewest bits per step: {means[best]:.3f} with {best}"
    if not result.rows:
        return "stopped before the end"
    shown = f"{_bits(result.rows[-1].bits)} bits per step of {count(result.n_test, f'test {result.unit}')}"
    return f"{result.model} on {result.data}: {shown}{_beside(result.baselines)}"


def next_eval_table(result: NextEvalResult) -> TerminalTable:
    """The network beside simple predictions."""
    rows = _rows(result.model, result.bits, result.baselines)
    of = count(result.n_sequences, f"{result.split} {result.unit}")
    title = f"{result.model} on {result.data}, {count(result.n_steps, 'step')} of {of}"
    return TerminalTable(title, ("", "bits per step"), rows, frozenset({0}), result.notes, next_eval_answer(result))


def next_eval_answer(result: NextEvalResult) -> str:
    """Bits per step."""
    shown = f"{_bits(result.bits)} bits per step of {count(result.n_sequences, f'{result.split} {result.unit}')}"
    return f"{result.model} on {result.data}: {shown}{_beside(result.baselines)}"


def _bits(found: Figure) -> str:
    return scaled(found, decimals=3)


def _beside(found: NextBaselines | None) -> str:
    if found is None:
        return ""
    verdict = "" if found.gain is None else f" ({'established' if found.gain.established else 'not established'})"
    return f"; a first-order Markov chain {found.markov.value:.3f}{verdict}"


def _rows(model: str, bits: Figure, found: NextBaselines | None) -> tuple[tuple[str, ...], ...]:
    others = (
        [] if found is None else [("first-order Markov chain", _bits(found.markov)), ("frequencies", _bits(found.frequencies))]
    )
    return ((model, _bits(bits)), *others)


def _single(result: NextTrainResult) -> TerminalTable:
    rows = [cells for row in result.rows for cells in _rows(result.model, row.bits, result.baselines)]
    notes = [_about(result, row) for row in result.rows]
    return TerminalTable(
        _where(result),
        ("", "bits per step"),
        tuple(rows),
        frozenset({0}),
        (*notes, *result.notes),
        next_train_answer(result),
    )


def _about(result: NextTrainResult, row: NextRow) -> str:
    training = f"{row.train_bits:.3f} bits on {count(row.n_watched, f'training {result.unit}')}"
    return f"Epoch {row.best_epoch} of {row.epochs}: {training}; seed {row.seed}, {row.seconds:.1f} s."


def _where(result: NextTrainResult) -> str:
    return f"{result.model} on {result.data}, {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"


def _compared(result: NextTrainResult) -> TerminalTable:
    rows = [_comparison(one) for one in result.comparisons]
    networks = tuple(
        (row.variant, _bits(row.bits), str(row.seed), f"{row.train_bits:.3f}", str(row.epochs), f"{row.seconds:.1f}")
        for row in result.rows
    )
    columns = ("variant", "bits per step", "seed", "training bits", "epochs", "s")
    return TerminalTable(
        _where(result),
        ("", "difference", "verdict", "first", "second"),
        tuple(rows),
        frozenset({0}),
        (*_beside_note(result.baselines), *result.notes),
        next_train_answer(result),
        details=(TerminalTable("every network", columns, networks),),
    )


def _beside_note(found: NextBaselines | None) -> list[str]:
    if found is None:
        return []
    return [f"First-order Markov chain {_bits(found.markov)}, frequencies {_bits(found.frequencies)} bits per step."]


def _comparison(one: Comparison) -> tuple[str, ...]:
    name = " minus ".join(one.variants) or one.metric
    return name, scaled(one.difference, decimals=3), one.verdict or "not tested", f"{one.first:.3f}", f"{one.second:.3f}"
