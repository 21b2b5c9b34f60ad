"""Suspected label errors of a training set, by networks that were not trained on the labels they are asked about."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE
from dlcli.core.data.groups import groups_of
from dlcli.core.evaluation.metrics import Floats, log_probabilities
from dlcli.core.evaluation.sequence_pictures import drawn
from dlcli.core.html_report.page import Page
from dlcli.engines.suspects import SHOWN, find_suspects, suspects_note, suspects_parts, write_suspects
from dlcli.engines.train.folds import predict_fold
from dlcli.engines.train.job import Job
from dlcli.specs.suspects import Suspects
from dlcli.specs.train_result import TrainResult
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

PAGE = "suspects.html"


def find_training_suspects(job: Job, report: Reporter) -> Suspects | None:
    """Suspect labels of the training set by what networks predict that were not trained on them.

    Args:
        job: The training, with `suspects`, the number of folds.
        report: Receives the progress.

    Returns:
        The suspects; None if it was interrupted.

    Raises:
        InputError: If a class has fewer examples than there are folds.
    """
    log_p = predicted_out_of_fold(job, report)
    if log_p is None:
        return None
    train, classes = job.data.splits["train"], job.data.classes
    files = list(train.metadata[FILE]) if FILE in train.metadata else None
    names = (*classes, *(str(k) for k in range(len(classes), log_p.shape[1])))
    folds = int(job.config.suspects or 0)
    return find_suspects(log_p, train.y.numpy(), names, files, split="train", folds=folds)


def predicted_out_of_fold(job: Job, report: Reporter) -> Floats | None:
    """Train a network for each fold of the training set on the others, and predict the fold.

    Args:
        job: The training, with `suspects`, the number of folds.
        report: Receives the progress.

    Returns:
        Log-probabilities (n, outputs) of the training examples; None if it was interrupted.
    """
    data, folds = job.data, int(job.config.suspects or 0)
    train, fold, logits = data.splits["train"], check_folds(job), []
    for k in range(folds):
        sets = {**data.splits, "train": train.take(fold != k), "test": train.take(fold == k)}
        predicted = predict_fold(replace(job, data=data.with_splits(sets)), k + 1, report)
        if predicted is None:
            if job.config.output is not None:
                report.note(f"{job.config.output} holds the run, without suspects; `resume` goes on in fold {k + 1} of {folds}")
            return None
        logits.append(predicted.numpy())
    order = np.argsort(np.concatenate([np.flatnonzero(fold == k) for k in range(folds)]))
    return log_probabilities(np.concatenate(logits)[order])


def check_folds(job: Job) -> NDArray[np.int64]:
    """The fold of each training example, (n,) from 0 on; raises InputError if there are too few for `suspects` folds."""
    train = job.data.splits["train"]
    group = groups_of(train.metadata, job.group, job.data.name)
    folds = int(job.config.suspects or 0)
    return folds_of(train.y.numpy(), folds, group, seed=derive(job.seed, "folds"), name=job.data.name)


def folds_of(y: NDArray[np.integer], folds: int, group: NDArray[np.int64] | None, *, seed: int, name: str) -> NDArray[np.int64]:
    """The fold of each example, (n,) from 0 on: of each class as many in each, or of groups whole ones at random.

    Args:
        y: The labels, (n,).
        folds: Number of folds.
        group: The group of each example, (n,); None without groups.
        seed: Of the order.
        name: The data, for messages.

    Raises:
        InputError: If a class, or the groups, are fewer than the folds.
    """
    source = np.random.default_rng(seed)
    if group is not None:
        members = int(group.max()) + 1
        if members < folds:
            raise InputError(f"`suspects={folds}`: {name} has {count(members, 'group')}", hint=f"`suspects={max(2, members)}`")
        placed: NDArray[np.int64] = (source.permutation(members) % folds).astype(np.int64)[group]
        return placed
    found = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        which = np.flatnonzero(y == label)
        if len(which) < folds:
            message = f"`suspects={folds}`: a class of {name} has {count(len(which), 'training example')}, fewer than folds"
            raise InputError(message, hint="choose fewer folds")
        found[source.permutation(which)] = np.arange(len(which)) % folds
    return found


def with_suspects(job: Job, result: TrainResult, found: Suspects) -> TrainResult:
    """The result with the suspects, which are written to the run directory."""
    note = suspects_note(found, job.data.unit)
    result = replace(result, suspects=found, notes=(*result.notes, note))
    folder = job.config.output
    if folder is not None:
        write_suspects(folder, found)
        x = job.data.x_train[torch.tensor([one.index for one in found.suspects[:SHOWN]], dtype=torch.int64)]
        page = Page(
            title=f"Suspected label errors in {job.data.name}",
            number=f"{found.count:,}",
            lead=f"of {count(found.n, 'training label')} are suspected to be wrong.",
            parts=suspects_parts(found, pictures_of(job, x), job.data.unit),
            notes=(note, "Each score is the probability of the given label less the highest of the others."),
            facts=[
                ("Data", job.data.name),
                ("Network", f"{job.arch.name}, {count(found.folds, 'fold')}"),
                ("Seed", str(job.seed)),
            ],
        )
        write_text(folder / PAGE, page.html())
    return result


def pictures_of(job: Job, x: torch.Tensor) -> NDArray[np.float32]:
    """Examples (m, ...) as pictures (m, c, h, w) in [0, 1]."""
    if job.data.is_sequences:
        return drawn(x)
    found: NDArray[np.float32] = to_float(x if job.data.frames is None else x[:, :, x.shape[2] // 2]).numpy()
    return found
