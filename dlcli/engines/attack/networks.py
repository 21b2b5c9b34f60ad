"""The networks of `dlcli attack`, before any is trained: opened as trained, or with the recipe to train them by."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, check_trainable
from dlcli.core.data.groups import load_by_group
from dlcli.core.model_io.class_map import map_classes
from dlcli.core.model_io.ensemble_dir import is_ensemble
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.programs import is_program
from dlcli.core.model_io.published_inputs import preparation_of_mixed
from dlcli.core.model_io.score_metadata import refuse_places, task_of
from dlcli.core.model_io.trained import TrainedNetwork, open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.model_io.weights_file import is_weights
from dlcli.core.models.base import Architecture, normalised_architecture
from dlcli.core.models.hubs import hub_name
from dlcli.core.training.recipe import Recipe
from dlcli.engines.attack.surrogate import open_surrogate
from dlcli.engines.model_and_data import column_of_labels
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import UsageError
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

BASELINE = "baseline"
REFERENCE_RULE = "mean"
"""The reference network of an ensemble without a baseline: a gradient of this rule reaches every member."""

_MEMBERS = 10
# A logit this far below the lowest one never wins, and its softmax is exactly 0.
_NEVER = 1000.0


@dataclass(frozen=True)
class Untrained:
    """A network to be trained, and its training recipe."""

    arch: Architecture
    recipe: Recipe

    @property
    def name(self) -> str:
        """The name of the architecture."""
        return self.arch.name


@dataclass(frozen=True)
class Networks:
    """The networks of a run, trained or yet to be.

    Attributes:
        attacked: A single network, or what the members of an ensemble are.
        baseline: The single network again; with an ensemble a network outside it, on which the images of the transfer rows are
            made, or None if there is none.
        members: How many members the ensemble has, 0 for a single network.
        rule: The rule of the ensemble's headline.
        notes: What to report about opening them.
    """

    attacked: Untrained | TrainedNetwork
    baseline: Untrained | TrainedNetwork | None
    members: int = 0
    rule: str = ""
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes that figures may be wrong."""
        both = [one for one in (self.attacked, self.baseline) if isinstance(one, TrainedNetwork)]
        return tuple(dict.fromkeys(warning for one in both for warning in one.warnings))

    @property
    def ensemble(self) -> Untrained | TrainedNetwork | None:
        """The ensemble, None for a single network."""
        return self.attacked if self.members else None

    @property
    def reference(self) -> str:
        """The network whose images are saved and sanity-checked: the baseline, or a rule of an ensemble without one."""
        return REFERENCE_RULE if self.baseline is None else BASELINE

    @property
    def recipe(self) -> Recipe | None:
        """The recipe of the networks that are trained here, None if there are none."""
        return next((one.recipe for one in (self.attacked, self.baseline) if isinstance(one, Untrained)), None)

    def outputs(self, data: ImageData) -> tuple[Tensor, tuple[str, ...]]:
        """The outputs of the network under attack.

        Returns:
            For each class of `data` the index of its output, (classes,), and the names of all outputs.
        """
        found = self.attacked
        return (
            map_classes(found, data) if isinstance(found, TrainedNetwork) else (torch.arange(len(data.classes)), data.classes)
        )


def read_images(config: AttackConfig, report: Reporter) -> ImageData:
    """The data, its images resized and cropped as the network wants them where that is recorded."""
    refuse_places(config.model, "attack")
    how, task = preparation_for(config.model, config.size, report), task_of(config.model)
    load = partial(
        open_data,
        config.data,
        strict=config.strict,
        report=report,
        size=config.size,
        preparation=how,
        mixed_sizes=None if config.size is not None else preparation_of_mixed(config.model, config.arch),
        label_column=column_of_labels(config, task, report),
    )
    return load_by_group(lambda group: load(group=group), task.group, report)


def open_networks(config: AttackConfig, data: ImageData, device: torch.device, report: Reporter = SILENT) -> Networks:
    """Open the networks that are trained already and choose how to train the others; trains nothing.

    Args:
        config: The options.
        data: The dataset.
        device: Where the networks go.
        report: Receives notes on downloads.

    Returns:
        The networks.

    Raises:
        UsageError: If options do not go with the network; and what `open_trained` raises.
    """
    spec = config.model
    if spec is None or not _comes_trained(spec, config):
        return _trained_here(config, data, device)
    saved = is_ensemble(Path(spec))
    if config.ensemble is not None and not saved:
        hint = "give `model` a directory that dlcli ensemble wrote, the name of a built-in model, or code"
        raise UsageError(f"`ensemble`: {spec} is trained already, but members must be trained here", hint=hint)
    found = open_trained(
        spec,
        data,
        arch=config.arch,
        weights_key=config.weights_key,
        rule=config.ensemble,
        normalise=config.normalise,
        doubt_outputs=False,  # the sanity checks look at more images
        device=device,
        report=report,
    )
    networks = _saved_ensemble(config, data, device, found) if saved else Networks(found, found, notes=found.notes)
    if config.epochs is not None and networks.recipe is None:
        hint = "drop `epochs`, or give `model` the name of a built-in model, or code"
        raise UsageError(f"`epochs`: {spec} is trained already", hint=hint)
    return networks


