"""Open data and a trained network and match their classes, for `dlcli eval` and `dlcli predict`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import CLASS, MASK, SCORE, ImageData, Sampling, Split, check_trainable
from dlcli.core.data.channels import with_channels
from dlcli.core.data.column_names import plain_name
from dlcli.core.data.groups import load_by_group
from dlcli.core.data.labels_table import table_in
from dlcli.core.layers.flipped import Flipped, MeanOfMirrored
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.calibration_file import SavedCalibration, check_outputs, read_calibration
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.class_map import map_classes
from dlcli.core.model_io.input_shape import InputShape, input_shape
from dlcli.core.model_io.published_inputs import preparation_of_mixed
from dlcli.core.model_io.score_metadata import RunTask, task_of
from dlcli.core.model_io.trained import TrainedNetwork, check_there, open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models.base import normalised_architecture
from dlcli.engines.dev_set import with_dev_of_run
from dlcli.engines.sequences import of_sequences, read_sequences
from dlcli.specs.model_and_data import ModelAndDataOptions
from dlcli.support.errors import InputError
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

_BASELINE = "baseline"
J = TypeVar("J")
T = TypeVar("T")
_ARRAYS = (".npz", ".npy")
"""Files whose classes are in an array of a fixed name, not in a column."""


def read(config: ModelAndDataOptions, report: Reporter = SILENT, *, unlabelled: bool = False) -> ImageData:
    """Open the data; size, channels and frames are those that the network was made for unless the options differ.

    Args:
        config: The data, and the network whose card records what it was made for.
        report: Receives progress and warnings about files.
        unlabelled: Take every file, of `config.split` if it names a set.
    """
    if config.model is not None:
        check_there(config.model, config.arch)
    task = task_of(config.model)
    data = _as_made_for(config, task, report, unlabelled=unlabelled)
    return with_dev_of_run(config, data, task, report) if data.classes or not unlabelled else data


def _as_made_for(config: ModelAndDataOptions, task: RunTask, report: Reporter, *, unlabelled: bool) -> ImageData:
    """The data as they are, of the size that the network was made for."""
    if of_sequences(config, task):
        return read_sequences(config, task, report, unlabelled=unlabelled)
    shape = input_shape(config.model, report)
    sampling, size = _sampling(config, shape), config.size or (shape.side if shape is not None else None)
    size = size if task.masks is None else config.size or task.masks.size
    how = shape.preparation if shape is not None and config.size is None else None
    load = partial(
        open_data,
        config.data,
        strict=config.strict,
        report=report,
        size=size if how is None else None,
        preparation=how,
        mixed_sizes=None if config.size is not None else preparation_of_mixed(config.model, config.arch),
        label_column=column_of_labels(config, task, report),
        target=SCORE if task.scores is not None else MASK if task.masks is not None else CLASS,
        masks=None if task.masks is None else task.masks.reading(),
        raters=_raters(config, task),
        sampling=sampling,
    )
    if unlabelled:
        data = load(unlabelled=True, split=config.split, videos=None if shape is None else shape.video)
    else:
        data = load_by_group(lambda group: load(group=group), task.group, report)
    if task.scores is not None and data.classes:
        data = replace(data, classes=task.scores.objective.outputs)
    if shape is None:
        return data
    fitted = with_channels(data, shape.channels)
    if task.masks is not None:
        return fitted
    _note_conversion(config, data, fitted, shape, report)
    return fitted


def column_of_labels(config: Any, task: RunTask, report: Reporter) -> str | None:
    """The column of the labels: the one that is named, with a note if the run has learned another one, or that of the run.

    Args:
        config: Options with `model`, `data` and `label_column`, and perhaps `score_column`.
        task: What the run has learned.
        report: Gets the note.

    Returns:
        Its name; None for the usual one.
    """
    named, learned = getattr(config, "score_column", None) or config.label_column, recorded_column(config.data, task)
    if named is not None and learned is not None and plain_name(named) != plain_name(learned):
        report.note(f"the labels are those of the column '{named}'; {config.model} has learned those of '{learned}'")
    return named or learned


def recorded_column(data: str, task: RunTask) -> str | None:
    """The column of scores or classes that the run was trained on, for data that are a table or have one."""
    if task.scores is not None:
        return task.scores.column if _has_columns(data) else None
    return task.label_column if _has_columns(data) and Path(data).suffix.lower() not in _ARRAYS else None


def _raters(config: ModelAndDataOptions, task: RunTask) -> tuple[str, ...]:
    """The columns of raters: those of the options, or those that the run was trained on, unless a column of scores is named."""
    given: tuple[str, ...] = getattr(config, "raters", ())
    if given or task.scores is None or getattr(config, "score_column", None) or not _has_columns(config.data):
        return given
    return task.scores.raters


def _has_columns(data: str) -> bool:
    """Whether the data are a table or have one."""
    return table_in(Path(data)) is not None or Path(data).is_file()


def _sampling(config: ModelAndDataOptions, shape: InputShape | None) -> Sampling:
    found = Sampling(config.frames, config.clips, config.fps)
    if shape is None:
        return found
    return replace(
        found,
        default_frames=shape.frames or found.default_frames,
        default_size=shape.side or found.default_size,
    )


def _note_conversion(
    config: ModelAndDataOptions, data: ImageData, fitted: ImageData, shape: InputShape, report: Reporter
) -> None:
    """Report the size and colour that the card of the network decided, where files may have others."""
    if Path(config.data).exists() and not config.data.lower().endswith((".npz", ".npy")):
        of = "" if fitted.frames is None else f"{count(fitted.frames, 'frame')} of "
        height, width = fitted.size
        why = f", which {config.model} was made for" if config.size is None and shape.side is not None else ""
        how = f": {shape.preparation}" if config.size is None and shape.preparation is not None else ""
        report.note(f"{fitted.unit}s are read as {of}{height}x{width} pixels{why}{how}")
    if fitted.channels != data.channels:
        what = "grey" if fitted.channels == 1 else "colour"
        report.note(f"{data.unit}s are converted to {what}, which {config.model} was made for")


class Elsewhere(Protocol):
    """Other processes, which have opened the same data and network."""

    def logits(self, loaded: "LoadedModel", split: str) -> Tensor:
        """`raw_logits` of the examples of a split."""

    def map(self, loaded: "LoadedModel", function: "Callable[[LoadedModel, J], T]", jobs: Sequence[J], label: str) -> list[T]:
        """What a function returns for each job.

        Args:
            loaded: What is opened here.
            function: At the top of a module; it is given what the process has opened, and a job.
            jobs: Small.
            label: What is done, for progress.
        """


@dataclass(frozen=True)
class LoadedModel:
    """The data, the network, and which output of the network is which class of the data.

    `output_of` (classes,) is the output index of each class of the data, `outputs` are the names of the outputs. `tta` is
    test-time augmentation, and `calibration` what `logits` are calibrated by. `elsewhere` are several processes that predict,
    if the options ask for them.
    """

    data: ImageData
    trained: TrainedNetwork
    device: torch.device
    output_of: Tensor
    outputs: tuple[str, ...]
    limit: int | None
    tta: bool = False
    calibration: SavedCalibration | None = None
    elsewhere: Elsewhere | None = None

    def split(self, name: str) -> Split:
        """The examples of one split, their metadata, and the correct output of each, 0 if it is unknown, or the score.

        Raises:
            InputError: If the data has no such split, or it is empty.
        """
        found = self.data.splits.get(name)
        if found is None or not len(found.y):
            there = [key for key, split in self.data.splits.items() if len(split.y)]
            raise InputError(f"{self.data.name}: has no split '{name}'", hint=f"it has {', '.join(there)}")
        metadata = {name: column[: self.limit] for name, column in found.metadata.items()}
        y = found.y[: self.limit]
        known = len(self.output_of) and self.data.target == CLASS
        return Split(found.x[: self.limit], self.output_of[y] if known else y, metadata)

    def logits(self, x: Tensor) -> Tensor:
        """Logits of examples `x`, (n, outputs), on the CPU: log-probabilities with a calibration, else `raw_logits`."""
        return self.calibrated(self.raw_logits(x))

    def calibrated(self, logits: Tensor) -> Tensor:
        """Log-probabilities of `raw_logits` with a calibration; without one the logits themselves."""
        if self.calibration is None:
            return logits
        check_outputs(self.calibration, logits.shape[1])
        return torch.from_numpy(self.calibration.calibrator.log_p(logits.numpy()))

    def raw_logits(self, x: Tensor) -> Tensor:
        """Those of the network, float32; with `tta` means over each example and its mirror image."""
        return self.logits_of(self.trained.model, x)

    def split_logits(self, name: str) -> Tensor:
        """`raw_logits` of the examples of a split, in several processes if the options ask for them."""
        return self.raw_logits(self.split(name).x) if self.elsewhere is None else self.elsewhere.logits(self, name)

    def map(self, function: "Callable[[LoadedModel, J], T]", jobs: Sequence[J], label: str) -> list[T]:
        """What `function` returns for each job, in several processes if the options ask for them.

        Args:
            function: At the top of a module; it is given a network that is opened, and a job.
            jobs: Small.
            label: What is done, for progress.
        """
        if self.elsewhere is None:
            return [function(self, job) for job in jobs]
        return self.elsewhere.map(self, function, jobs, label)

    def logits_of(self, model: nn.Module, x: Tensor) -> Tensor:
        """The logits of another network of the same kind, such as a member of an ensemble, as `raw_logits` gives them."""
        found = predict_logits(model, x, device=self.device)
        if not self.tta:
            return found
        return (found + predict_logits(Flipped(model), x, device=self.device)) / 2

    @property
    def of_masks(self) -> nn.Module:
        """The network as one with logits for each pixel; with `tta` means over each image and its mirror image."""
        return MeanOfMirrored(self.trained.model) if self.tta else self.trained.model

    def names(self, count: int) -> tuple[str, ...]:
        """Names of the first `count` outputs; an output without a name is called by its index."""
        return (*self.outputs[:count], *(str(k) for k in range(len(self.outputs), count)))


def open_model_and_data(
    config: ModelAndDataOptions,
    report: Reporter,
    *,
    unlabelled: bool = False,
    look: bool = True,
    weights: Mapping[str, Tensor] | None = None,
) -> LoadedModel:
    """Open data and network; if none is named, train the built-in model for the dataset. Notes go to `report`.

    Args:
        config: The network and the data.
        report: Receives progress, notes and warnings.
        unlabelled: Accept files without labels.
        look: Whether to look if a network that dlcli did not train is fed as it was in training.
        weights: Those of the built-in model, if it was trained elsewhere.
    """
    device = choose_device(config.device)
    data = read(config, report, unlabelled=unlabelled)
    if config.model is None:
        trained = _default(config, data, device, weights, report)
    else:
        trained = _named(config, config.model, data, device, look=look, report=report)
    if config.tta:
        trained = replace(trained, notes=(*trained.notes, f"logits are means over each {data.unit} and its mirror image"))
    calibration = _kept_calibration(config, trained)
    if calibration is not None:
        trained = replace(trained, notes=(*trained.notes, calibration.describe()))
    for note in trained.notes:
        (report.warn if note in trained.warnings else report.note)(note)
    if unlabelled and trained.classes is not None:  # labels need not be among the classes that the network knows
        return LoadedModel(data, trained, device, torch.arange(0), trained.classes, config.limit, config.tta, calibration)
    output_of, outputs = map_classes(trained, data)
    return LoadedModel(data, trained, device, output_of, outputs, config.limit, config.tta, calibration)


def _kept_calibration(config: ModelAndDataOptions, trained: TrainedNetwork) -> SavedCalibration | None:
    """What eval kept with the network; None if it is to be ignored, or fitted again."""
    if config.model is None or config.uncalibrated or getattr(config, "calibrate", None) is not None:
        return None
    return read_calibration(Path(config.model), trained.sha256, trained.rule, config.tta)


def describe(config: ModelAndDataOptions, *, unlabelled: bool = False) -> list[str]:
    """What `open_model_and_data` would do, one line per step; opens data and a named network, but trains nothing."""
    device = choose_device(config.device)
    data = read(config, unlabelled=unlabelled)
    sets = ", ".join(f"{len(split.y):,} {name}" for name, split in data.splits.items())
    shape = "x".join(map(str, data.x_test.shape[1:]))
    labels = count(len(data.classes), "class", "classes") if data.classes else "no labels"
    labels = {SCORE: "scores", MASK: f"masks of {labels}"}.get(data.target, labels)
    lines = [f"read {data.name}: {sets} {data.unit}s of {shape}, {labels}"]
    if config.model is None:
        check_trainable(data)
        arch = normalised_architecture(open_model(None, data), config.normalise, data.channels)
        return [*lines, f"train {arch.name} on {device}, or reuse it if it is found in {cache_dir() / 'models'}"]
    trained = _named(config, config.model, data, device, look=False)
    if not unlabelled:
        map_classes(trained, data)
    return [*lines, f"read {trained.name} from {config.model} (SHA-256 {trained.sha256})"]


def _named(
    config: ModelAndDataOptions, spec: str, data: ImageData, device: torch.device, *, look: bool, report: Reporter = SILENT
) -> TrainedNetwork:
    return open_trained(
        spec,
        data,
        arch=config.arch,
        weights_key=config.weights_key,
        rule=config.ensemble,
        normalise=config.normalise,
        look=look,
        device=device,
        report=report,
    )


def _default(
    config: ModelAndDataOptions, data: ImageData, device: torch.device, weights: Mapping[str, Tensor] | None, report: Reporter
) -> TrainedNetwork:
    """The same network that `dlcli attack` uses as its baseline, so both share one cache entry."""
    check_trainable(data)
    arch = normalised_architecture(open_model(None, data), config.normalise, data.channels)
    if weights is not None:
        model = arch.build()
        model.load_state_dict(weights, assign=True)  # keeps their layout, by which convolutions round
        return TrainedNetwork(model.to(device).eval(), arch.name, weights_sha256(weights), data.classes)
    plan = MemberPlan(arch=arch, data=data, recipe=arch.recipe, seed=config.seed, name=_BASELINE, device=device)
    member = train_or_load(plan, cache=cache_dir() / "models", report=report)
    notes = () if member.reused else (f"trained {arch.name} on {data.name}; it is kept in the cache",)
    return TrainedNetwork(member.model, arch.name, member.sha256, data.classes, notes)
