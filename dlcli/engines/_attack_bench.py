"""What all steps of `dlcli attack` share: data, network and attacks, opened and seen to fit each other."""

import time
from dataclasses import dataclass, fields, replace
from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, check_trainable, choose
from dlcli.core.device import choose_device
from dlcli.core.feed import floats
from dlcli.core.members import Member, fit_member
from dlcli.core.models import open_model
from dlcli.core.models.base import Architecture
from dlcli.core.recipe import Recipe
from dlcli.core.trained import Trained, labels_for, open_trained
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import UsageError
from dlcli.support.paths import cache_dir
from dlcli.support.report import Report

BASELINE = "baseline"
_WEIGHTS = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class Source:
    """A network that is yet to be trained, and how."""

    arch: Architecture
    recipe: Recipe

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.arch.name


@dataclass(frozen=True)
class Bench:
    """The images (n, c, h, w) and labels (n,) attacked, the attacks in `norm`, and the network, trained or yet to be.

    Labels are numbers of outputs, whose names are `outputs`.
    """

    config: AttackConfig
    data: ImageData
    network: Source | Trained
    attacks: tuple[Attack, ...]
    norm: str
    device: torch.device
    report: Report
    x: Tensor
    y: Tensor
    outputs: tuple[str, ...]

    @property
    def eps(self) -> tuple[float, ...]:
        """The values asked for, each once."""
        return tuple(dict.fromkeys(self.config.eps))

    @property
    def members(self) -> int:
        """How many members the ensemble has, 0 without one."""
        return self.config.members if self.config.ensemble else 0

    @property
    def most_eps(self) -> float:
        """The eps at which any image can become any other."""
        return 1.0 if self.norm == "linf" else sqrt(self.x[0].numel())

    def fit(self, name: str, *, bootstrap: bool) -> tuple[Member, float]:
        """The network called `name`, and the seconds it took to train or load; one that came trained is the baseline."""
        started = time.perf_counter()
        if isinstance(self.network, Trained):
            return Member(self.network.model, self.network.sha256, reused=True, seconds=0.0), 0.0
        member = fit_member(
            self.network.arch,
            self.data,
            recipe=self.network.recipe,
            seed=self.config.seed,
            name=name,
            bootstrap=bootstrap,
            device=self.device,
            report=self.report,
            cache=cache_dir() / "models",
        )
        return member, time.perf_counter() - started


def open_bench(config: AttackConfig, report: Report) -> Bench:
    """Open everything and refuse what cannot work, before the first network is trained."""
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"--output: {config.output} is not a folder", hint="name a folder, new or old")
    if config.save is not None and config.save.is_dir():
        raise UsageError(f"--save: {config.save} is a folder", hint="name a file that ends in .npz")
    device = choose_device(config.device)
    attacks, norm = _attacks(config)
    data = open_data(config.data, strict=config.strict, report=report, size=config.size)
    network = _network(config, data, device)
    output_of, outputs = torch.arange(len(data.classes)), data.classes
    if isinstance(network, Trained):
        output_of, outputs = labels_for(network, data)
    picked = choose(data.y_test.numpy(), config.limit)
    x, y = floats(data.x_test[picked]), output_of[data.y_test[picked]]
    bench = Bench(config, data, network, attacks, norm, device, report, x, y, outputs)
    if max(config.eps) > bench.most_eps:
        raise UsageError(f"--eps: {max(config.eps):g} is above {bench.most_eps:g}, the largest change there is for such images")
    return bench


def _attacks(config: AttackConfig) -> tuple[tuple[Attack, ...], str]:
    """The attacks with their settings, and the norm they share."""
    if "transfer" in config.methods:
        hint = "--ensemble has rows for it; from Python, give dlcli.core.attacks.transfer a surrogate or saved images"
        raise UsageError("--method: transfer has no images to transfer here", hint=hint)
    attacks = tuple(load_attack(name) for name in config.methods)
    norms = [name for name in attacks[0].norms if all(name in one.norms for one in attacks)]
    if config.norm is not None:
        for one in attacks:
            if config.norm not in one.norms:
                raise UsageError(f"--norm: {one.name} has no {config.norm}", hint=f"it has {', '.join(one.norms)}")
    elif not norms:
        raise UsageError("--method: these attacks share no norm", hint="run one after the other")
    given = {name: value for name, value in (("steps", config.steps), ("restarts", config.restarts)) if value is not None}
    for name in given:
        if not any(has(one, name) for one in attacks):
            hint = f"leave it out, or take pgd with --{name}"
            raise UsageError(f"--{name}: {' and '.join(config.methods)} has no {name}", hint=hint)
    set_up = tuple(one.with_options(**{k: v for k, v in given.items() if has(one, k)}) for one in attacks)
    return set_up, config.norm or norms[0]


def has(attack: Attack, setting: str) -> bool:
    """Whether an attack can be given `setting`, such as steps."""
    return setting in (field.name for field in fields(attack))


def _network(config: AttackConfig, data: ImageData, device: torch.device) -> Source | Trained:
    spec = config.model
    if spec is not None and _comes_trained(spec, config):
        for flag, value in (("--ensemble", config.ensemble), ("--epochs", config.epochs)):
            if value is not None:
                hint = "name a network of ours, or code, with --model"
                raise UsageError(f"{flag}: {spec} is trained already, and members are trained anew", hint=hint)
        return open_trained(spec, data, arch=config.arch, device=device)
    if config.arch is not None:
        raise UsageError("--arch: goes with a file of weights", hint="--model WEIGHTS --arch NAME")
    check_trainable(data)
    arch = open_model(spec, data)
    return Source(arch, arch.recipe if config.epochs is None else replace(arch.recipe, epochs=config.epochs))


def _comes_trained(spec: str, config: AttackConfig) -> bool:
    if ":" in spec and not Path(spec).exists():
        return config.epochs is None and config.ensemble is None
    path = Path(spec)
    return path.is_dir() or path.suffix in _WEIGHTS or len(path.parts) > 1
