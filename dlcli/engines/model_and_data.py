"""What `dlcli eval` and `dlcli predict` share: the data and the trained network, opened and fitted to each other."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Sampling, Split, check_trainable
from dlcli.core.model_io.cached import train_or_load
from dlcli.core.model_io.run_dir import trained_on
from dlcli.core.model_io.trained import TrainedNetwork, map_classes, open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.support.errors import InputError
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import SILENT, Reporter

_BASELINE = "baseline"


class Chosen(Protocol):
    """The options that both commands have."""

    @property
    def model(self) -> str | None:
        """The argument MODEL."""

    @property
    def data(self) -> str:
        """The examples."""

    @property
    def arch(self) -> str | None:
        """--arch."""

    @property
    def ensemble(self) -> str | None:
        """--ensemble."""

    @property
    def limit(self) -> int | None:
        """--limit."""

    @property
    def size(self) -> int | None:
        """--size."""

    @property
    def frames(self) -> int | None:
        """--frames."""

    @property
    def clips(self) -> int | None:
        """--clips."""

    @property
    def fps(self) -> float | None:
        """--fps."""

    @property
    def strict(self) -> bool:
        """--strict."""

    @property
    def seed(self) -> int:
        """--seed."""

    @property
    def device(self) -> str:
        """--device."""


def read(config: Chosen, report: Reporter = SILENT, *, unlabelled: bool = False) -> ImageData:
    """The data; clips are, unless something else is asked for, of as many frames and pixels as the network was trained on.

    With `unlabelled`, files without labels will do, and images are of the size that the network was trained on too.
    """
    sampling, size = Sampling(config.frames, config.clips, config.fps), config.size
    frames, side = (None if config.model is None else trained_on(Path(config.model))) or (None, None)
    if frames is not None and side is not None:
        sampling = replace(sampling, default_frames=frames, default_size=side)
    elif unlabelled:
        size = size or side
    return open_data(config.data, strict=config.strict, report=report, size=size, sampling=sampling, unlabelled=unlabelled)


@dataclass(frozen=True)
class LoadedModel:
    """The data, the network, and how the classes of the one are the outputs of the other.

    `output_of` (classes,) is the number of the output of each class of the data, `outputs` are the names of the outputs.
    """

    data: ImageData
    trained: TrainedNetwork
    device: torch.device
    output_of: Tensor
    outputs: tuple[str, ...]
    limit: int | None

    def split(self, name: str) -> Split:
        """The examples of one set, their facts, and for each the number of the output that is right, 0 if nobody knows.

        Raises InputError if there are none.
        """
        found = self.data.splits.get(name)
        if found is None or not len(found.y):
            there = [key for key, split in self.data.splits.items() if len(split.y)]
            raise InputError(f"{self.data.name}: has no set '{name}'", hint=f"it has {', '.join(there)}")
        metadata = {name: column[: self.limit] for name, column in found.metadata.items()}
        y = found.y[: self.limit]
        return Split(found.x[: self.limit], self.output_of[y] if len(self.output_of) else y, metadata)

    def logits(self, x: Tensor) -> Tensor:
        """What the network says of examples `x`, (n, outputs), float32 on the CPU."""
        return predict_logits(self.trained.model, x, device=self.device)

    def names(self, count: int) -> tuple[str, ...]:
        """The names of `count` outputs; those beyond the known are called by their number."""
        return (*self.outputs[:count], *(str(k) for k in range(len(self.outputs), count)))


def open_model_and_data(config: Chosen, report: Reporter, *, unlabelled: bool = False) -> LoadedModel:
    """Open data and network, training the one made for the data if none is named; notes of the way go to `report`."""
    device = choose_device(config.device)
    data = read(config, report, unlabelled=unlabelled)
    trained = _default(config, data, device, report) if config.model is None else _named(config, config.model, data, device)
    for note in trained.notes:
        report.note(note)
    output_of, outputs = map_classes(trained, data)
    return LoadedModel(data, trained, device, output_of, outputs, config.limit)


def describe(config: Chosen, *, unlabelled: bool = False) -> list[str]:
    """What `open_model_and_data` would do, a line each; opens the data and a network that is named, but trains nothing."""
    device = choose_device(config.device)
    data = read(config, unlabelled=unlabelled)
    sets = ", ".join(f"{len(split.y):,} {name}" for name, split in data.splits.items())
    shape = "x".join(map(str, data.x_test.shape[1:]))
    labels = f"{len(data.classes)} classes" if data.classes else "no labels"
    lines = [f"read {data.name}: {sets} {data.unit}s of {shape}, {labels}"]
    if config.model is None:
        check_trainable(data)
        arch = open_model(None, data)
        return [*lines, f"train {arch.name} on {device}, or reuse it if it is found in {cache_dir() / 'models'}"]
    trained = _named(config, config.model, data, device)
    map_classes(trained, data)
    return [*lines, f"read {trained.name} from {config.model} (SHA-256 {trained.sha256})"]


def _named(config: Chosen, spec: str, data: ImageData, device: torch.device) -> TrainedNetwork:
    return open_trained(spec, data, arch=config.arch, rule=config.ensemble, device=device)


def _default(config: Chosen, data: ImageData, device: torch.device, report: Reporter) -> TrainedNetwork:
    """The very network that `dlcli attack` calls its baseline."""
    check_trainable(data)
    arch = open_model(None, data)
    member = train_or_load(
        arch,
        data,
        recipe=arch.recipe,
        seed=config.seed,
        name=_BASELINE,
        bootstrap=False,
        device=device,
        report=report,
        cache=cache_dir() / "models",
    )
    notes = () if member.reused else (f"trained {arch.name} on {data.name}; it is kept in the cache",)
    return TrainedNetwork(member.model, arch.name, member.sha256, data.classes, notes)
