"""Inflates an image network to a video network and verifies it: the engine of `dlcli convert-2d-to-3d`."""

import time
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.rng import generator
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Sampling
from dlcli.core.graph.trace import record_trace
from dlcli.core.inflate.convert import InflatedNetwork, Inflation, inflate
from dlcli.core.inflate.export import export
from dlcli.core.inflate.recalibrate import batchnorms_of, recalibrate
from dlcli.core.inflate.verification import OUTPUT, Verification, verify
from dlcli.core.model_io.converted import LEARNED, metadata_path, save_video_network
from dlcli.engines.convert_2d_to_3d.source import SourceNetwork, open_source
from dlcli.engines.trusted import only_named_code
from dlcli.specs.command_line import command_line
from dlcli.specs.convert_2d_to_3d import TOLERANCE, Convert2DTo3DConfig, Convert2DTo3DResult, InflatedLayer, VerificationRow
from dlcli.support.atomic import atomic_paths
from dlcli.support.errors import InputError, UsageError, error_context
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

_IMAGES = 4
"""Number of images of the verification."""
_SMALL = 56
"""The least height and width to which images are made smaller for it: convolutions do at every place the same."""
_EXAMPLES = 256
"""How many examples, of all classes, batch normalisation is recomputed from."""
_TYPES = (torch.float64, torch.float32)


@only_named_code
def run(config: Convert2DTo3DConfig, *, report: Reporter = SILENT) -> Convert2DTo3DResult:
    """Convert the network that `config.model` names and verify the result; the network itself is not changed.

    With `config.output` the network and its metadata are written, and with `config.export` a program: all of them or none; then
    a page beside the network. If
    the verification fails, `failed` of the result says where, and nothing is written unless `config.allow_inexact`.

    Args:
        config: The options.
        report: Receives the progress and notes.

    Raises:
        DlcliError: See `dlcli.support.errors` for its kinds.
    """
    started = time.perf_counter()
    source, how = _open(config, report), _inflation(config)
    data = _data(config, source, report)  # before the verification, which may take long
    images, lengths = _images(source, config.seed), _lengths(config)
    with error_context(str(config.model)), report.task("verifying, passes", total=len(_TYPES) * len(lengths)) as task:
        found = inflate(source.model, images[:1], how)
        verification = verify(source.model, images, how, lengths, dtypes=_TYPES, done=task.advance)
    failed, notes, sha256 = _failure(verification), source.notes, ""
    if config.allow_inexact and failed:
        notes, failed = (*notes, f"Inexact: {failed}."), ""
    if not failed:
        if data is not None:
            notes = (*notes, _recalibrated(config, source.flat.wrapped(found.model), data))
        sha256 = _write(config, found, source, how, verification)
    result = _result(config, source, found, verification, sha256)
    failed = failed and f"{failed} ({_hint(config)})"
    result = replace(result, notes=notes, failed=failed, seconds=time.perf_counter() - started)
    if result.file:
        from dlcli.engines.convert_2d_to_3d.page import write_page  # here, since it imports matplotlib

        write_page(result)
    return result


@only_named_code
def plan(config: Convert2DTo3DConfig) -> list[str]:
    """What `run` would do, as lines of text; opens the network and converts it, but verifies and writes nothing."""
    source = _open(config)
    data, images = _data(config, source, SILENT), _images(source, config.seed)
    with error_context(str(config.model)):
        found = inflate(source.model, images[:1], _inflation(config))
    height, width = images.shape[2:]
    lines = [f"inflate {count(len(found.layers), 'layer')} of {source.flat.model} by {config.rule}"]
    lines.append(f"verify it on still clips of {', '.join(map(str, _lengths(config)))} frames of {height}x{width} pixels")
    if data is not None:
        lines.append(f"take the statistics of batch normalisation from {data.name}")
    if config.output is not None:
        lines.append(f"write {config.output}, {metadata_path(config.output)} and {config.output.with_suffix('.html')}")
    return [*lines, f"write {config.export}"] if config.export is not None else lines


def _open(config: Convert2DTo3DConfig, report: Reporter = SILENT) -> SourceNetwork:
    if config.model is None:
        raise UsageError("`model`: a network is needed", hint=command_line("convert-2d-to-3d", model="resnet50"))
    for name, path, ending in (("output", config.output, ".safetensors"), ("export", config.export, ".pt2")):
        if path is not None and path.suffix != ending:
            raise UsageError(f"`{name}`: {path} does not end in {ending}", hint=f"name it {path.stem}{ending}")
    return open_source(
        config.model,
        arch=config.arch,
        weights=config.weights,
        weights_key=config.weights_key,
        size=config.size,
        classes=config.classes,
        seed=derive(config.seed, "init"),
        normalise=config.normalise,
        report=report,
    )


def _inflation(config: Convert2DTo3DConfig) -> Inflation:
    return Inflation(
        rule=config.rule,
        which=config.inflate or "both",
        taps=config.temporal_kernel,
        ends=config.temporal_padding,
        dilations=config.dilations,
        fused=config.fuse_dilations,
    )


