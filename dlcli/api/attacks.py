"""Attacks on a network, images and labels of a program."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dlcli.api.inputs import bounds_as_normalisation
from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.compute.foreign import guard_calls
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.precision import float32_precision
from dlcli.core.layers.normalise import normalised
from dlcli.specs import parse
from dlcli.specs.normalise import NONE
from dlcli.support.errors import UsageError
from dlcli.support.plural import count


@dataclass(frozen=True)
class AdversarialExamples:
    """What an attack made.

    Attributes:
        adversarial: The images, (n, ...) within eps and [0, 1]; of several values of eps (k, n, ...).
        success: Which are classified as anything but their label, or with targets as these, (n,) or (k, n).
        eps: The values of eps, (k,).
        distance: How far each image was moved, in the norm of the attack, (n,) or (k, n).
    """

    adversarial: Tensor
    success: Tensor
    eps: tuple[float, ...]
    distance: Tensor

    def __repr__(self) -> str:
        """The counts, without the images."""
        failed = self.success.reshape(len(self.eps), -1).sum(-1).tolist()
        counts = ", ".join(f"{hits:,} at eps {eps:g}" for hits, eps in zip(failed, self.eps, strict=True))
        return f"<adversarial examples: of {count(self.success.shape[-1], 'image')}, {counts} succeeded>"

    @property
    def robust_accuracy(self) -> float | tuple[float, ...]:
        """The share of images that the attack failed on, one per value of eps."""
        found = (1 - self.success.float().mean(-1)).tolist()
        return tuple(found) if isinstance(found, list) else float(found)


class AttackMethod:
    """An attack with its settings; a subclass for each, with the settings as parameters."""

    entry: ClassVar[Attack]

    def __init__(self, **settings: Any) -> None:
        """Set what differs from the defaults of the attack; raises UsageError for a setting that it does not have."""
        self._attack = self.entry.with_options(**settings)
        self._settings = settings

    def __repr__(self) -> str:
        """As it is written."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def __call__(
        self,
        model: nn.Module,
        x: Any,
        y: Any,
        *,
        eps: float | str | Sequence[float],
        norm: str | None = None,
        targets: Any = None,
        bounds: tuple[float, float] = (0, 1),
        normalise: str = NONE,
        full: bool = False,
        batch_size: int = 128,
        seed: int = 0,
        first: int = 0,
    ) -> AdversarialExamples:
        """Make adversarial examples.

        Args:
            model: Maps images to logits (n, classes); attacked in evaluation mode on its own device, and left as it is.
            x: Images (n, ...), tensors or arrays, uint8 or floats in [0, 1].
            y: Labels (n,), integers.
            eps: The largest change, in units of [0, 1] whatever `bounds` are; or several.
            norm: The norm of the change; None for the attack's first.
            targets: Classes (n,) that the images shall be classified as; None for any but the label.
            bounds: The lowest and highest value of images as `model` takes them.
            normalise: How it wants them otherwise, as the option of this name: imagenet, 0.5/0.5 ...
            full: Take all steps for every image; by default an image is done at its first success.
            batch_size: How many images are attacked at a time.
            seed: The seed of all random numbers.
            first: The place of the first image in a larger set, so that its parts are attacked as the whole is.

        Returns:
            The images, and which of them succeeded.

        Raises:
            UsageError: An option out of range, or one that the attack does not support.
            InputError: Images, labels, targets, or a model that does not fit them.
            NumericError: Logits or gradients that are not finite.
        """
        images, labels = to_float(torch.as_tensor(x)), torch.as_tensor(y)
        wanted = None if targets is None else torch.as_tensor(targets)
        network = _network(model, bounds, normalise)
        several = not isinstance(eps, (int, float))
        values = parse.floats(eps)
        options: dict[str, Any] = {"norm": norm, "targets": wanted, "full": full, "batch_size": batch_size}
        options |= {"seed": seed, "first": first}
        made = [self._attack(network, images, labels, eps=one, **options) for one in values]
        device = next(model.parameters(), images).device
        aims = labels if wanted is None else wanted
        with float32_precision("ieee"):
            hits = [predict_logits(network, one, device=device).argmax(1).to(aims.device) == aims for one in made]
        success = [hit if wanted is not None else ~hit for hit in hits]
        order = {"linf": torch.inf, "l2": 2.0}[norm or self._attack.norm]
        moved = [torch.linalg.vector_norm((one - images).flatten(1), ord=order, dim=1) for one in made]
        found = [torch.stack(parts) if several else parts[0] for parts in (made, success, moved)]
        return AdversarialExamples(found[0], found[1], values, found[2])


def method_class(name: str) -> type[AttackMethod]:
    """The class of this name; raises AttributeError if no attack has one."""
    for entry in _likely_first(name):
        attack = load_attack(entry)
        if type(attack).__name__ == name:
            return _subclass(attack)
    raise AttributeError(f"module 'dlcli.attacks' has no attribute '{name}'; it has {', '.join(class_names())}")


def class_names() -> list[str]:
    """The names of all classes; imports all attacks."""
    return [type(load_attack(name)).__name__ for name in REGISTRY.names()]


def _likely_first(name: str) -> list[str]:
    """The attacks by name, the one that is called like the class first, so that no other is imported."""
    return sorted(REGISTRY.names(), key=lambda entry: entry.replace("-", "") != name.lower())


def _subclass(attack: Attack) -> type[AttackMethod]:
    made = type(type(attack).__name__, (AttackMethod,), {"entry": attack, "__doc__": type(attack).__doc__})
    made.__module__ = "dlcli.attacks"
    parameters = inspect.signature(type(attack)).parameters.values()
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    made.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return made


def _network(model: nn.Module, bounds: tuple[float, float], normalise: str) -> nn.Module:
    """The network for images in [0, 1], which reads what `model` returns as logits and leaves `model` without hooks."""
    scaled = bounds_as_normalisation(bounds)
    if scaled != NONE and normalise != NONE:
        raise UsageError("`bounds` and `normalise` cannot be combined", hint="`normalise` alone can express both")
    wrapped = guard_calls(nn.Sequential(model))
    wrapped.training = model.training
    return normalised(wrapped, scaled if normalise == NONE else normalise)
