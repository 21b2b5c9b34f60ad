"""The target classes of a targeted attack: the values of `target`."""

import torch
from torch import Tensor

from dlcli.core.attacks.base import Attack
from dlcli.core.compute import rng
from dlcli.core.data.base import ImageData
from dlcli.support.errors import InputError, UsageError
from dlcli.support.seeds import derive

RANDOM, LEAST_LIKELY, NEXT = "random", "least-likely", "next"
MODES = (RANDOM, LEAST_LIKELY, NEXT)
_SHOWN = 5


def check_supports_targets(attacks: tuple[Attack, ...]) -> None:
    """Raise UsageError naming the attacks that have no targeted version."""
    unable = [one.name for one in attacks if not one.targeted]
    if unable:
        names = " and ".join(unable)
        raise UsageError(f"`target`: {names} cannot be targeted", hint="use pgd or apgd-ce, or drop `target`")


def class_index(target: str, data: ImageData) -> int | None:
    """The index of the class of `data` that `target` names, or None if each image has its own target.

    Raises InputError if there is no such class.
    """
    if target in MODES:
        return None
    if target in data.classes:
        return data.classes.index(target)
    if target.isdecimal() and int(target) < len(data.classes):
        return int(target)
    names = ", ".join(data.classes[:_SHOWN]) + (" ..." if len(data.classes) > _SHOWN else "")
    hint = f"classes are {names}, or numbers up to {len(data.classes) - 1}; or {', '.join(MODES)}"
    raise InputError(f"`target`: {data.name} has no class '{target}'", hint=hint)


def choose_targets(
    target: str, data: ImageData, y: Tensor, output_of: Tensor, logits: Tensor, places: Tensor, *, seed: int
) -> Tensor:
    """The outputs that the images are to reach, (n,) int64, never the label itself.

    Args:
        target: The option: a class, `random` (every other class equally likely), `least-likely` or `next`.
        data: The dataset, for its classes.
        y: Labels as indices of outputs, (n,).
        output_of: For each class of `data` the index of its output, (classes,).
        logits: The network's logits of the clean images, (n, outputs).
        places: Where the images stand in the test set, (n,): a random target depends on its image and the seed only.
        seed: For random targets.
    """
    number = class_index(target, data)
    if number is not None:
        return output_of[number].expand(len(y)).clone()
    place = (y[:, None] == output_of).long().argmax(1)
    if target == LEAST_LIKELY:
        scores = logits[:, output_of].scatter(1, place[:, None], torch.inf)
        return output_of[scores.argmin(1)]
    steps = torch.ones_like(place)
    if target == RANDOM:
        sources = (rng.generator(derive(seed, "targets", int(k))) for k in places)
        steps = torch.cat([torch.randint(1, len(output_of), (1,), generator=source) for source in sources])
    return output_of[(place + steps) % len(output_of)]
