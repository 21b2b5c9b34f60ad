"""What gradients look like while a network is trained: `dlcli train --probe`."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.gradients.input_gradients import Derivative
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.gradients.noise_scale import LEAST_EXAMPLES, gradient_noise
from dlcli.core.gradients.scalar_nets import set_batchnorm_statistics
from dlcli.core.objectives.cross_entropy import CrossEntropy
from dlcli.core.training.loop import Training
from dlcli.engines.train.job import Job
from dlcli.specs.estimates import Estimate
from dlcli.specs.gradient_probe import GradientProbe, probe_schema
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of
from dlcli.support.seeds import derive

GRADIENTS = "gradients.json"
_EXAMPLES, _SIGNALLED = 512, 64
"""Of how many training images gradients are measured, and activations."""


def check_probed(job: Job) -> None:
    """Raise InputError if there are too few training images to measure anything of."""
    n = len(job.data.x_train)
    if job.config.probe is not None and n < LEAST_EXAMPLES:
        raise InputError(
            f"`probe` needs at least {LEAST_EXAMPLES} training {job.data.unit}s, and there are {n}", hint="omit it"
        )


def probe_if_due(job: Job, training: Training, found: list[GradientProbe]) -> None:
    """Add to `found` what gradients look like after the epochs that are done, if `probe` asks for it and it is not there yet.

    The network and the state of its training stay as they are.
    """
    every, epoch = job.config.probe, training.epoch
    if every is None or training.step or (epoch % every and not training.done) or any(one.epoch == epoch for one in found):
        return
    picked = torch.randperm(len(job.data.x_train), generator=generator(derive(job.seed, "probe")))[:_EXAMPLES]
    x, y = job.data.x_train[picked], job.data.y_train[picked]
    loss = CrossEntropy(training.hooks.class_weights, training.recipe.label_smoothing).loss
    few = to_float(x[:_SIGNALLED])
    model = _settled(training.model, few.to(job.device))
    noise = gradient_noise(model, x, y, loss, device=job.device)
    with torch.no_grad(), in_mode(model):
        output = int(logits_of(model, few[:1].to(job.device))[0].argmax())
    signals = layer_signals(model, few, Derivative("logit", output), device=job.device)
    scale = noise.scale
    known = isinstance(scale, Estimate)
    found.append(
        GradientProbe(
            epoch=epoch,
            n=scale.n,
            norm=noise.norm,
            noise=scale.value if known else None,
            noise_low=scale.low if known else None,
            noise_high=scale.high if known else None,
            layers=dict(noise.layers),
            dead={one.layer: one.dead for one in signals},
        )
    )


def _settled(model: nn.Module, x: Tensor) -> nn.Module:
    """The network, or a copy with the statistics of `x` (n, ...) where its batch normalisation has not seen any images yet."""
    seen = [module.num_batches_tracked for module in model.modules() if isinstance(module, _BatchNorm)]
    if all(one is None or bool(one) for one in seen):
        return model
    with preserved():
        return set_batchnorm_statistics(copy.deepcopy(model), x)


def save_probes(folder: Path, probes: Sequence[GradientProbe]) -> None:
    """Leave what was measured in the run directory, where there is anything."""
    if probes:
        write_text(folder / GRADIENTS, json.dumps({"probes": [one._asdict() for one in probes]}, indent=2) + "\n")


def read_probes(folder: Path) -> tuple[GradientProbe, ...]:
    """What `save_probes` left; empty if there is nothing."""
    path = folder / GRADIENTS
    if not path.exists():
        return ()
    found = read_json_metadata(path)
    check_metadata(found, path, {"probes": list_of(probe_schema())}, hint="train it again")
    return tuple(GradientProbe(**one) for one in found["probes"])
