"""Summarize a network, or find how it was fed in training, without evaluating it."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from dlcli.core.compute import rng
from dlcli.core.compute.device import choose_device, describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import ImageData
from dlcli.core.evaluation.summary import summarise
from dlcli.core.layers.multi_clip import MultiClip
from dlcli.core.layers.normalise import IMAGENET_CLASSES
from dlcli.core.model_io.pretrained import published
from dlcli.core.model_io.trained import diagnose_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models import MODELS
from dlcli.core.models.base import Architecture, normalised_architecture
from dlcli.core.models.from_torchvision import published_side
from dlcli.engines.model_and_data import open_model_and_data, read
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.summary import Summary
from dlcli.specs.usual_data import DEFAULT
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

_SUMMARY_IMAGES = 16
"""Number of images over which the effective receptive field is averaged."""

_NOISE_IMAGES = 2
"""The same, where they are random."""


def summarize_network(config: EvalConfig, report: Reporter) -> EvalResult:
    """The result with `summary`: layers and no metrics. Raises the kinds of `dlcli.support.errors`."""
    summary, data, name, sha256, notes = _summary(config, report)
    return replace(_without_metrics(config, data, name, sha256), summary=summary, notes=notes)


def diagnose_network_input(config: EvalConfig, report: Reporter) -> EvalResult:
    """The result with `diagnose_input`: the ways to feed the network and no metrics."""
    loaded = open_model_and_data(config, report, look=False)
    trained = loaded.trained
    one = trained.members[0] if trained.members else trained.model
    one = one.inner if isinstance(one, MultiClip) else one
    with report.task("trying ways to feed the network"):
        found = diagnose_trained(replace(trained, model=one), loaded.data, device=loaded.device, bounded=False)
    member = ("Of the ensemble, the first member was looked at.",) if trained.members else ()
    notes = (*trained.notes, *member, *([found.warning] if found.warning else []))
    if found.warning:
        report.warn(found.warning)
    return replace(_without_metrics(config, loaded.data, trained.name, trained.sha256), input=found, notes=notes)


def _without_metrics(config: EvalConfig, data: ImageData, name: str, sha256: str) -> EvalResult:
    return EvalResult(
        data=data.name,
        split=config.split,
        unit=data.unit,
        model=name,
        model_sha256=sha256,
        n_images=0,
        metrics=(),
        per_class=(),
        confusion=(),
        bins=(),
        mistakes=(),
        diagnosis=None,
        summary=None,
        seed=config.seed,
        device=describe_device(choose_device(config.device)),
        seconds=0.0,
    )


def _summary(config: EvalConfig, report: Reporter) -> tuple[Summary, ImageData, str, str, tuple[str, ...]]:
    if config.model is None and config.arch is not None:
        return _of_untrained(config, config.arch, report)
    loaded = open_model_and_data(config, report, look=False)
    images = to_float(loaded.split(config.split).x[:_SUMMARY_IMAGES]).to(loaded.device)
    trained = loaded.trained
    found = summarise(trained.model, images)
    notes = (*_seconds(found, loaded.data), _multiply_adds_note(loaded.data), *trained.notes)
    return found, loaded.data, trained.name, trained.sha256, notes


def _of_untrained(config: EvalConfig, name: str, report: Reporter) -> tuple[Summary, ImageData, str, str, tuple[str, ...]]:
    noise = _as_published(config, name, report)
    data, device = noise or read(config, report), choose_device(config.device)
    model, arch = untrained(config, name, data, device)
    notes = [*arch.notes, _multiply_adds_note(data)]
    notes.append("The network is untrained, so its effective receptive field is that of random weights.")
    if noise is not None:
        shape, classes = "x".join(map(str, data.x_test.shape[1:])), len(data.classes)
        notes.append(
            f"Without `data`: random images of {shape} and {count(classes, 'class', 'classes')}, as of the published weights."
        )
    found = summarise(model, data.sample(_SUMMARY_IMAGES).to(device))
    return found, data, arch.name, "", (*_seconds(found, data), *notes)


class UntrainedNetwork(NamedTuple):
    """A network with random weights, and what it was built by."""

    model: nn.Module
    arch: Architecture


def untrained(config: EvalConfig, name: str, data: ImageData, device: torch.device) -> UntrainedNetwork:
    """The network `name` with the weights that a training with `config.seed` would start from.

    Args:
        config: Its normalisation and seed.
        name: As `named_model` takes it.
        data: What it is built for.
        device: Where it goes.

    Raises:
        UsageError: If there is no such network.
        InputError: If it does not fit the data.
    """
    arch = normalised_architecture(open_model(name, data), config.normalise, data.channels)
    with preserved():
        torch.manual_seed(derive(config.seed, "init"))
        return UntrainedNetwork(arch.build().to(device), arch)


def _seconds(summary: Summary, data: ImageData) -> tuple[str, ...]:
    """The field of a network of sequences in seconds, where their rate is known."""
    rate, field = data.steps.rate, summary.receptive_field
    if rate is None or len(field) != 1:
        return ()
    return (f"The field of {count(field[0], 'step')} is {field[0] / rate:.3g} seconds, at {rate:,g} steps per second.",)


def _as_published(config: EvalConfig, name: str, report: Reporter) -> ImageData | None:
    """Random images of the size and number of classes of the network's published weights, unless the data are named."""
    if config.data != DEFAULT or name in MODELS.names():
        return None
    card = published(name, report)
    side = published_side(name) if card is None else card.preparation.crop
    if side is None:
        return None
    side, classes = config.size or side, IMAGENET_CLASSES if card is None else len(card.classes)
    x = torch.rand(_NOISE_IMAGES, 3, side, side, generator=rng.generator(derive(config.seed, "images")))
    y = torch.zeros(len(x), dtype=torch.int64)
    return ImageData(x[:0], y[:0], x, y, tuple(map(str, range(classes))), name)


def _multiply_adds_note(data: ImageData) -> str:
    what = "convolutions and matrix products, attention included"
    return f"Multiply-adds are those of {what}, for one {data.unit}; a FLOP count is twice that."
