"""The networks of `suspects`, each trained on all folds but one, and what a stopped run keeps of them."""

from pathlib import Path

from torch import Tensor

from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.ranks import current_ranks
from dlcli.core.model_io.checkpoint import load_state, save_state
from dlcli.engines.train.fitting import fit
from dlcli.engines.train.job import Job, check_same, describe
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.reporter import Reporter
from dlcli.support.schema import mapping_of

FOLDS = "folds"
"""The folder in a run directory with what the network of each fold predicted, from which `resume` goes on."""
_LOGITS = "logits"
_FACTS = {"determined_by": mapping_of(lambda value: "")}


def predict_fold(job: Job, number: int, report: Reporter) -> Tensor | None:
    """Train the network of a fold and predict the fold, or read what an earlier run with `resume` has predicted.

    Args:
        job: The training, whose test set is the fold.
        number: The fold, from 1 on.
        report: Receives the progress, and decides whether to stop.

    Returns:
        Logits (n, outputs) of the fold; None if it was interrupted, and the state is then in the output folder.

    Raises:
        UsageError: If the output folder has the fold of another training.
        InputError: If its files are damaged.
    """
    name, ranks = f"{number}-of-{job.config.suspects}", current_ranks()
    folder = None if job.config.output is None else job.config.output / FOLDS
    done, state = (None if folder is None else folder / f"{name}{end}.safetensors" for end in ("", "-state"))
    if ranks.of_first(lambda: done is not None and done.exists()):
        return ranks.of_first(lambda: _read(job, done)) if done is not None else None
    label = f"fold {number} of {job.config.suspects}, steps"
    if folder is not None and ranks.first:
        folder.mkdir(exist_ok=True)
    fitted = fit(job, report=report, label=label, keep=state)
    if fitted is None:
        return None
    logits = predict_logits(fitted.model, job.data.x_test, device=job.device)
    if done is not None and state is not None and ranks.first:
        save_state(done, {_LOGITS: logits}, {"determined_by": describe(job)})
        state.unlink(missing_ok=True)
    return logits


def _read(job: Job, path: Path) -> Tensor:
    hint = f"remove {path.parent}"
    found = load_state(path, hint)
    check_metadata(found.facts if isinstance(found.facts, dict) else {}, path, _FACTS, hint=hint)
    check_same(found.facts["determined_by"], describe(job), job.config, path.parent)
    if _LOGITS not in found.tensors or len(found.tensors[_LOGITS]) != len(job.data.x_test):
        raise InputError(f"{path}: not the predictions of a fold", hint=hint)
    return found.tensors[_LOGITS]
