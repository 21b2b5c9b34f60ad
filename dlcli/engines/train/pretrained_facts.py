"""What is known of a finished pre-training: in the run directory until the result is made, and in the result."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.groups import groups_of
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.stats import mean_difference
from dlcli.core.training.recipe import steps_per_epoch
from dlcli.engines.train.job import Job
from dlcli.engines.train.pretrain_method import image_passes, method_of, pretraining_epochs, pretraining_images
from dlcli.engines.train.probes import Measured
from dlcli.engines.train.stopwatch import Spent
from dlcli.specs.pretraining_result import LINEAR, NEIGHBOURS, PretrainingRow, Probe, ProbeGain
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.plural import count
from dlcli.support.schema import number, optional, real, record, text

FILE = "pretraining.json"
_PROBES = ("linear", "neighbours")
Bools = NDArray[np.bool_]
Groups = NDArray[np.int64] | None


@dataclass(frozen=True)
class PretrainedFacts:
    """The mean loss of the last epoch, the time, and features before and after, None where they are not measured."""

    loss: float
    spent: Spent
    before: Measured | None
    after: Measured | None

    def save(self, folder: Path) -> None:
        """Write the facts into a run directory."""
        sides = {name: None if one is None else _written(one) for name, one in (("before", self.before), ("after", self.after))}
        write_text(folder / FILE, json.dumps({"loss": self.loss, **self.spent._asdict(), **sides}) + "\n")

    def row(self, job: Job, variant: str) -> PretrainingRow:
        """The row of the result of `job`, as the side `variant` of a comparison."""
        n, epochs = pretraining_images(job), pretraining_epochs(job)
        group = groups_of(job.data.splits["test"].metadata, job.config.group, job.data.name)
        before, after = self.before, self.after
        return PretrainingRow(
            variant=variant,
            seed=job.seed,
            method=job.config.pretrain,
            settings=method_of(job).shown,
            n_images=n,
            n_unlabelled=n - len(job.data.x_train),
            epochs=epochs,
            steps=epochs * steps_per_epoch(n, job.recipe.batch_size),
            image_passes=image_passes(job),
            loss=self.loss,
            seconds=self.spent.seconds,
            cpu_seconds=self.spent.cpu_seconds,
            before=None if before is None else _probe(before, group),
            after=None if after is None else _probe(after, group),
            linear_gain=None if before is None or after is None else difference_of(after.linear, before.linear, group),
            neighbours_gain=None
            if before is None or after is None
            else difference_of(after.neighbours, before.neighbours, group),
        )


def _probe(found: Measured, group: Groups) -> Probe:
    linear, neighbours = share_of(found.linear, group), share_of(found.neighbours, group)
    return Probe(linear=linear, neighbours=neighbours, alignment=found.alignment, uniformity=found.uniformity)


def _written(found: Measured) -> dict[str, Any]:
    right = {name: "".join("01"[one] for one in getattr(found, name).tolist()) for name in _PROBES}
    return {**right, "alignment": found.alignment, "uniformity": found.uniformity}


def read_facts(folder: Path, n: int) -> PretrainedFacts | None:
    """The facts in a run directory, with `n` test images; None if there are none. Raises InputError for a damaged file."""
    file = folder / FILE
    if not file.exists():
        return None
    found = read_json_metadata(file)
    side = record({**dict.fromkeys(_PROBES, text(n)), **dict.fromkeys(("alignment", "uniformity"), optional(real()))})
    sides = dict.fromkeys(("before", "after"), optional(side))
    check_metadata(found, file, {"loss": real(), "seconds": number(0), "cpu_seconds": optional(number(0)), **sides})
    before, after = (_read(found[name], n, file) for name in sides)
    return PretrainedFacts(found["loss"], Spent(found["seconds"], found["cpu_seconds"]), before, after)


def _read(found: Mapping[str, Any] | None, n: int, file: Path) -> Measured | None:
    if found is None:
        return None
    if any(len(found[name]) != n or set(found[name]) - {"0", "1"} for name in _PROBES):
        raise InputError(f"{file}: does not hold for each of {count(n, 'test image')} whether it is right", hint="train again")
    linear, neighbours = (np.array([one == "1" for one in found[name]]) for name in _PROBES)
    return Measured(linear, neighbours, found["alignment"], found["uniformity"])


def probe_gains(rows: Sequence[PretrainingRow]) -> tuple[ProbeGain, ...]:
    """What probes gained by pre-training, for each variant the mean over its seeds, of which there are two or more."""
    found = []
    for variant in dict.fromkeys(row.variant for row in rows):
        pairs = [(row.before, row.after) for row in rows if row.variant == variant]
        both = [(before, after) for before, after in pairs if before is not None and after is not None]
        for name, kind in zip((LINEAR, NEIGHBOURS), _PROBES, strict=True) if len(both) > 1 else ():
            before, after = ([getattr(one[k], kind).value for one in both] for k in (0, 1))
            step = 1 / getattr(both[0][0], kind).n
            gain = mean_difference([b - a for a, b in zip(before, after, strict=True)], step=step)
            found.append(ProbeGain(variant=variant, probe=name, before=fmean(before), after=fmean(after), gain=gain))
    return tuple(found)
