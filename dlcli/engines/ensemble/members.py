"""The members of an ensemble: trained in several processes or as snapshots of one training, or loaded from earlier runs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.worker_plan import WorkerPlan, plan_workers
from dlcli.core.data import open_data
from dlcli.core.data.base import CLASS, MASK, SCORE, ImageData, check_trainable
from dlcli.core.data.mask_labels import MaskReading
from dlcli.core.data.preparation import Preparation
from dlcli.core.data.resize import check_limit
from dlcli.core.data.splits import draw
from dlcli.core.model_io.checkpoint import read_metadata
from dlcli.core.model_io.ensemble_dir import member_folder
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.run_dir import WEIGHTS, SavedNetwork, is_run_dir, load_model, save_model
from dlcli.core.model_io.score_metadata import task_of
from dlcli.core.objectives.base import ScoreObjective, TaskObjective
from dlcli.core.tasks import image_task
from dlcli.core.tasks.base import ImageTask
from dlcli.engines.ensemble.added import check_added_task
from dlcli.engines.train.job import OTHER, Job, check_same, describe, open_job
from dlcli.engines.train.sequences import open_training_sequences
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.train import IMAGES, SCORES, SEGMENT
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import decode_json
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

KEY = "determined_by"
"""The entry in the header of the weights that says how a member was trained."""
_OF_TARGET = {SCORE: ("scores", SCORES), MASK: ("masks", SEGMENT), CLASS: ("classes", IMAGES)}
"""What a network predicts, and the task that combines such, by what examples have."""
_COPIES = 3
"""Of the images in a worker, at most: as read, a member's own, and in the order in which the device takes them."""


@dataclass(frozen=True)
class TrainedMember:
    """A member without its weights.

    Attributes:
        number: Counted from 0.
        model: Name of the network.
        outputs: Of the test images: logits (n, classes) float32, scores (n,) float64, or counts of masks (n, k, k + 4) int64.
        n_train: Number of images it was trained on, None if unknown.
        reused: Whether it was loaded, not trained.
        seconds: Wall-clock time of training.
        sha256: Digest of the weights.
        notes: Those of surgery.
        network: It with its weights on its device, where outputs at each pixel would be too many to keep; else None.
    """

    number: int
    model: str
    outputs: Tensor
    n_train: int | None
    reused: bool
    seconds: float
    sha256: str
    notes: tuple[str, ...] = ()
    network: nn.Module | None = None


@dataclass(frozen=True)
class EnsembleSetup:
    """What all members share; each has its own seed and its own sample of the images.

    When it is pickled for another process the data are dropped and read again there, for they may be large.
    """

    config: EnsembleConfig
    data: ImageData
    device: torch.device
    preparation: Preparation | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.config, self.data.fingerprint)

    @property
    def task(self) -> ImageTask:
        """What is learned."""
        return image_task(self.config.task)

    @property
    def learned(self) -> dict[str, Any]:
        """What members record besides the network."""
        return {} if self.config.group is None else {"group": self.config.group}

    def job(self, number: int) -> Job:
        """How member `number` is trained, before it samples its images."""
        config = self.config.training(number)
        seed = derive(self.config.seed, f"member-{number}")
        return open_job(config, self.data, self.device, seed)

    def with_own_images(self, job: Job) -> Job:
        """The same job on the images that this member samples."""
        image_indices = self.image_indices(job)
        if image_indices is None:
            return job
        sets = {**job.data.splits, "train": job.data.splits["train"].take(image_indices.numpy())}
        return replace(job, data=job.data.with_splits(sets))

    def image_indices(self, job: Job) -> Tensor | None:
        """Indices of the images that a member samples, (n,); None if it is trained on all."""
        config, n = self.config, len(self.data.y_train)
        if config.bootstrap is None and config.chunk is None:
            return None
        replacement = config.bootstrap is not None
        return draw(n, config.share, replacement=replacement, seed=derive(job.seed, "bootstrap"))

    def facts(self, number: int) -> dict[str, object]:
        """Everything that determines the weights of member `number`, as `dlcli.engines.train.job.describe` gives it."""
        config = self.config
        own = {"member": number, "seed": config.seed}
        return describe(self.job(number)) | {name: getattr(config, name) for name in ("bootstrap", "chunk", "snapshots")} | own


def open_setup(config: EnsembleConfig, report: Reporter) -> EnsembleSetup:
    """Open the data, check that they can be trained on, and choose the device."""
    device = choose_device(config.device)
    if config.task == SEQUENCES:
        sequences = open_training_sequences(replace(config.training(0), group=config.group), report)
        return EnsembleSetup(config, sequences, device)
    how = _preparation(config, report)
    data = open_data(
        config.data,
        strict=config.strict,
        report=report,
        size=config.size,
        preparation=how,
        limit=config.limit,
        label_column=config.score_column or config.label_column,
        target=image_task(config.task).target,
        raters=config.raters,
        group=config.group,
        masks=MaskReading(config.ignore),
    )
    check_limit(data, config.limit)
    check_trainable(data)
    image_task(config.task).check(data, config.training(0))
    return EnsembleSetup(config, data, device, how)


def _preparation(config: EnsembleConfig, report: Reporter) -> Preparation | None:
    """How the members want images resized and cropped; raises UsageError if they differ in this."""
    if config.task == SEGMENT:  # pictures of any size
        return None
    found = {preparation_for(spec, config.size, report) for spec in config.model}
    if len(found) > 1:
        raise UsageError("`model`: these networks want images prepared in different ways", hint="choose `size=N`")
    return found.pop() if found else None


