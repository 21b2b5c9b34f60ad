"""Pre-training alone, which leaves a body: the weights but for those of the last layer."""

import json
from functools import partial
from pathlib import Path

from dlcli.core.graph.last_hidden import last_layer
from dlcli.core.model_io.body import WEIGHTS, save_body
from dlcli.core.model_io.checkpoint import read_metadata
from dlcli.core.model_io.run_dir import model_normalisation
from dlcli.engines.train.job import OTHER, Job, build, check_same, describe
from dlcli.engines.train.pretrain import STATE, check_pretraining, pretrain
from dlcli.engines.train.pretrained_facts import PretrainedFacts, read_facts
from dlcli.specs.command_line import command_line
from dlcli.specs.normalise import NONE
from dlcli.support.errors import InputError, UsageError
from dlcli.support.finish import finish
from dlcli.support.json_metadata import check_metadata, decode_json
from dlcli.support.reporter import Reporter
from dlcli.support.schema import mapping_of

_FACTS = "pre-training"


def is_body(folder: Path) -> bool:
    """Whether a folder holds a body, finished."""
    return (folder / WEIGHTS).is_file() and _FACTS in read_metadata(folder / WEIGHTS)


def train_body(job: Job, report: Reporter) -> PretrainedFacts | None:
    """Pre-train the network of `job` and leave its body in the output folder; with `resume` go on, or read a finished one.

    Returns:
        What is known of it; None if it was interrupted.

    Raises:
        UsageError: If the folder holds a body that was trained otherwise, or the network normalises its images.
        InputError: If its files are damaged, and what `pretrain` raises.
    """
    check_body(job)
    folder = job.config.output
    if folder is not None and is_body(folder):
        return _finished(job, folder, report)
    found = pretrain(job, report, label=f"pre-training {job.arch.name}, steps", keep=None if folder is None else folder / STATE)
    if found is None:
        return None
    if folder is not None:
        last = last_layer(found.model, job.data.sample(1).to(job.device))
        if last is None:
            raise InputError(f"{job.arch.name}: has no single last layer", hint="choose another `model`")
        folder.mkdir(parents=True, exist_ok=True)
        facts = json.dumps({"determined_by": describe(job)})
        save_body(folder, found.model, last, {"model": job.arch.name, _FACTS: facts})
        finish(partial((folder / STATE).unlink, missing_ok=True), removes=[folder / STATE])
    return found.facts


def check_body(job: Job) -> None:
    """Raise what `train_body` would before its first step."""
    if model_normalisation(build(job).model) != NONE:
        message = f"`pretrain_only`: {job.arch.name} normalises its images, which a file of its weights would not record"
        raise UsageError(message, hint="`normalise=none`, or train in one command")
    check_pretraining(job)


def next_command(job: Job) -> str:
    """A note on how to train from the body."""
    config = job.config
    if config.output is None:
        return ""
    command = command_line("train", data=config.data, model=config.model, labels=config.labels, weights=config.output)
    return f"the last layer is initialised by `seed` when a network is trained from it:\n    {command}"


def _finished(job: Job, folder: Path, report: Reporter) -> PretrainedFacts:
    found = decode_json(read_metadata(folder / WEIGHTS)[_FACTS], str(folder / WEIGHTS), OTHER)
    check_metadata(
        found if isinstance(found, dict) else {}, folder / WEIGHTS, {"determined_by": mapping_of(lambda value: "")}, hint=OTHER
    )
    check_same(found["determined_by"], describe(job), job.config, folder)
    facts = read_facts(folder, len(job.data.x_test))
    if facts is None:
        raise InputError(f"{folder}: holds no pretraining.json, the figures of its body", hint=OTHER)
    report.note(f"{folder} holds this body, finished; its result is given again")
    return facts
