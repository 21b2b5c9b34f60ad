"""The attack of Carlini & Wagner 2017 (arXiv 1608.04644, section V-A, the objective f6 and the search of section VI-A)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.base import Bounds, Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.margin import View, aim_of, margin
from dlcli.core.attacks.minimum_norm import Hunting
from dlcli.core.attacks.norms import like_images
from dlcli.support.errors import UsageError

# Values are drawn in by this share before the inverse of tanh, which has none at the bounds.
_INSIDE = 0.999
# Adam's constants (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1).
_BETA1, _BETA2, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class CW(Hunting):
    """Adam on the squared length of the change plus c times what the margin lacks of `kappa`, by the tanh of free variables.

    A binary search of `searches` rounds, of `steps` looks each, finds the c that just suffices. Lengths count in shares of the
    range of values. The authors take 10,000 steps at a rate of 0.01; on a value at a bound, where tanh is flat, a few hundred
    of those move nothing, so a short search wants the longer ones.
    """

    norms = ("l2",)

    steps: int = 100
    searches: int = 9
    learning_rate: float = 0.1
    kappa: float = 0.0
    first_weight: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("searches", self.searches)
        for name, value in (("learning_rate", self.learning_rate), ("first_weight", self.first_weight)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} is {value}", hint="give a number above 0")
        if not (math.isfinite(self.kappa) and self.kappa >= 0):
            raise UsageError(f"kappa is {self.kappa}", hint="give a number from 0 up, in logits")

    @property
    def length(self) -> int:
        """All rounds; the last look of each but the last is followed by the next round's first."""
        return self.searches * self.steps - 1

    @property
    def surplus(self) -> float:
        """Kappa."""
        return self.kappa

    def memory(self, lanes: Lanes, logits: Tensor, threat: Threat) -> Mapping[str, Tensor]:
        """The free variables, Adam's moments, c with its bounds, and whether the round has a success."""
        weight = lanes.x.new_full((len(lanes),), self.first_weight)
        return {
            "free": _free(lanes.clean, threat.bounds),
            "mean": torch.zeros_like(lanes.x),
            "square": torch.zeros_like(lanes.x),
            "weight": weight,
            "low": torch.zeros_like(weight),
            "high": torch.full_like(weight, torch.inf),
            "hit": torch.zeros_like(lanes.label, dtype=torch.bool),
        }

    def move(self, lanes: Lanes, view: View, fooled: Tensor, threat: Threat) -> tuple[Tensor, Mapping[str, Tensor]]:
        """One step of Adam, or at the end of a round the clean image and the next c."""
        memory = {**lanes.memory, "hit": lanes.memory["hit"] | fooled}
        stepped = {**memory, **self._adam(lanes, self._gradient(lanes, view, threat.bounds))}
        over = (lanes.step + 1) % self.steps == 0
        fresh = {**self.memory(lanes, view.logits, threat), **_next_weight(memory)}
        after = {name: torch.where(like_images(over, kept), fresh[name], kept) for name, kept in stepped.items()}
        return _image(after["free"], lanes.clean, threat.bounds), after

    def _gradient(self, lanes: Lanes, view: View, bounds: Bounds) -> Tensor:
        """Of the objective in the free variables; that of the margin is taken where the network was asked."""
        aim, free = aim_of(lanes), lanes.memory["free"]
        slope = view.slope(lambda logits: margin(logits, lanes.label, aim))
        half = (bounds[1] - bounds[0]) / 2
        lacks = (slope.loss < self.kappa) | ((slope.loss == self.kappa) & (self.kappa == 0))
        pull = like_images(lanes.memory["weight"] * lacks, free) * slope.gradient * (2 * half)
        change = (_image(free, lanes.clean, bounds) - lanes.clean) / (2 * half)
        return (2 * change - pull) * (1 - free.tanh().square()) / 2

    def _adam(self, lanes: Lanes, gradient: Tensor) -> dict[str, Tensor]:
        """The free variables and the moments after one step down the gradient."""
        t = lanes.step % self.steps + 1
        mean = _BETA1 * lanes.memory["mean"] + (1 - _BETA1) * gradient
        square = _BETA2 * lanes.memory["square"] + (1 - _BETA2) * gradient.square()
        ahead = mean / like_images(1 - _BETA1**t, mean)
        spread = (square / like_images(1 - _BETA2**t, square)).sqrt() + _TINY
        return {"free": lanes.memory["free"] - self.learning_rate * ahead / spread, "mean": mean, "square": square}


def _next_weight(memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The next c: the middle between one that failed and one that succeeded, ten times as much while none has."""
    weight, hit = memory["weight"], memory["hit"]
    low, high = torch.where(hit, memory["low"], weight), torch.where(hit, weight, memory["high"])
    return {"weight": torch.where(torch.isinf(high), weight * 10, (low + high) / 2), "low": low, "high": high}


def _free(clean: Tensor, bounds: Bounds) -> Tensor:
    """The free variables of the images."""
    return torch.atanh(_INSIDE * ((clean - bounds[0]) / (bounds[1] - bounds[0]) * 2 - 1))


def _image(free: Tensor, clean: Tensor, bounds: Bounds) -> Tensor:
    """The images of free variables; those of the clean images' own are the clean images."""
    change = (free.tanh() - _free(clean, bounds).tanh()) * (bounds[1] - bounds[0]) / 2
    return (clean + change).clamp(*bounds)


ATTACK = CW()