def _comes_trained(spec: str, config: AttackConfig) -> bool:
    if isinstance(spec, InMemory) or (":" in spec and not Path(spec).exists()):
        return config.epochs is None and config.ensemble is None
    path = Path(spec)
    known = is_program(path) or is_weights(path, may_be_name=config.arch is None)
    return path.is_dir() or known or len(path.parts) > 1


def _trained_here(config: AttackConfig, data: ImageData, device: torch.device) -> Networks:
    if config.arch is not None:
        raise UsageError("`arch` needs a file of weights", hint="give `model=WEIGHTS` `arch=NAME`")
    check_trainable(data)
    network = _untrained(config.model, config, data)
    if config.ensemble is None:
        return Networks(network, network, notes=network.arch.notes)
    baseline, notes = _surrogate(config, data, device)
    return Networks(network, baseline or network, config.members or _MEMBERS, config.ensemble, (*network.arch.notes, *notes))


def _saved_ensemble(config: AttackConfig, data: ImageData, device: torch.device, found: TrainedNetwork) -> Networks:
    if config.target is not None:
        raise UsageError("`target` needs a single network", hint=f"{config.model} is an ensemble; name one of its members")
    if "transfer" in config.methods:
        hint = "choose other methods; `surrogate` names the network on which the transfer images are made"
        raise UsageError("`method`: every ensemble has transfer rows already", hint=hint)
    if config.members is not None:
        raise UsageError(f"`members`: {config.model} has {count(len(found.members), 'member')}", hint="drop `members`")
    outside, notes = _surrogate(config, data, device)
    baseline: Untrained | TrainedNetwork | None = outside
    if baseline is None and found.member_spec and ":" not in found.member_spec and len(data.y_train):
        baseline = _untrained(found.member_spec, config, data)
    elif baseline is None:
        notes = (
            f"There are no transfer rows: no network like the members of {config.model} can be trained here. "
            "Name one with `surrogate` to make such images on it.",
        )
    return Networks(found, baseline, len(found.members), found.rule, (*found.notes, *notes))


def _surrogate(config: AttackConfig, data: ImageData, device: torch.device) -> tuple[TrainedNetwork | None, tuple[str, ...]]:
    """The network of `surrogate` as the baseline of an ensemble, and notes about it."""
    if config.surrogate is None:
        return None, ()
    if config.surrogate_is_file:
        hint = "name the network that the images were made on"
        raise UsageError(f"`surrogate`: {config.surrogate} holds images, but the baseline must be a network", hint=hint)
    found = open_surrogate(config.surrogate, data, device)
    note = f"The baseline is {config.surrogate} ({found.name}, SHA-256 {found.sha256[:12]})."
    return found, (note, *found.notes)


def _untrained(spec: str | None, config: AttackConfig, data: ImageData) -> Untrained:
    pretrained = hub_name(spec) is not None
    arch = normalised_architecture(open_model(spec, data, pretrained=pretrained), config.normalise, data.channels)
    return Untrained(arch, arch.recipe if config.epochs is None else replace(arch.recipe, epochs=config.epochs))


def align_outputs(model: nn.Module, classes: tuple[str, ...], outputs: tuple[str, ...]) -> nn.Module:
    """`model`, whose outputs are `classes`, with its outputs in the order of `outputs`; unchanged if that is its own order."""
    return model if classes == outputs else AlignedOutputs(model, classes, outputs)


class AlignedOutputs(nn.Module):
    """A network with its outputs in another order: classes that it lacks never win, classes not in `outputs` are dropped."""

    def __init__(self, model: nn.Module, classes: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.place: Tensor
        self.register_buffer("place", torch.tensor([classes.index(one) if one in classes else -1 for one in outputs]))

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to logits (n, outputs)."""
        logits: Tensor = self.model(x)
        lowest = logits.detach().amin(1, keepdim=True) - _NEVER
        return torch.where(self.place >= 0, logits[:, self.place.clamp_min(0)], lowest)
