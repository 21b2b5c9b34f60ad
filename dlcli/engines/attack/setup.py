"""Data, networks and attacks of a run of `dlcli attack`, opened and checked to fit each other before anything is trained."""

from dataclasses import dataclass, fields, replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.core.compute.device import choose_device
from dlcli.core.compute.forward import has_gradients
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData, choose
from dlcli.core.model_io.trained import TrainedNetwork
from dlcli.engines.attack.networks import Networks, align_outputs, open_networks, read_images
from dlcli.engines.attack.surrogate import load_saved_images, open_surrogate
from dlcli.engines.attack.targets import check_supports_targets, class_index
from dlcli.engines.attack.trained_networks import LoadedNetworks, load_networks
from dlcli.engines.run_groups import RunGroups, groups_of_run
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruptions import METHOD
from dlcli.support.errors import InputError, UsageError
from dlcli.support.fingerprints import file_sha256
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_STOPPED = (
    "The attack stopped at the first success for each image that `save` wrote, which transfers less than taking all steps. "
    "Give `surrogate` the network itself to take all steps."
)


_SETTINGS = {"steps": "pgd", "restarts": "pgd", "step_size": "pgd", "queries": "square"}
"""Options that are settings of attacks, each with an attack that has it."""


@dataclass(frozen=True)
class AttackSetup:
    """Everything an attack run needs; the networks may be yet to be trained.

    Attributes:
        config: The options.
        data: The dataset.
        networks: The networks, trained or yet to be.
        attacks: The attacks with their settings.
        norm: The norm that all attacks are held to.
        device: Where the networks run.
        report: Receives progress.
        x: The images to attack, (n, c, h, w).
        y: Their labels as indices of outputs, (n,).
        places: Where they stand in the test set, (n,) int64.
        outputs: The names of the network's outputs.
        output_of: For each class of `data` the index of its output, (classes,).
        origin: Where the images of the attack `transfer` come from, for the threat model.
        groups: The groups that the images come in, None if they are independent.
        notes: What to report about opening all this.
    """

    config: AttackConfig
    data: ImageData
    networks: Networks
    attacks: tuple[Attack, ...]
    norm: str
    device: torch.device
    report: Reporter
    x: Tensor
    y: Tensor
    places: Tensor
    outputs: tuple[str, ...]
    output_of: Tensor
    origin: str = ""
    groups: RunGroups | None = None
    notes: tuple[str, ...] = ()

    @property
    def eps(self) -> tuple[float, ...]:
        """The values of eps, without repeats."""
        return tuple(dict.fromkeys(self.config.eps))

    @property
    def group(self) -> NDArray[np.int64] | None:
        """The group of each image, (n,) from 0 on; None if images are independent."""
        return None if self.groups is None else self.groups.numbers

    @property
    def members(self) -> int:
        """Number of members of the ensemble, 0 without one."""
        return self.networks.members

    @property
    def max_eps(self) -> float:
        """The eps at which any image can become any other image."""
        return largest_eps(self.norm, self.x)

    def load_networks(self) -> LoadedNetworks:
        """Train or load the networks."""
        return load_networks(self.networks, self.config, self.data, self.outputs, self.device, self.report)


def open_setup(config: AttackConfig, report: Reporter) -> AttackSetup:
    """Open everything that a run needs, and raise for what cannot work before the first network is trained."""
    check_places(config)
    device = choose_device(config.device)
    attacks, norm = configured_attacks(config)
    data = read_images(config, report)
    networks = open_networks(config, data, device, report)
    _check_together(config, networks, attacks)
    for warning in networks.warnings:
        report.warn(warning)
    output_of, outputs = networks.outputs(data)
    x, labels, places, notes = _images(config, data)
    groups = groups_of_run(config.model, data, places.numpy())
    y, notes = output_of[labels], networks.notes + notes
    setup = AttackSetup(
        config, data, networks, attacks, norm, device, report, x, y, places, outputs, output_of, groups=groups, notes=notes
    )
    if attacks and max(config.eps) > setup.max_eps:
        raise UsageError(f"`eps`: {max(config.eps):g} is above {setup.max_eps:g}, the largest perturbation of such images")
    wanted = config.surrogate is not None and "transfer" in config.methods
    return _with_transfer(setup, config.surrogate or "") if wanted else setup


def largest_eps(norm: str, x: Tensor) -> float:
    """The eps at which any image in [0, 1] of the shape of those of `x` (n, ...) can become any other."""
    values = x[0].numel()
    return {"linf": 1.0, "l2": sqrt(values), "l1": float(values)}.get(norm, 1.0)


def check_places(config: AttackConfig) -> None:
    """Raise UsageError where results are to be written to what is a file, or a directory."""
    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise UsageError(f"`output`: {config.output} is not a directory", hint="name a directory, new or existing")
    if config.save is not None and config.save.is_dir():
        raise UsageError(f"`save`: {config.save} is a directory", hint="name a file that ends in .npz")