def _reopened(config: EnsembleConfig, fingerprint: str) -> EnsembleSetup:
    setup = open_setup(config, SILENT)
    if setup.data.fingerprint != fingerprint:
        raise InputError(
            f"{setup.data.name}: the data changed while they were read", hint="start again when nothing writes to them"
        )
    return setup


def plan_processes(setup: EnsembleSetup) -> WorkerPlan:
    """Divide the cores, or the GPUs, among processes; snapshots are trained one after the other in one process."""
    chains = 1 if setup.config.snapshots else setup.config.members
    return plan_workers(chains, setup.device, wanted=setup.config.workers, held=_COPIES * setup.data.memory_bytes)


def load_saved(setup: EnsembleSetup, number: int) -> tuple[nn.Module, TrainedMember] | None:
    """Load the member that an earlier run saved, if the options ask for it.

    Args:
        setup: The ensemble.
        number: Of the member, from 0.

    Returns:
        The network and the member; None if there is none.

    Raises:
        UsageError: If that run had other options.
    """
    config = setup.config
    if not config.resume or config.output is None:
        return None
    folder = member_folder(config.output, number)
    if not is_run_dir(folder):
        return None
    written = decode_json(read_metadata(folder / WEIGHTS).get(KEY, ""), str(folder / WEIGHTS), OTHER)
    if not isinstance(written, dict):
        raise InputError(f"{folder / WEIGHTS}: does not record how it was trained", hint=OTHER)
    check_same(written, setup.facts(number), config, folder)
    saved = load_model(folder, setup.device)
    n_train = round(config.share * len(setup.data.y_train))
    return saved.model, _loaded(setup, saved, folder, number, n_train)


def _loaded(setup: EnsembleSetup, saved: SavedNetwork, folder: Path, number: int, n_train: int | None) -> TrainedMember:
    network = saved.model if saved.target == MASK else None
    outputs = _outputs(setup, saved, folder)
    return TrainedMember(number, saved.spec, outputs, n_train, True, 0.0, saved.sha256, network=network)


def _outputs(setup: EnsembleSetup, saved: SavedNetwork, folder: Path) -> Tensor:
    """The outputs of a saved network on the test images, as those of `TrainedMember`."""
    if (masks := task_of(str(folder)).masks) is not None:
        counts = setup.task.predicted(saved.model, setup.data.splits["test"], masks.objective(), setup.device)
        return torch.from_numpy(counts)
    outputs, scores = predict_logits(saved.model, setup.data.x_test, device=setup.device), task_of(str(folder)).scores
    return outputs if scores is None else scores_of(scores.objective, outputs)


def scores_of(objective: TaskObjective, outputs: Tensor) -> Tensor:
    """The scores (n,) of outputs (n, k), rounded as those that `MemberScores` puts out."""
    if not isinstance(objective, ScoreObjective):
        raise TypeError("members with a loss of their own predict scores")
    return objective.value(outputs).double()


def load_member(setup: EnsembleSetup, number: int) -> TrainedMember | None:
    """Load the member that an earlier run saved in the output directory; None if there is none."""
    found = load_saved(setup, number)
    return found[1] if found else None


def check_added(setup: EnsembleSetup) -> None:
    """Refuse networks of `add` that are missing or do not fit the data, before any member is trained."""
    for spec in setup.config.add:
        check_added_task(spec, setup.config.task, setup.data)
        saved = load_model(Path(spec), torch.device("cpu"))
        if saved.target != setup.task.target:
            found, other = _OF_TARGET[saved.target]
            raise UsageError(f"`add`: {spec} predicts {found}", hint=f"`task={other}` combines such networks")
        _check_fits(spec, saved, setup.data)


def load_added(setup: EnsembleSetup, report: Reporter) -> Iterator[TrainedMember]:
    """Load the networks of `add`, which follow the members trained here, and copy them into the output directory."""
    for place, spec in enumerate(setup.config.add):
        number, saved = setup.config.members + place, load_model(Path(spec), setup.device)
        if setup.config.output is not None:
            save_model(
                member_folder(setup.config.output, number),
                model=saved.model,
                spec=saved.spec,
                surgery=saved.surgery,
                channels=saved.channels,
                size=saved.size,
                classes=saved.classes,
                frames=saved.frames,
                clips=saved.clips,
                preparation=setup.preparation,
                data=setup.config.data,
                learned=setup.learned | _learned(Path(spec)),
            )
        report.note(f"{spec}: member {number + 1}")
        yield _loaded(setup, saved, Path(spec), number, None)


def _learned(folder: Path) -> dict[str, Any]:
    """What a run records of how its scores, sequences or masks are read."""
    task = task_of(str(folder))
    if task.sequences is not None:
        return {"task": SEQUENCES, "sequences": task.sequences.to_json()}
    if task.masks is not None:
        return {"task": SEGMENT, "masks": task.masks.to_json()}
    return {} if task.scores is None else {"task": SCORES, "scores": task.scores.to_json()}


def _check_fits(spec: str, saved: SavedNetwork, data: ImageData) -> None:
    size = data.size if saved.any_size else saved.size
    if (saved.channels, size) != (data.channels, data.size):
        seen, there = (f"{c}x{h}x{w}" for c, (h, w) in ((saved.channels, size), (data.channels, data.size)))
        raise InputError(f"`add`: {spec} was trained on images of {seen}, and {data.name} has {there}")
    if saved.target != SCORE and tuple(saved.classes) != data.classes:
        raise InputError(f"`add`: {spec} was trained on other classes than those of {data.name}")
