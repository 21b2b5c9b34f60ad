"""A long sound through a causal network part by part, with a kept state: the same answer at constant memory."""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode
from dlcli.core.compute.precision import float32_precision
from dlcli.core.data.base import FILE, ImageData, Steps
from dlcli.core.data.sequences.base import Found, SequenceOptions, Sequences, dataset
from dlcli.core.data.sequences.sound_files import SoundStream
from dlcli.core.layers.causal import Causal, streaming
from dlcli.core.layers.on_sequences import step_by_step
from dlcli.core.model_io.ensemble_dir import is_ensemble
from dlcli.core.model_io.run_dir import read_run_metadata
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.models import takes_sequences
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter

PART = 16_384
"""Samples that go through the network at a time."""


def streamed_sound(model: str | None, spec: str) -> SoundStream | None:
    """The sound `spec`, where it is a PCM .wav that the built-in network in the run directory `model` takes as it is."""
    path, saved = Path(spec), task_of(model).sequences
    if model is None or saved is None or path.suffix.lower() != ".wav" or not path.is_file():
        return None
    if is_ensemble(Path(model)) or not takes_sequences(read_run_metadata(Path(model))["model"]):
        return None
    with suppress(InputError):  # of another format than PCM, which is read as a whole
        sound = SoundStream(path)
        return sound if sound.rate == saved.rate and sound.length else None
    return None


def head_of(sound: SoundStream, spec: str) -> ImageData:
    """The first part of a sound as a test set without classes, on which a network is checked."""
    first = next(sound.parts(PART))
    named = {FILE: np.array([Path(spec).name], dtype=object)}
    found = Found({"": Sequences([first], None, named)}, Steps(float(sound.rate)))
    return dataset(spec, found, SequenceOptions(unlabelled=True))


class Heard(NamedTuple):
    """The answer of a network for the first `steps` samples of a sound: its logits (k,)."""

    steps: int
    logits: Tensor


def stream_logits(model: nn.Module, sound: SoundStream, *, device: torch.device, report: Reporter, part: int = PART) -> Tensor:
    """The logits (1, k) for a sound, as `predict_logits` gives them for all of it at once, up to rounding.

    Args:
        model: A network of sequences around a causal one.
        sound: The sound, of at least one sample.
        device: Where the network is.
        report: Receives the progress.
        part: Samples that go through at a time.

    Raises:
        StopIteration: If `model` has no causal network in it.
        InputError: If the network returns no outputs by step.
    """
    return list(stream_answers(model, sound, None, device=device, report=report, part=part))[-1].logits[None]


def stream_answers(
    model: nn.Module, sound: SoundStream, every: int | None, *, device: torch.device, report: Reporter, part: int = PART
) -> Iterator[Heard]:
    """The answers after every `every` samples, and for the whole sound, in one pass and at constant memory.

    A network that answers by its last step gives the output there; one that answers by the mean, that of the outputs so far.

    Args:
        model: As for `stream_logits`.
        sound: The sound, of at least one sample.
        every: After how many samples there is an answer; None for that of the whole sound only.
        device: Where the network is.
        report: Receives the progress.
        part: Samples that go through at a time.
    """
    mean = next(module for module in model.modules() if isinstance(module, Causal)).pooling != "last"
    total, seen, last = torch.zeros((), dtype=torch.float64), 0, torch.zeros(())
    with float32_precision("ieee"), in_mode(model), torch.no_grad(), report.task("streaming, samples", sound.length) as task:
        for outputs in _outputs(model, sound, device, part):
            steps = outputs.shape[2]
            task.advance(steps)
            for k in [] if every is None else range(every - seen % every - 1, steps, every):
                if seen + k + 1 < sound.length:
                    heard = (total + outputs[0, :, : k + 1].double().sum(1).cpu()) / (seen + k + 1)
                    yield Heard(seen + k + 1, heard.float() if mean else outputs[0, :, k].float().cpu())
            last, total, seen = outputs[0, :, -1].float().cpu(), total + outputs[0].double().sum(1).cpu(), seen + steps
    yield Heard(seen, (total / seen).float() if mean else last)


def _outputs(model: nn.Module, sound: SoundStream, device: torch.device, part: int) -> Iterator[Tensor]:
    copied = step_by_step(deepcopy(model))
    with streaming(copied):
        for samples in sound.parts(part):
            found = call_model(copied, torch.from_numpy(samples)[None].to(device))
            if not isinstance(found, Tensor):
                raise InputError(f"the model returns a {type(found).__name__}, not a tensor")
            yield found
