"""The engine of `dlcli eval RUN DATA` for a network that predicts the next step of sequences."""

import time
from pathlib import Path

from dlcli.core.compute.device import choose_device, describe_device
from dlcli.core.data.base import ImageData, Split
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.tasks._next_step import baselines_of, bits_per_step
from dlcli.core.training.next_step import coded
from dlcli.engines.eval.task_steps import ONLY_OF_CLASSES, check_metric, group_column, groups_by
from dlcli.engines.sequences import read_sequences
from dlcli.specs.estimates import Estimate, PointEstimate, apart_from
from dlcli.specs.eval import EvalConfig
from dlcli.specs.gate import gate
from dlcli.specs.next_step import NEXT_METRICS, NextBaselines, NextEvalResult
from dlcli.specs.sequences import check_of_sequences
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter

_NOT_OF_NEXT = (*ONLY_OF_CLASSES, "arch", "limit", "ensemble")


def eval_next(config: EvalConfig, task: RunTask, report: Reporter) -> NextEvalResult:
    """Bits per step of one split beside simple predictions; writes a page to `config.output`.

    Args:
        config: The options.
        task: What the run directory records.
        report: Receives the progress.

    Raises:
        UsageError: If an option does not apply.
        InputError: If the data or the network cannot be used.
    """
    started = time.perf_counter()
    check_next(config)
    objective = task.next_step
    device = choose_device(config.device)
    data = read_sequences(config, task, report)
    split = split_of(data, config.split)
    saved = load_model(Path(str(config.model)), device)
    group = groups_by(group_column(config, task, split), split, data.name)
    found = coded(saved.model, split.x, objective, device)
    simple = baselines_of(data.x_train, split.x, objective, found, group) if len(data.x_train) else None
    bits = bits_per_step(found, group)
    by = (f"Intervals are by '{config.group or task.group}'.",) if group is not None else ()
    result = NextEvalResult(
        data=data.name,
        split=config.split,
        unit=data.unit,
        model=saved.spec,
        model_sha256=saved.sha256,
        kind=objective.kind,
        n_sequences=len(found.bits),
        n_steps=int(found.steps.sum()),
        bits=bits,
        baselines=simple,
        n_groups=None if group is None else int(group.max()) + 1,
        seed=config.seed,
        device=describe_device(device),
        seconds=time.perf_counter() - started,
        notes=(*by, *objective.notes()),
        failed=_failed(config, bits, simple),
    )
    if config.output is not None:
        from dlcli.engines.eval.next_page import write_next  # here, since it imports matplotlib

        write_next(config.output, result)
    return result


def plan_next(config: EvalConfig, task: RunTask) -> list[str]:
    """What `eval_next` would do, one line per step; opens the data, but evaluates and writes nothing."""
    check_next(config)
    data = read_sequences(config, task, SILENT)
    sets = ", ".join(f"{len(split.y):,} {name}" for name, split in data.splits.items())
    lines = [f"read {data.name}: {sets} {data.unit}s", f"count the bits of the next steps of the {config.split} set"]
    return [*lines, f"write report.html in {config.output}"] if config.output else lines


def check_next(config: EvalConfig) -> None:
    """Raise UsageError if an option does not apply to a network that predicts the next step."""
    check_of_sequences(config, "a network of sequences")
    for name in _NOT_OF_NEXT:
        if getattr(config, name):
            raise UsageError(f"`{name}` does not apply to a network that predicts the next step", hint=f"omit `{name}`")
    check_metric(config, NEXT_METRICS)


def _failed(config: EvalConfig, bits: Estimate | PointEstimate, simple: NextBaselines | None) -> str:
    """Which bound is not met: of bits, of which fewer are better, that above which they may not be."""
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    if wanted.metric == "bits":
        least = bits.low if wanted.established else bits.value
        sure = ", with the whole interval" if wanted.established else ""
        if least is None or least <= wanted.bound:
            return ""
        return f"bits per step on {config.split} are {apart_from(bits, least, wanted.bound)}, above {wanted.bound:g}{sure}"
    gain = None if simple is None else simple.gain
    if gain is None:
        why = "without a training set no chain can be fitted" if simple is None else "the sequences are too few"
        raise InputError(f"`fail_under`: there is no gain over the Markov chain here: {why}")
    estimate = Estimate(gain.value, gain.low, gain.high, gain.n)
    return f"gain on {config.split} is {wanted.below(estimate)}" if wanted.fails(estimate) else ""


def split_of(data: ImageData, name: str) -> Split:
    """A set of the data; raises InputError if they have none of this name."""
    found = data.splits.get(name)
    if found is None or not len(found.y):
        there = [key for key, split in data.splits.items() if len(split.y)]
        raise InputError(f"{data.name}: has no split '{name}'", hint=f"it has {', '.join(there)}")
    return found
