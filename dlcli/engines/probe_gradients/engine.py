"""What a network's gradients look like, why it may not train, and what to change: the engine of `dlcli probe-gradients`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.device import choose_device, describe_device, threads
from dlcli.core.compute.precision import float64_device
from dlcli.core.compute.rng import preserved
from dlcli.core.evaluation.comparison import p_of_pairs
from dlcli.core.evaluation.slices import holm
from dlcli.core.gradients.causes import Observations, causes
from dlcli.core.gradients.input_paths import InputPath, check_kind, input_paths, median_distance
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.gradients.lesion import Lesion, lesions
from dlcli.core.gradients.path_lengths import path_lengths
from dlcli.core.gradients.scalar_nets import GRID_LIMIT, grid, scalar_network
from dlcli.core.graph.skips import find_skips
from dlcli.core.graph.trace import WEIGHTED, record_trace
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.engines.probe_gradients.path_gradients import PathGradients, derivative_at, gradient_row, gradients_along
from dlcli.engines.probe_gradients.scored import score_target
from dlcli.engines.probe_gradients.setup import ProbeSetup, open_probe
from dlcli.engines.probe_gradients.suggestions import suggested_command
from dlcli.engines.probe_gradients.trials import with_trials
from dlcli.engines.trusted import only_named_code
from dlcli.specs.probe_gradients import (
    KINDS,
    Cause,
    GradientRow,
    LayerRow,
    LesionRow,
    PathRow,
    PathSummary,
    ProbeGradientsConfig,
    ProbeGradientsResult,
)
from dlcli.specs.train import IMAGES, SCORES
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

SEEDS = 20
_SIGNALLED = 64
"""For how many inputs activations are looked at."""
_DRAWS, _PATH_INPUTS = 20, 8
"""How many paths of each length are taken, at how many images."""


@only_named_code
def run(config: ProbeGradientsConfig, *, report: Reporter = SILENT) -> ProbeGradientsResult:
    """Look at the gradients of a network along lines between images, or of small networks on a line of numbers.

    Networks are left as they were. With `config.output` leaves pictures and a page in that folder. Raises the kinds of
    `dlcli.support.errors`.
    """
    started = time.perf_counter()
    device = choose_device(config.device)
    _check_folder(config)
    found = _synthetic(config, device, report) if config.model is None else _probed(config, device, report)
    result = replace(found.result, seconds=time.perf_counter() - started)
    if config.output is not None:
        from dlcli.engines.probe_gradients.report import write  # here, since it brings matplotlib

        write(config.output, result, found.lines)
    return result


@only_named_code
def plan(config: ProbeGradientsConfig) -> list[str]:
    """What `run` would do, as lines of text; opens data and network, but derives and writes nothing."""
    device = choose_device(config.device)
    _check_folder(config)
    if config.model is None:
        kinds = ", ".join(_kinds(config))
        lines = [f"draw {config.seeds or SEEDS} networks of {config.depth} layers of each kind: {kinds}"]
        lines.append(f"walk {config.points} points in [-{GRID_LIMIT:g}, {GRID_LIMIT:g}]")
    else:
        setup = open_probe(config, device, SILENT)
        check_kind(config.path)
        lines = [f"open {setup.name} and {count(len(setup.x), 'image')} of {setup.data.name}"]
        lines.append(f"walk {config.points} points along each line ({config.path}), of at most {config.walks}")
        lines += ["evaluate the network without each block in turn"] if config.lesion else []
        lines += ["measure the gradient by paths of each length through the residual blocks"] if config.paths else []
        lines += ["train with each surgery that is suggested, and without"] if config.try_suggested else []
    if config.output is not None:
        lines.append(f"write run.json, report.html and pictures in {config.output}")
    return lines


@dataclass(frozen=True)
class ProbeOutcome:
    """The result, and the lines of each network for the pictures."""

    result: ProbeGradientsResult
    lines: Mapping[str, Sequence[PathGradients]]


def _check_folder(config: ProbeGradientsConfig) -> None:
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"`output`: {config.output} is not a folder", hint="name a folder, new or old")


def _kinds(config: ProbeGradientsConfig) -> tuple[str, ...]:
    return (config.synthetic,) if config.synthetic else KINDS


def _synthetic(config: ProbeGradientsConfig, device: torch.device, report: Reporter) -> ProbeOutcome:
    with threads(1):  # layers this narrow gain nothing from more, and threads that wait for a busy core cost many times as much
        return _drawn_networks(config, float64_device(device), report)


def _drawn_networks(config: ProbeGradientsConfig, device: torch.device, report: Reporter) -> ProbeOutcome:
    x = grid(config.points)
    path = InputPath(0, x[0], x[-1], config.points)
    seeds = config.seeds or SEEDS
    lines: dict[str, list[PathGradients]] = {}
    layers: list[LayerRow] = []
    with report.task("probing, networks", total=seeds * len(_kinds(config))) as task:
        for kind in _kinds(config):
            name = f"{kind}-{config.depth}"
            lines[name] = []
            for number in range(seeds):
                model = _drawn(kind, config, x, number).to(device)
                lines[name].append(gradients_along(model, path, config, device))
                if number == 0:
                    layers += _named(name, layer_signals(model, x, derivative_at(model, x, config, device), device=device))
                task.advance(1)
    drawn = f"{seeds} scalar-to-scalar networks of each kind, {config.points} points in [-{GRID_LIMIT:g}, {GRID_LIMIT:g}]"
    notes = (f"{drawn}; plain is centred.", _norm_note(config))
    rows = tuple(gradient_row(name, found, points=config.points, neighbour=None) for name, found in lines.items())
    return ProbeOutcome(replace(_empty_result(config, device), rows=rows, layers=tuple(layers), notes=notes), lines)


def _drawn(kind: str, config: ProbeGradientsConfig, x: Tensor, number: int) -> nn.Module:
    with preserved():
        torch.manual_seed(derive(config.seed, "line", number))
        return scalar_network(kind, config.depth, x, beta=config.beta)


def _probed(config: ProbeGradientsConfig, device: torch.device, report: Reporter) -> ProbeOutcome:
    check_kind(config.path)
    setup = open_probe(config, device, report)
    lines = _gradients_along_paths(config, setup, device, report)
    row = gradient_row(setup.name, lines, points=config.points, neighbour=median_distance(setup.x))
    few = setup.x[:_SIGNALLED]
    layers = layer_signals(setup.model, few, setup.derivative_at(config, few, device), device=device)
    result = replace(
        _empty_result(config, device),
        target=config.target if setup.objective is None else score_target(config),
        model=setup.name,
        model_sha256=weights_sha256(setup.model),
        data=setup.data.name,
        rows=(row,),
        layers=tuple(_named(setup.name, layers)),
        causes=_causes(config, setup, row, layers, device),
        lesions=_lesions(setup, device, report) if config.lesion else (),
        notes=(*setup.notes, *_zero_note(row), _norm_note(config), *(_lesion_notes(setup) if config.lesion else ())),
    )
    if config.try_suggested:
        task = IMAGES if setup.objective is None else SCORES
        result = with_trials(result, config, spec=setup.spec, task=task, group=setup.column, report=report)
    if config.paths:
        try:
            result = _with_paths(result, config, setup, device)
        except InputError as error:
            if not config.lesion:
                raise
            result = replace(result, notes=(*result.notes, f"`paths`: {error.message}."))
    return ProbeOutcome(result, {setup.name: lines})


def _gradients_along_paths(
    config: ProbeGradientsConfig, setup: ProbeSetup, device: torch.device, report: Reporter
) -> list[PathGradients]:
    found = input_paths(
        config.path, setup.x, points=config.points, count=config.walks, seed=derive(config.seed, "walks") % 2**31
    )
    lines = []
    with report.task("probing, paths", total=len(found)) as task:
        for path in found:
            lines.append(gradients_along(setup.model, path, config, device, setup.derivative(config, path.start)))
            task.advance(1)
    return lines


def _causes(
    config: ProbeGradientsConfig, setup: ProbeSetup, row: GradientRow, layers: list[LayerRow], device: torch.device
) -> tuple[Cause, ...]:
    trace = record_trace(setup.model, setup.x[:1].to(device))
    facts = Observations(
        verdict=row.verdict,
        acf1=row.acf1.value if row.acf1 else None,
        signals=layers,
        inputs=min(len(setup.x), _SIGNALLED),
        skips=len(find_skips(trace)),
        layers=len(trace.ops_named(WEIGHTED)),
    )
    sample, task = setup.data.sample(2).to(device), IMAGES if setup.objective is None else SCORES

    def suggested(surgery: str) -> str | None:
        return suggested_command(config, surgery, setup.model, sample, spec=setup.spec, task=task, group=setup.column)

    return causes(facts, suggested)


def _named(network: str, signals: list[LayerRow]) -> list[LayerRow]:
    return [replace(one, network=network) for one in signals]


def _lesions(setup: ProbeSetup, device: torch.device, report: Reporter) -> tuple[LesionRow, ...]:
    with report.task("removing blocks") as task:
        whole, *others = lesions(setup.model, setup.x, setup.y, device=device, advance=task.advance)
    return lesion_rows(whole, *others, group=None if setup.groups is None else setup.groups.numbers)


def _lesion_notes(setup: ProbeSetup) -> tuple[str, ...]:
    return () if setup.groups is None else setup.groups.notes(setup.data)


def lesion_rows(whole: Lesion, *others: Lesion, group: NDArray[np.int64] | None = None) -> tuple[LesionRow, ...]:
    """The rows of the whole network and of the network without each block, the lowest accuracy first; tested by Holm.

    Args:
        whole: What the network predicts.
        others: What it predicts without each block.
        group: The group of each image, (n,) from 0 on, if they come in groups.
    """
    right = whole.correct.numpy()
    first = LesionRow(block="", kind="", accuracy=share_of(right, group), change=None)
    adjusted = holm([p_of_pairs(one.correct.numpy(), right, group) for one in others])
    rows = [
        LesionRow(
            block=one.block,
            kind=one.kind,
            accuracy=share_of(one.correct.numpy(), group),
            change=difference_of(one.correct.numpy(), right, group),
            p=p,
        )
        for one, p in zip(others, adjusted, strict=True)
    ]
    return (first, *sorted(rows, key=lambda row: row.accuracy.value))


def _with_paths(
    result: ProbeGradientsResult, config: ProbeGradientsConfig, setup: ProbeSetup, device: torch.device
) -> ProbeGradientsResult:
    few = setup.x[:_PATH_INPUTS]
    derivative = setup.derivative_at(config, few, device)
    found = path_lengths(setup.model, few, derivative, draws=_DRAWS, seed=derive(config.seed, "paths") % 2**31, device=device)
    rows = tuple(
        PathRow(blocks=k, share_of_paths=float(a), share_of_gradient=float(b), norm_of_one=float(c))
        for k, (a, b, c) in enumerate(zip(found.paths, found.gradient, found.one, strict=True))
    )
    if not found.gradient.any():
        return replace(result, path_lengths=rows, notes=(*result.notes, "The gradient is zero by paths of every length."))
    low, high = found.effective
    summary = PathSummary(
        mean_by_count=found.mean_by_count, mean_by_gradient=found.mean_by_gradient, effective_low=low, effective_high=high
    )
    return replace(result, path_lengths=rows, path_summary=summary)


def _zero_note(row: GradientRow) -> tuple[str, ...]:
    if row.cosine is not None:
        return ()
    return ("The gradient is zero along every line: the output does not change with the input there.",)


def _norm_note(config: ProbeGradientsConfig) -> str:
    ways = {"frozen": "its running statistics", "batch": "the statistics of the points of a path"}
    (other,) = ways.keys() - {config.bn}
    return f"Batch normalisation uses {ways[config.bn]}; with {ways[other]} (`bn={other}`) gradients may look different."


def _empty_result(config: ProbeGradientsConfig, device: torch.device) -> ProbeGradientsResult:
    """The result as far as the options say it."""
    return ProbeGradientsResult(
        path=config.path if config.model else "grid",
        wrt=config.wrt,
        target=config.target,
        bn=config.bn,
        rows=(),
        layers=(),
        seed=config.seed,
        device=describe_device(device),
        seconds=0.0,
    )
