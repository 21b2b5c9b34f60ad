"""Trains the members of an ensemble and measures what combining them gains: the engine of `dlcli ensemble`."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.data.base import SCORE
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.data.groups import groups_of
from dlcli.core.ensembles.combine import RULES
from dlcli.core.grouped import share_of
from dlcli.core.model_io.ensemble_dir import (
    MEMBERS,
    METADATA,
    combined_sha256,
    count_members,
    is_ensemble,
    save_ensemble_metadata,
)
from dlcli.core.model_io.run_dir import METADATA as MEMBER_METADATA
from dlcli.core.run_log import check_logs
from dlcli.core.tasks.images import accuracy_figures
from dlcli.engines.ensemble.masks import mask_result, recorded_masks, write_mask_report
from dlcli.engines.ensemble.member_log import FIGURES, WHOLE, member_run
from dlcli.engines.ensemble.member_training import train_in_processes
from dlcli.engines.ensemble.members import (
    EnsembleSetup,
    TrainedMember,
    check_added,
    load_added,
    open_setup,
    plan_processes,
)
from dlcli.engines.ensemble.rows import best_of, diversity, drawn_rules, gain_curves, rows
from dlcli.engines.ensemble.scores import combined, recorded_scores, score_result, write_score_report
from dlcli.engines.ensemble.stacked import reason_not_stacked, train_stacked
from dlcli.engines.output_folder import FolderState, check_output_folder, note_other_files
from dlcli.engines.train.input_check import warn_of_feeding
from dlcli.engines.train.job import steps
from dlcli.engines.training_log import LoggedRun, open_logs
from dlcli.engines.trusted import only_named_code
from dlcli.specs.ensemble import EnsembleConfig, EnsembleResult, EnsembleRow, MemberRow
from dlcli.specs.figures import points
from dlcli.specs.gate import gate
from dlcli.specs.mask_ensemble import MaskEnsembleResult
from dlcli.specs.score_ensemble import ScoreEnsembleResult
from dlcli.specs.train import SCORES, SEGMENT
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

AnyResult = EnsembleResult | ScoreEnsembleResult | MaskEnsembleResult

_RESULTS: Mapping[str, Callable[..., AnyResult]] = {SCORES: score_result, SEGMENT: mask_result}
"""What makes the result of members that predict no classes, by their task."""


@only_named_code
def run(config: EnsembleConfig, *, report: Reporter = SILENT) -> AnyResult:
    """Train the members, and evaluate each of them and every rule on the test images, by number of members.

    With `config.output`, each member is saved as soon as it is trained, and the metadata of the ensemble when all are there:
    the directory is then a model for `eval`, `predict` and `attack`.

    Args:
        config: The options.
        report: Receives the progress and notes.

    Raises:
        DlcliError: See `dlcli.support.errors` for its kinds.
    """
    started = time.perf_counter()
    _check_folder(config, report)
    check_logs(config.log)
    setup = open_setup(config, report)
    check_added(setup)
    processes = plan_processes(setup)
    strategy = _strategy(setup, processes)
    with _logs(setup, report) as logging:
        done = _train(setup, strategy, processes, logging)
        device = describe_device(setup.device) if strategy == "stacked" else processes.describe_devices(setup.device)
        make = _RESULTS.get(setup.config.task, _result)
        result = make(setup, done, strategy, device=device, seconds=time.perf_counter() - started)
        if result.headline is not None and config.members:
            logging.log(WHOLE, setup.job(0).recipe.epochs, _final_figures(setup, done, result), final=True)
    if config.output is not None and result.headline is not None:
        learned = _write_report(setup, done, result, config.output)
        save_ensemble_metadata(config.output, len(done), config.rule, config.group, learned)
    return result


def _final_figures(setup: EnsembleSetup, done: Sequence[TrainedMember], result: AnyResult) -> Mapping[str, float]:
    """The figures of the whole, for logs."""
    if isinstance(result, EnsembleResult):
        return {} if result.headline is None else accuracy_figures(result.headline.accuracy)
    if isinstance(result, MaskEnsembleResult):
        top = result.headline
        return {} if top is None else {"miou": top.miou.value, "pixel-accuracy": top.pixel_accuracy.value, "n": result.n_test}
    predicted = combined(done, setup.config.rule)
    return setup.task.final_figures(predicted, setup.data.y_test.numpy(), None)


def _write_report(setup: EnsembleSetup, done: Sequence[TrainedMember], result: AnyResult, folder: Path) -> Mapping[str, Any]:
    """Write the page; returns what the directory records of the task."""
    if isinstance(result, ScoreEnsembleResult):
        write_score_report(folder, result)
        return recorded_scores(setup, done)
    if isinstance(result, MaskEnsembleResult):
        write_mask_report(folder, result)
        return recorded_masks(setup)
    from dlcli.engines.ensemble.report import write_report  # here, since it imports matplotlib

    outputs = torch.stack([one.outputs for one in done])
    drawn = gain_curves(outputs, setup.data.y_test, drawn_rules(setup.config.rule), _groups(setup))
    write_report(folder, result, drawn)
    labels = RULES[setup.config.rule](outputs).numpy()
    return setup.task.learned(setup.data, None, labels, setup.config.training(0))


def _train(setup: EnsembleSetup, strategy: str, processes: WorkerPlan, report: Reporter) -> list[TrainedMember]:
    """The members of the ensemble, or those that were finished before an interruption."""
    config, done = setup.config, []
    if config.members:
        warn_of_feeding((setup.job(numbers[0]) for numbers in _by_model(setup).values()), report)
        report.note(_describe_strategy(setup, strategy, processes))
        done = train_stacked(setup, report) if strategy == "stacked" else train_in_processes(setup, processes, report)
    return [*done, *load_added(setup, report)] if len(done) == config.members else done


def _logs(setup: EnsembleSetup, report: Reporter) -> AbstractContextManager[Reporter]:
    """The logs of the members and of the whole, which `log` names."""
    config = setup.config
    if not config.log:
        return nullcontext(report)
    n_train = round(config.share * len(setup.data.y_train))
    runs = {member_run(number): LoggedRun(setup.job(number), {"n_train": n_train}) for number in range(config.members)}
    whole = {WHOLE: LoggedRun(setup.job(0), {"seed": config.seed, "members": config.members, "rule": config.rule})}
    figures = (*FIGURES, *setup.task.final_names())
    return open_logs(runs | whole, figures, output=config.output, resume=config.resume, report=report)


@only_named_code
def plan(config: EnsembleConfig) -> list[str]:
    """What `run` would do, one line per step; opens the data and builds the networks, but trains and writes nothing."""
    _check_folder(config)
    check_logs(config.log)
    setup = open_setup(config, SILENT)
    check_added(setup)
    data = setup.data
    has = "scores" if data.target == SCORE else count(len(data.classes), "class", "classes")
    lines = [f"read {data.name}: {len(data.x_train)} training and {count(len(data.x_test), f'test {data.unit}')}, {has}"]
    for name, numbers in _by_model(setup).items():
        job = setup.with_own_images(setup.job(numbers[0]))
        share = _describe_draw(config, count(len(job.data.y_train), data.unit))
        lines.append(f"train {count(len(numbers), 'member')}: {name}, {share}, {steps(job)} steps each")
    if config.members:
        processes = plan_processes(setup)
        lines.append(_describe_strategy(setup, _strategy(setup, processes), processes))
    lines += [f"take in {spec}" for spec in config.add]
    lines += [f"log to {spec}" for spec in config.log]
    return [*lines, f"write the ensemble to {config.output}"] if config.output is not None else lines


def _check_folder(config: EnsembleConfig, report: Reporter = SILENT) -> None:
    check_output_folder(config.output, resume=config.resume, kind="ensemble", inspect=partial(_inspect, config))
    note_other_files(config.output, resume=config.resume, report=report)


def _inspect(config: EnsembleConfig, folder: Path) -> FolderState:
    finished = is_ensemble(folder)
    trained = any((folder / MEMBERS).glob(f"*/{MEMBER_METADATA}"))
    occupied = "already holds an ensemble" if (folder / METADATA).exists() or trained else ""
    more = "train more with `resume` and larger `members`" if finished else "continue it with `resume`"
    hint = f"{more}, or choose another `output`"
    if finished and count_members(folder) > config.members + len(config.add):
        other = f"holds a finished ensemble of {count_members(folder)}"
        return FolderState(occupied, hint, other, "raise `members` to train more")
    return FolderState(occupied, hint)


def _strategy(setup: EnsembleSetup, processes: WorkerPlan) -> str:
    """How members are trained: "processes" or "stacked"."""
    wanted = setup.config.strategy
    if wanted == "processes" or (wanted == "auto" and (setup.device.type == "cpu" or processes.gpus)):
        return "processes"
    if setup.config.cluster is not None:
        return "processes"
    reason = reason_not_stacked(setup)
    if wanted == "stacked" and reason:
        raise UsageError(f"`strategy`: these members cannot be stacked: {reason}", hint="use `strategy=processes`")
    return "processes" if reason else "stacked"


def _describe_strategy(setup: EnsembleSetup, strategy: str, processes: WorkerPlan) -> str:
    """A sentence on how members are trained."""
    if setup.config.cluster is not None:
        return f"members are trained on the cluster {setup.config.cluster}, {count(processes.threads, 'thread')} each"
    if strategy == "stacked":
        return f"members are trained stacked into one network on {describe_device(setup.device)}"
    where = f" on {processes.describe_devices(setup.device)}" if processes.gpus else ""
    number, threads = count(processes.workers, "process", "processes"), count(processes.threads, "thread")
    return f"members are trained in {number}{where}, {threads} each"


def _by_model(setup: EnsembleSetup) -> dict[str, list[int]]:
    """The members to train, by the name of their network."""
    found: dict[str, list[int]] = {}
    for number in range(setup.config.members):
        found.setdefault(setup.config.training(number).model or "", []).append(number)
    return {setup.job(numbers[0]).arch.name: numbers for numbers in found.values()}


def _describe_draw(config: EnsembleConfig, examples: str) -> str:
    how = ", drawn with replacement" if config.bootstrap else ", a random part" if config.chunk else ""
    return f"{examples}{how}{', one after the other' if config.snapshots else ''}"


def _result(
    setup: EnsembleSetup, done: Sequence[TrainedMember], strategy: str, *, device: str, seconds: float
) -> EnsembleResult:
    config, data = setup.config, setup.data
    whole = len(done) == config.members + len(config.add)
    logits = torch.stack([one.outputs for one in done]) if whole else torch.zeros(0)
    group = _groups(setup)
    found = rows(logits, data.y_test, group, seed=config.seed) if whole else []
    headline = best_of(found, config.rule) if whole else None
    return EnsembleResult(
        data=data.name,
        unit=data.unit,
        model=" + ".join(dict.fromkeys(one.model for one in done)),
        model_sha256=combined_sha256([one.sha256 for one in done]),
        n_train=len(data.y_train),
        n_test=len(data.y_test),
        rule=config.rule,
        headline=headline,
        rows=tuple(found),
        diversity=tuple(diversity(logits, data.y_test, group)) if whole else (),
        members=tuple(_member(one, data.y_test, group) for one in done),
        strategy=strategy,
        seed=config.seed,
        folder=str(config.output or ""),
        device=device,
        seconds=seconds,
        notes=(
            *_notes(done, headline, found, whole, data.unit),
            *dependence_notes(data.splits["test"], group, config.group, data.unit),
        ),
        failed=_failed(config, headline),
    )


def _groups(setup: EnsembleSetup) -> NDArray[np.int64] | None:
    """The group of each test image, (n,) from 0 on; None without `group`."""
    return groups_of(setup.data.splits["test"].metadata, setup.config.group, setup.data.name)


def _member(one: TrainedMember, y: Tensor, group: NDArray[np.int64] | None) -> MemberRow:
    return MemberRow(
        member=one.number + 1,
        model=one.model,
        accuracy=share_of((one.outputs.argmax(1) == y).numpy(), group),
        n_train=one.n_train,
        reused=one.reused,
        seconds=one.seconds,
        weights_sha256=one.sha256,
    )


def _notes(
    done: Sequence[TrainedMember], headline: EnsembleRow | None, found: Sequence[EnsembleRow], whole: bool, unit: str
) -> tuple[str, ...]:
    notes = tuple(dict.fromkeys(chain.from_iterable(one.notes for one in done)))
    if not whole or headline is None or headline.gain is None:
        return (*notes, f"Stopped after {count(len(done), 'member')}.")
    best = f"The best member is chosen on these very {unit}s, so its accuracy is biased upwards."
    return (*notes, *verdict_notes(headline, found), f"{best} The oracle uses the labels; it is not a rule.")


def verdict_notes(headline: EnsembleRow, found: Sequence[EnsembleRow]) -> list[str]:
    """The gain of the rule asked for, which alone is tested, and how max compares with mean."""
    if headline.gain is None:
        return []
    verdict = "established" if headline.gain.established else "not established"
    lines = [f"{headline.classifier} minus the mean of its members: {points(headline.gain)}, {verdict}."]
    gap = best_of(found, "max").minus_mean
    untested = "this and the other differences of the table are not tested"
    return [*lines, f"max minus mean: {points(gap)}; {untested}."] if gap is not None else lines


def _failed(config: EnsembleConfig, headline: EnsembleRow | None) -> str:
    wanted = gate(config.fail_under)
    if wanted is None or headline is None or not wanted.fails(headline.accuracy):
        return ""
    return f"accuracy of the {headline.classifier} is {wanted.below(headline.accuracy)}"
