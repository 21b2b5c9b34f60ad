"""The networks that `dlcli attack` looks at, and how each comes to be: trained before, or here."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.data.base import ImageData, check_trainable
from dlcli.core.model_io.cached import Member, train_or_load
from dlcli.core.model_io.ensemble_dir import is_ensemble
from dlcli.core.model_io.trained import TrainedNetwork, is_weights, map_classes, open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models.base import Architecture
from dlcli.core.training.recipe import Recipe
from dlcli.engines.attack.surrogate import open_surrogate
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import UsageError
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

BASELINE = "baseline"
REFERENCE_RULE = "mean"
"""The rule that stands in for the baseline where an ensemble has none: through it a gradient reaches every member."""

_MEMBERS = 10
# A logit so far below the others is no answer, and its softmax is 0.
_NEVER = 1000.0


@dataclass(frozen=True)
class Untrained:
    """A network that is yet to be trained, and how."""

    arch: Architecture
    recipe: Recipe

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.arch.name


@dataclass(frozen=True)
class Networks:
    """Who is under attack, trained or yet to be.

    `attacked` is a single network, or where the `members` of an ensemble come from, which is to follow `rule`. `baseline` is
    that single network, or beside an ensemble the one on which images for transfer are made; None: there is no such network.
    """

    attacked: Untrained | TrainedNetwork
    baseline: Untrained | TrainedNetwork | None
    members: int = 0
    rule: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ensemble(self) -> Untrained | TrainedNetwork | None:
        """The ensemble, None for a single network."""
        return self.attacked if self.members else None

    @property
    def reference(self) -> str:
        """Whose images are kept and looked at by the checks: the baseline, or in its place a rule of the ensemble."""
        return REFERENCE_RULE if self.baseline is None else BASELINE

    @property
    def recipe(self) -> Recipe | None:
        """How what is trained here is trained; None if nothing is."""
        return next((one.recipe for one in (self.attacked, self.baseline) if isinstance(one, Untrained)), None)

    def outputs(self, data: ImageData) -> tuple[Tensor, tuple[str, ...]]:
        """For each class of `data` its output, (classes,), and the names of all outputs."""
        found = self.attacked
        return (
            map_classes(found, data) if isinstance(found, TrainedNetwork) else (torch.arange(len(data.classes)), data.classes)
        )


@dataclass(frozen=True)
class LoadedNetworks:
    """The networks in evaluation mode and on their device; all answer in the same order of classes.

    `sha256` is that of what is under attack; of an ensemble trained here it is the baseline's. `trained` and `reused` count
    what was trained here, now or before.
    """

    baseline: nn.Module | None
    members: tuple[nn.Module, ...]
    sha256: str
    trained: int
    reused: int


def open_networks(config: AttackConfig, data: ImageData, device: torch.device) -> Networks:
    """Open what is trained already, and settle how the rest is to be; trains nothing."""
    spec = config.model
    if spec is None or not _comes_trained(spec, config):
        return _trained_here(config, data, device)
    saved = is_ensemble(Path(spec))
    if config.ensemble is not None and not saved:
        hint = "name a folder that dlcli ensemble wrote, or with --model a network of ours, or code"
        raise UsageError(f"--ensemble: {spec} is trained already, and members are trained anew", hint=hint)
    found = open_trained(spec, data, arch=config.arch, rule=config.ensemble, device=device)
    networks = _saved_ensemble(config, data, device, found) if saved else Networks(found, found, notes=found.notes)
    if config.epochs is not None and networks.recipe is None:
        hint = "leave --epochs out, or name a network of ours, or code, with --model"
        raise UsageError(f"--epochs: {spec} is trained already", hint=hint)
    return networks


def _comes_trained(spec: str, config: AttackConfig) -> bool:
    if ":" in spec and not Path(spec).exists():
        return config.epochs is None and config.ensemble is None
    path = Path(spec)
    return path.is_dir() or is_weights(path) or len(path.parts) > 1


def _trained_here(config: AttackConfig, data: ImageData, device: torch.device) -> Networks:
    if config.arch is not None:
        raise UsageError("--arch: goes with a file of weights", hint="--model WEIGHTS --arch NAME")
    check_trainable(data)
    source = _source(config.model, config, data)
    if config.ensemble is None:
        return Networks(source, source)
    baseline, notes = _outside(config, data, device)
    return Networks(source, baseline or source, config.members or _MEMBERS, config.ensemble, notes)


def _saved_ensemble(config: AttackConfig, data: ImageData, device: torch.device, found: TrainedNetwork) -> Networks:
    if config.target is not None:
        raise UsageError("--target: goes with a single network", hint=f"{config.model} is an ensemble; name one of its members")
    if "transfer" in config.methods:
        hint = "name other methods; --surrogate names the network to make such images on"
        raise UsageError("--method: transfer is among the rows of every ensemble", hint=hint)
    if config.members is not None:
        raise UsageError(f"--members: {config.model} has {count(len(found.members), 'member')}", hint="leave --members out")
    outside, notes = _outside(config, data, device)
    baseline: Untrained | TrainedNetwork | None = outside
    if baseline is None and found.member_spec and ":" not in found.member_spec and len(data.y_train):
        baseline = _source(found.member_spec, config, data)
    elif baseline is None:
        notes = (
            f"There are no transfer rows: no network like the members of {config.model} can be trained here; "
            "--surrogate SPEC names one to make such images on.",
        )
    return Networks(found, baseline, len(found.members), found.rule, (*found.notes, *notes))


def _outside(config: AttackConfig, data: ImageData, device: torch.device) -> tuple[TrainedNetwork | None, tuple[str, ...]]:
    """The network of `--surrogate` as the baseline of an ensemble, and what to say of it."""
    if config.surrogate is None:
        return None, ()
    if config.surrogate_is_file:
        hint = "name the network that the images were made on"
        raise UsageError(f"--surrogate: {config.surrogate} holds images, and an ensemble's baseline is a network", hint=hint)
    found = open_surrogate(config.surrogate, data, device)
    said = f"The baseline is {config.surrogate} ({found.name}, SHA-256 {found.sha256[:12]})."
    return found, (said, *found.notes)


def _source(spec: str | None, config: AttackConfig, data: ImageData) -> Untrained:
    arch = open_model(spec, data)
    return Untrained(arch, arch.recipe if config.epochs is None else replace(arch.recipe, epochs=config.epochs))


def assemble(
    networks: Networks, config: AttackConfig, data: ImageData, outputs: tuple[str, ...], device: torch.device, report: Reporter
) -> LoadedNetworks:
    """Train what is yet to be trained, or take it from the cache; all networks then answer in the order of `outputs`."""

    def fit(source: Untrained, name: str) -> Member:
        return train_or_load(
            source.arch,
            data,
            recipe=source.recipe,
            seed=config.seed,
            name=name,
            bootstrap=name != BASELINE,
            device=device,
            report=report,
            cache=cache_dir() / "models",
        )

    first, ensemble = networks.baseline, networks.ensemble
    own = [fit(first, BASELINE)] if isinstance(first, Untrained) else []
    others = [fit(ensemble, f"member-{k}") for k in range(networks.members)] if isinstance(ensemble, Untrained) else []
    fitted, baseline, sha256 = [*own, *others], None, ""
    if isinstance(first, TrainedNetwork):
        baseline, sha256 = aligned(first.model, first.classes or data.classes, outputs), first.sha256
    elif own:
        baseline, sha256 = aligned(own[0].model, data.classes, outputs), own[0].sha256
    if isinstance(ensemble, TrainedNetwork):
        sha256 = ensemble.sha256
    members = ensemble.members if isinstance(ensemble, TrainedNetwork) else tuple(one.model for one in others)
    reused = sum(one.reused for one in fitted)
    return LoadedNetworks(baseline, members, sha256, len(fitted) - reused, reused)


def aligned(model: nn.Module, classes: tuple[str, ...], outputs: tuple[str, ...]) -> nn.Module:
    """`model`, whose outputs are `classes`, answering in the order of `outputs`; itself where that is its own order."""
    return model if classes == outputs else AlignedOutputs(model, classes, outputs)


class AlignedOutputs(nn.Module):
    """A network as one whose outputs stand in another order: those it lacks never win, and those not asked for are dropped."""

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
