"""Trains a perceptron on features of frames by a frozen backbone; they are computed once and cached."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import device_key
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.base import ImageData, Split
from dlcli.core.layers.multi_clip import MultiClip, for_clips
from dlcli.core.model_io.checkpoint import load_weights, save_tensors, weights_sha256
from dlcli.core.model_io.run_dir import model_normalisation
from dlcli.core.models import FRAME_MLP
from dlcli.core.models.frame_mlp import FrameMlp
from dlcli.engines.train import fitting
from dlcli.engines.train.fitting import Fitted
from dlcli.engines.train.job import Job, build
from dlcli.support.errors import InputError, UsageError
from dlcli.support.lock import cache_lock
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import Reporter


def fit(job: Job, *, report: Reporter, label: str, run: str = "", keep: Path | None = None) -> Fitted | None:
    """Train as `engines.train.fitting.fit` does, but only the perceptron of a `frame-mlp`, on cached features.

    Args:
        job: What to train.
        report: Receives the progress.
        label: Name of the task in the progress display.
        run: Name of the training in logs.
        keep: File for the state of an interrupted training.

    Returns:
        The whole trained network, or None if it was interrupted.

    Raises:
        UsageError: If options would change the frames from epoch to epoch, so that their features could not be cached.
    """
    if not job.arch.name.startswith(f"{FRAME_MLP}:"):
        return fitting.fit(job, report=report, label=label, run=run, keep=keep)
    _check(job)
    built, notes = build(job)
    model = (built.inner if isinstance(built, MultiClip) else built).to(job.device).eval()
    frame = next(module for module in model.modules() if isinstance(module, FrameMlp))
    features = _cached_features(job, model, frame, report)
    arch = replace(job.arch, build=lambda: frame.mlp)
    inner = replace(job, data=features, arch=arch, config=replace(job.config, surgery=()))
    fitted = fitting.fit(inner, report=report, label=label, run=run, keep=keep)
    if fitted is None:
        return None
    return replace(fitted, model=for_clips(model.eval(), job.data.clips), surgery=notes, sha256=weights_sha256(model))


def _check(job: Job) -> None:
    for option in ("augment", "mixup", "cutmix", "adversarial"):
        if getattr(job.config, option):
            message = f"`{option}`: {FRAME_MLP} computes the features of its frames once, so they cannot change later"
            raise UsageError(message, hint=f"omit `{option}`")
    for option in ("freeze", "lr_for", "grow"):
        if getattr(job.config, option):
            message = f"`{option}`: {FRAME_MLP} trains its perceptron only, at one rate"
            raise UsageError(message, hint=f"omit `{option}`")


def _cached_features(job: Job, model: nn.Module, frame: FrameMlp, report: Reporter) -> ImageData:
    """The features of all sets, from the cache if they are there."""
    file = cache_dir() / "features" / f"{_key(job, model, frame)}.safetensors"
    with cache_lock(file, f"another run is computing the features of {job.arch.name}", report):
        return _read(job.data, file) or _write(job, file, _compute_features(job, model, frame, report), report)


def _key(job: Job, model: nn.Module, frame: FrameMlp) -> str:
    """A digest of everything that determines the features."""
    facts: list[object] = [job.data.fingerprint, weights_sha256(frame.backbone), model_normalisation(model)]
    facts += [job.arch.name, job.arch.source_sha256, list(job.config.surgery)]
    facts += [device_key(job.device), torch.get_num_threads(), torch.__version__]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(data: ImageData, file: Path) -> ImageData | None:
    if not file.exists():
        return None
    try:
        return _with_features(data, load_weights(file))
    except (InputError, KeyError):  # damaged: computed again
        return None


def _write(job: Job, file: Path, features: dict[str, Tensor], report: Reporter) -> ImageData:
    try:
        save_tensors(file, features, {})
    except OSError as error:
        report.warn(f"{file}: not cached for the next run ({error.strerror or error})")
    return _with_features(job.data, features)


def _with_features(data: ImageData, features: dict[str, Tensor]) -> ImageData:
    return data.with_splits({name: Split(features[name], split.y, split.metadata) for name, split in data.splits.items()})


def _compute_features(job: Job, model: nn.Module, frame: FrameMlp, report: Reporter) -> dict[str, Tensor]:
    """The features of each split, of shape (n, d, clips, 1, 1): each clip looks like one frame of one pixel."""
    splits = job.data.splits
    mlp, frame.mlp = frame.mlp, nn.Identity()
    try:
        with report.task(f"features of {job.arch.name}, sets", len(splits)) as task:
            found = {}
            for name, split in splits.items():
                found[name] = _features_of_clips(job, model, split.x)
                task.advance()
            return found
    finally:
        frame.mlp = mlp


def _features_of_clips(job: Job, model: nn.Module, x: Tensor) -> Tensor:
    clips = x.split(x.shape[2] // job.data.clips, dim=2) if x.dim() == 5 else (x,)
    each = [predict_logits(model, clip, device=job.device) for clip in clips]
    return torch.stack(each, 2)[..., None, None]
