"""Training a perceptron on features of frames that do not change: they are worked out once, and kept in the cache."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.base import ImageData, Split
from dlcli.core.layers.multi_clip import MultiClip, for_clips
from dlcli.core.model_io.checkpoint import load_weights, save_tensors, weights_sha256
from dlcli.core.model_io.run_dir import is_normalised
from dlcli.core.models import FRAME_MLP
from dlcli.core.models.frame_mlp import FrameMlp
from dlcli.engines.train import job as _train_one
from dlcli.engines.train.job import Fitted, Job
from dlcli.support.errors import InputError, UsageError
from dlcli.support.lock import cache_lock
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import Reporter


def fit(job: Job, *, report: Reporter, label: str, keep: Path | None = None) -> Fitted | None:
    """As `_train_one.fit`; of a `frame-mlp` only the perceptron goes through the loop.

    Raises UsageError if its frames are to change from epoch to epoch.
    """
    if not job.arch.name.startswith(f"{FRAME_MLP}:"):
        return _train_one.fit(job, report=report, label=label, keep=keep)
    _check(job)
    built, notes = _train_one.build(job)
    model = (built.inner if isinstance(built, MultiClip) else built).to(job.device).eval()
    frame = next(module for module in model.modules() if isinstance(module, FrameMlp))
    features = _kept(job, model, frame, report)
    arch = replace(job.arch, build=lambda: frame.mlp)
    inner = replace(job, data=features, arch=arch, config=replace(job.config, surgery=()))
    fitted = _train_one.fit(inner, report=report, label=label, keep=keep)
    if fitted is None:
        return None
    return replace(fitted, model=for_clips(model.eval(), job.data.clips), surgery=notes, sha256=weights_sha256(model))


def _check(job: Job) -> None:
    for option, given in (("augment", job.config.augment), ("adversarial", job.config.adversarial)):
        if given:
            message = f"`{option}`: {FRAME_MLP} computes the features of its frames once, so they cannot change later"
            raise UsageError(message, hint=f"omit `{option}`")


def _kept(job: Job, model: nn.Module, frame: FrameMlp, report: Reporter) -> ImageData:
    """The features of all sets, from the cache if they are there."""
    file = cache_dir() / "features" / f"{_key(job, model, frame)}.safetensors"
    with cache_lock(file, f"another run is taking the features of {job.arch.name}", report):
        return _read(job.data, file) or _write(job, file, _worked_out(job, model, frame, report), report)


def _key(job: Job, model: nn.Module, frame: FrameMlp) -> str:
    """Of all that determines the features."""
    facts = [job.data.fingerprint, weights_sha256(frame.backbone), is_normalised(model)]
    facts += [job.arch.name, job.arch.source_sha256, list(job.config.surgery)]
    facts += [job.device.type, torch.get_num_threads(), torch.__version__]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(data: ImageData, file: Path) -> ImageData | None:
    if not file.exists():
        return None
    try:
        return _with(data, load_weights(file))
    except (InputError, KeyError):  # damaged: computed again
        return None


def _write(job: Job, file: Path, features: dict[str, Tensor], report: Reporter) -> ImageData:
    try:
        save_tensors(file, features, {})
    except OSError as error:
        report.warn(f"{file}: not cached for the next run ({error.strerror or error})")
    return _with(job.data, features)


def _with(data: ImageData, features: dict[str, Tensor]) -> ImageData:
    return data.with_splits({name: Split(features[name], split.y) for name, split in data.splits.items()})


def _worked_out(job: Job, model: nn.Module, frame: FrameMlp, report: Reporter) -> dict[str, Tensor]:
    """Of each set the features (n, d, clips, 1, 1): a clip of one frame, of one place, for each clip."""
    splits = job.data.splits
    mlp, frame.mlp = frame.mlp, nn.Identity()
    try:
        with report.task(f"features of {job.arch.name}", len(splits)) as task:
            found = {}
            for name, split in splits.items():
                found[name] = _of_clips(job, model, split.x)
                task.advance()
            return found
    finally:
        frame.mlp = mlp


def _of_clips(job: Job, model: nn.Module, x: Tensor) -> Tensor:
    clips = x.split(x.shape[2] // job.data.clips, dim=2) if x.dim() == 5 else (x,)
    each = [predict_logits(model, clip, device=job.device) for clip in clips]
    return torch.stack(each, 2)[..., None, None]
