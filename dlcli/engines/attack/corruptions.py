"""The engine of `dlcli attack --method corruptions`: accuracy under common corruptions, and the mean corruption error."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.corruptions.all import CORRUPTIONS
from dlcli.core.corruptions.base import corrupt, is_small
from dlcli.core.ensembles.combine import RULES
from dlcli.core.grouped import share_of
from dlcli.core.model_io.trained import TrainedNetwork
from dlcli.engines.attack.corruption_figures import (
    Answers,
    by_corruption,
    by_severity,
    mean_error,
    minus_baseline,
    relative_degradation,
    relative_error,
)
from dlcli.engines.attack.networks import align_outputs
from dlcli.engines.attack.setup import AttackSetup
from dlcli.engines.attack.surrogate import open_surrogate
from dlcli.engines.attack.trained_networks import LoadedNetworks
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.corruptions import CORRUPTIONS as NAMES
from dlcli.specs.corruptions import METHOD, SEVERITIES
from dlcli.specs.gate import gate
from dlcli.specs.spread import spread_option
from dlcli.support.errors import InputError
from dlcli.support.plural import count

FILES = ("corruptions.npz", "examples.png", "report.html")
"""The files of the output directory; the command line adds run.json."""

_AT_A_TIME = 256
"""Images that are corrupted at a time: in float64, of which a corruption has several copies."""

Classify = Callable[[Tensor], NDArray[np.int64]]
"""The classes that a classifier predicts for images (n, c, h, w), (n,)."""


@dataclass(frozen=True)
class Predicted:
    """The classes that a network predicts: on `clean` images (n,), and on `corrupted` ones (corruptions, severities, n)."""

    clean: NDArray[np.int64]
    corrupted: NDArray[np.int64]

    def answers(self, labels: NDArray[np.int64], group: NDArray[np.int64] | None) -> Answers:
        """Where these are the labels (n,), for images in groups (n,) if there are any."""
        return Answers(self.clean == labels, self.corrupted == labels, group)


def chosen(config: AttackConfig) -> tuple[str, ...]:
    """The names of the corruptions to apply, in the order of the paper."""
    wanted = config.corruptions or NAMES
    return tuple(name for name in NAMES if name in wanted)


def check_images(setup: AttackSetup) -> None:
    """Raise InputError for images to which a corruption of the run does not apply."""
    x, wanted = setup.x, chosen(setup.config)
    if x.dim() != 4:
        hint = "corruptions are of single pictures"
        raise InputError(f"`method={METHOD}`: {setup.data.name} holds {setup.data.unit}s, not pictures", hint=hint)
    channels = x.shape[1]
    fits = [name for name in wanted if not CORRUPTIONS[name].channels or channels in CORRUPTIONS[name].channels]
    others = [name for name in wanted if name not in fits]
    if others:
        message = (
            f"{', '.join(others)}: only of grey and colour pictures, but {setup.data.name} has {count(channels, 'channel')}"
        )
        meant = fits or [name for name in NAMES if not CORRUPTIONS[name].channels]
        raise InputError(message, hint=f"choose others: `corruptions={','.join(meant)}`")


def measure_corruptions(setup: AttackSetup) -> CorruptionResult:
    """Corrupt all images of the setup, classify them, and write `FILES` if there is an `output`.

    Raises InputError where a corruption does not apply to the images, and what opening the networks raises.
    """
    check_images(setup)
    config, labels = setup.config, setup.y.numpy()
    if name := spread_option(config):
        setup.report.note(f"`{name}` is for networks that are trained: corruptions are measured in one process")
    other = None if config.against is None else open_surrogate(config.against, setup.data, setup.device, "against")
    loaded = setup.load_networks()
    started = time.perf_counter()
    predicted = _predicted(setup, [_classifier(setup, loaded), *([] if other is None else [_single(setup, other)])])
    own, *of_baseline = (one.answers(labels, setup.group) for one in predicted)
    baseline = of_baseline[0] if of_baseline else None
    applied = chosen(config)
    result = CorruptionResult(
        method=METHOD,
        data=setup.data.name,
        model=setup.networks.attacked.name,
        model_sha256=loaded.sha256,
        against="" if other is None else str(config.against),
        against_sha256="" if other is None else other.sha256,
        settings="CIFAR-10-C" if is_small(*setup.x.shape[2:]) else "ImageNet-C",
        n_images=len(labels),
        clean=share_of(own.clean, own.group),
        mean_error=mean_error(own),
        relative_error=None if baseline is None else relative_error(own, baseline),
        relative_degradation=None if baseline is None else relative_degradation(own, baseline),
        minus_baseline=None if baseline is None else minus_baseline(own, baseline),
        by_corruption=tuple(by_corruption(applied, own, baseline)),
        rows=tuple(by_severity(applied, own, baseline)),
        trained=loaded.trained,
        reused=loaded.reused,
        seed=config.seed,
        device=describe_device(setup.device),
        seconds=time.perf_counter() - started,
        notes=(*loaded.notes, *setup.notes, *(() if other is None else other.notes), *_notes(setup, applied)),
    )
    result = _gated(result, config)
    if config.output is not None:
        from dlcli.engines.attack.corruption_page import write_corruption_report  # here, since it imports matplotlib

        write_corruption_report(config.output, result, setup, predicted[0], own)
    return result


def plan_corruptions(setup: AttackSetup) -> list[str]:
    """What `measure_corruptions` would do, one line per step."""
    check_images(setup)
    applied = chosen(setup.config)
    of = f"{count(len(setup.x), 'test image')} by {', '.join(applied)}, {count(len(SEVERITIES), 'severity', 'severities')} each"
    return [f"corrupt {of}", *([f"write {', '.join(FILES)} in {setup.config.output}"] if setup.config.output else [])]


def corrupted(setup: AttackSetup, name: str, severity: int, begin: int, end: int) -> Tensor:
    """Images of the setup, corrupted; their places and the seed fix all random numbers.

    Args:
        setup: The images.
        name: The corruption.
        severity: From 1 to 5.
        begin: The first image.
        end: The image behind the last.

    Returns:
        The images (end - begin, c, h, w).
    """
    places = setup.places[begin:end].tolist()
    return corrupt(name, CORRUPTIONS[name], setup.x[begin:end], severity, places, setup.config.seed)


def _predicted(setup: AttackSetup, networks: Sequence[Classify]) -> list[Predicted]:
    """What each network predicts for the same images."""
    applied, n = chosen(setup.config), len(setup.x)
    found = [np.zeros((len(applied), len(SEVERITIES), n), dtype=np.int64) for _ in networks]
    with setup.report.task("corrupted images", n * len(applied) * len(SEVERITIES)) as task:
        for k, name in enumerate(applied):
            for place, severity in enumerate(SEVERITIES):
                for begin, end in _parts(n):
                    images = corrupted(setup, name, severity, begin, end)
                    for one, classify in zip(found, networks, strict=True):
                        one[k, place, begin:end] = classify(images)
                    task.advance(end - begin)
    return [Predicted(classify(setup.x), one) for one, classify in zip(found, networks, strict=True)]


def _parts(n: int) -> Iterator[tuple[int, int]]:
    return ((begin, min(n, begin + _AT_A_TIME)) for begin in range(0, n, _AT_A_TIME))


def _classifier(setup: AttackSetup, loaded: LoadedNetworks) -> Classify:
    """The network under attack, or the ensemble by its rule."""
    if not loaded.members and loaded.baseline is not None:
        return _by(setup, loaded.baseline)
    decide = RULES[setup.networks.rule]

    def classify(images: Tensor) -> NDArray[np.int64]:
        logits = [predict_logits(one, images, device=setup.device) for one in loaded.members]
        found: NDArray[np.int64] = decide(torch.stack(logits)).numpy()
        return found

    return classify


def _single(setup: AttackSetup, other: TrainedNetwork) -> Classify:
    return _by(setup, align_outputs(other.model, other.classes or setup.data.classes, setup.outputs))


def _by(setup: AttackSetup, model: nn.Module) -> Classify:
    def classify(images: Tensor) -> NDArray[np.int64]:
        found: NDArray[np.int64] = predict_logits(model, images, device=setup.device).argmax(-1).numpy()
        return found

    return classify


def _notes(setup: AttackSetup, applied: Sequence[str]) -> Iterator[str]:
    rows, columns = setup.x.shape[2:]
    side, which = (32, "CIFAR-10-C") if is_small(rows, columns) else (224, "ImageNet-C")
    other = (
        "" if (rows, columns) == (side, side) else f", which are for {side}x{side} pixels; these images have {rows}x{columns}"
    )
    yield f"The severities are those of {which}{other}."
    if len(applied) < len(NAMES):
        yield f"{len(applied)} of the {count(len(NAMES), 'corruption')}: their mean is not that of published results."
    if setup.groups is not None:
        yield from setup.groups.notes(setup.data)
    yield "Corruptions are no adversary: against an attacker who chooses the change, accuracy can be far lower."


def _gated(result: CorruptionResult, config: AttackConfig) -> CorruptionResult:
    wanted = gate(config.fail_under)
    if wanted is None:
        return result
    figure, what = (
        (result.clean, "clean accuracy") if wanted.metric == "clean" else (result.robust, "accuracy under corruptions")
    )
    return replace(result, failed=f"{what} is {wanted.below(figure)}") if wanted.fails(figure) else result