def _check_together(config: AttackConfig, networks: Networks, attacks: tuple[Attack, ...]) -> None:
    """Raise UsageError for options that need an ensemble, and methods that need gradients where there are none."""
    if networks.ensemble is None and config.surrogate is not None and "transfer" not in config.methods:
        raise UsageError("`surrogate` needs `method=transfer` or an ensemble", hint="add `method=transfer`")
    attacked = networks.attacked
    needing = [one.name for one in attacks if one.knowledge == "gradients"]
    if needing and isinstance(attacked, TrainedNetwork) and not has_gradients(attacked.model):
        free = [name for name in REGISTRY.names() if load_attack(name).knowledge in ("scores", "labels")]
        message = f"`method`: {config.model} has no gradients, without which {' and '.join(needing)} cannot be run"
        raise UsageError(message, hint=f"choose {', '.join(free)}, or transfer with `surrogate`")


def _images(config: AttackConfig, data: ImageData) -> tuple[Tensor, Tensor, Tensor, tuple[str, ...]]:
    """The images to attack, their labels as classes of `data`, their places in the test set, and a note on skipped ones."""
    labels = data.y_test
    notes: tuple[str, ...] = ()
    places = torch.arange(len(labels))
    number = None if config.target is None else class_index(config.target, data)
    if number is not None:
        places = (labels != number).nonzero()[:, 0]
        skipped = len(labels) - len(places)
        notes = (f"Skipped {count(skipped, 'test image')} of the target class {data.classes[number]}, of {len(labels):,}.",)
        if not len(places):
            raise InputError(f"`target`: all test images are of class {data.classes[number]}", hint="name another class")
    picked = places[torch.from_numpy(choose(labels[places].numpy(), config.limit))]
    classes, kept = len(labels[places].unique()), len(labels[picked].unique())
    if kept < classes:
        notes = (
            *notes,
            f"Only {kept} of {count(classes, 'class', 'classes')} are represented: the limit is below their number.",
        )
    return to_float(data.x_test[picked.numpy()]), labels[picked], picked, notes


def configured_attacks(config: AttackConfig) -> tuple[tuple[Attack, ...], str]:
    """The attacks with their settings.

    Returns:
        The attacks, and the norm for all of them.

    Raises:
        UsageError: If they have no such norm or setting, or no norm in common.
    """
    if METHOD in config.methods:  # which are no attacks, and have no norm
        return (), ""
    attacks = tuple(load_attack(name) for name in config.methods)
    norm = _common_norm(config, attacks)
    if config.target is not None:
        check_supports_targets(attacks)
    makers = [crafting_attack(one) for one in attacks if not (isinstance(one, Transfer) and config.surrogate_is_file)]
    given = {name: value for name in _SETTINGS if (value := getattr(config, name)) is not None}
    for name in given:
        if not any(has_setting(one, name) for one in makers):
            hint = f"drop `{name}`, or add {_SETTINGS[name]} to `method`"
            raise UsageError(f"`{name}`: {' and '.join(config.methods)} has no {name}", hint=hint)
    return tuple(_set(one, given) for one in attacks), norm


def _common_norm(config: AttackConfig, attacks: tuple[Attack, ...]) -> str:
    """The norm of the options, or the first that all attacks have; raises UsageError if there is none."""
    norms = [name for name in attacks[0].norms if all(name in one.norms for one in attacks)]
    if config.norm is not None:
        for one in attacks:
            if config.norm not in one.norms:
                raise UsageError(
                    f"`norm`: {one.name} does not support {config.norm}", hint=f"it supports {', '.join(one.norms)}"
                )
    elif not norms:
        raise UsageError("`method`: these attacks have no norm in common", hint="run them one at a time")
    return config.norm or norms[0]


def crafting_attack(attack: Attack) -> Attack:
    """The attack that makes the images: `attack` itself, or for `transfer` the attack that is run on the surrogate."""
    if not isinstance(attack, Transfer):
        return attack
    return load_attack(attack.method) if isinstance(attack.method, str) else attack.method


def has_setting(attack: Attack, setting: str) -> bool:
    """Whether an attack has `setting`, such as steps."""
    return setting in (field.name for field in fields(attack))


def _set(attack: Attack, given: dict[str, Any]) -> Attack:
    made = crafting_attack(attack)
    made = made.with_options(**{name: value for name, value in given.items() if has_setting(made, name)})
    return replace(attack, method=made) if isinstance(attack, Transfer) else made


def _with_transfer(setup: AttackSetup, source: str) -> AttackSetup:
    """`setup` with a surrogate, or the saved images, given to its attack `transfer`."""
    notes: tuple[str, ...] = (_STOPPED,)
    if setup.config.surrogate_is_file:
        given: dict[str, Any] = {"saved": load_saved_images(source, setup.x, setup.y, setup.eps)}
        origin = f"saved in {source}, SHA-256 {file_sha256(Path(source))[:12]}"
    else:
        found = open_surrogate(source, setup.data, setup.device)
        for warning in found.warnings:
            setup.report.warn(warning)
        given = {"surrogate": align_outputs(found.model, found.classes or setup.data.classes, setup.outputs)}
        origin, notes = f"made on {source} ({found.name}, {found.sha256[:12]})", found.notes
    attacks = tuple(replace(one, **given) if isinstance(one, Transfer) else one for one in setup.attacks)
    return replace(setup, attacks=attacks, origin=origin, notes=setup.notes + notes)