def _lengths(config: Convert2DTo3DConfig) -> tuple[int, ...]:
    return tuple(sorted({1, 2, config.frames}))


def _images(source: SourceNetwork, seed: int) -> Tensor:
    """Random images for the verification, of the network's size or, if it takes them, a half or a quarter of it."""
    (height, width), draw = source.flat.size, generator(derive(seed, "proof"))
    for part in (4, 2):
        smaller = (_IMAGES, source.flat.channels, height // part, width // part)
        if min(smaller[2:]) >= _SMALL and _takes(source.model, torch.zeros(1, *smaller[1:])):
            return torch.rand(smaller, generator=draw, dtype=torch.float64)
    return torch.rand(_IMAGES, source.flat.channels, height, width, generator=draw, dtype=torch.float64)


def _takes(model: nn.Module, image: Tensor) -> bool:
    try:
        record_trace(model, image)
    except InputError:
        return False
    return True


def _failure(verification: Verification) -> str:
    stage, frames, error = verification.worst(torch.float64)
    if error <= TOLERANCE:
        return ""
    first = next((key for key, found in verification.errors.items() if key[0] == torch.float64 and found > TOLERANCE))
    outcome = max(found for (dtype, name, _), found in verification.errors.items() if dtype == torch.float64 and name == OUTPUT)
    return (
        f"a still clip and its image give different results: the relative error is {error:.2g} at {stage} "
        f"with {count(frames, 'frame')}, "
        f"{outcome:.2g} at the output, and above {TOLERANCE:g} from {first[1]} on"
    )


def _result(
    config: Convert2DTo3DConfig, source: SourceNetwork, found: InflatedNetwork, verification: Verification, sha256: str
) -> Convert2DTo3DResult:
    """What was found, and with a `sha256` of the weights what was written."""
    return Convert2DTo3DResult(
        model=source.flat.model,
        rule=config.rule,
        layers=tuple(InflatedLayer(path=one.path, before=one.before, after=one.after) for one in found.layers),
        head=found.model.head,
        parameters_before=_parameters(source.model),
        parameters_after=_parameters(found.model),
        verification=_rows(verification),
        verification_images=verification.images,
        verification_size=verification.size,
        agree=verification.agree,
        compared=verification.compared,
        worst=verification.worst(torch.float64)[2],
        file=str(config.output or "") if sha256 else "",
        weights_sha256=sha256,
        export=str(config.export or "") if sha256 else "",
        seed=config.seed,
        seconds=0.0,
    )


def _hint(config: Convert2DTo3DConfig) -> str:
    other = "`temporal_padding=replicate`, or " if config.temporal_padding == "zeros" else ""
    return f"{other}`allow_inexact` writes it anyway"


def _rows(verification: Verification) -> tuple[VerificationRow, ...]:
    double, single = _TYPES
    return tuple(
        VerificationRow(
            stage=stage, frames=frames, error_float64=error, error_float32=verification.errors[single, stage, frames]
        )
        for (dtype, stage, frames), error in verification.errors.items()
        if dtype == double
    )


def _data(config: Convert2DTo3DConfig, source: SourceNetwork, report: Reporter) -> ImageData | None:
    """The data of `recalibrate_bn`, resized for the network; None without that option."""
    if config.recalibrate_bn is None:
        return None
    option, flat = "recalibrate_bn", source.flat
    batchnorms_of(source.model)
    side = flat.size[0] if flat.size[0] == flat.size[1] else None
    sampling = Sampling(default_frames=config.frames)
    prepare = flat.preparation
    data = open_data(
        config.recalibrate_bn,
        report=report,
        size=side if prepare is None else None,
        preparation=prepare,
        limit=_EXAMPLES,
        sampling=sampling,
        target=flat.target,
        option=option,
    )
    if data.channels != flat.channels:
        given = f"{data.unit}s of {count(data.channels, 'channel')}"
        raise InputError(f"`{option}`: {data.name} holds {given}; the network takes {flat.channels}", hint="name other data")
    return data


def _recalibrated(config: Convert2DTo3DConfig, model: nn.Module, data: ImageData) -> str:
    seen = recalibrate(model, data, frames=config.frames)
    return (
        f"Batch normalisation has the statistics of {count(seen, data.unit)} of {data.name}; the equivalence check came before."
    )


def _write(
    config: Convert2DTo3DConfig, found: InflatedNetwork, source: SourceNetwork, how: Inflation, verification: Verification
) -> str:
    wanted = [config.output, metadata_path(config.output)] if config.output is not None else []
    wanted += [config.export] if config.export is not None else []
    digest = ""
    with atomic_paths(*wanted) as paths:
        if config.output is not None:
            more: dict[str, Any] = {"source_sha256": source.sha256, "proof": [asdict(row) for row in _rows(verification)]}
            more |= {LEARNED: source.learned} if source.learned else {}
            digest = save_video_network(paths[0], paths[1], found, source.flat, how, more)
        if config.export is not None:
            export(source.flat.wrapped(found.model), paths[-1], (1, source.flat.channels, config.frames, *source.flat.size))
    return digest


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
