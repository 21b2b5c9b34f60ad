"""Transfer: adversarial examples of a surrogate network, applied to this one (Papernot et al. 2016, arXiv 1605.07277)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from torch import Tensor, nn
from typing_extensions import override

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, Problem
from dlcli.core.compute.forward import shape_of
from dlcli.core.compute.precision import to_float64
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

# As a fraction of eps: how much storing images in float32 may lengthen a change.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Transfer(Attack):
    """The adversarial examples of `method` against a `surrogate`, or `saved` ones, (n, ...) in the order of the images.

    Saved images may also be a mapping from eps to images. `method` is a name or an attack with its settings; it takes all
    its steps, because images that barely fool the surrogate transfer badly. The network under attack is never queried, so
    the accuracy that remains is an upper bound on robustness.
    """

    norms = ("linf", "l2")
    targeted = True
    knowledge = "nothing"

    surrogate: nn.Module | None = field(default=None, repr=False)
    saved: Tensor | Mapping[float, Tensor] | None = field(default=None, repr=False, compare=False)
    method: Attack | str = "pgd"

    def __post_init__(self) -> None:
        if self.surrogate is not None and self.saved is not None:
            raise UsageError("the attack transfer has both `surrogate` and saved images", hint="give one of the two")

    def rows(self, index: Tensor) -> Self:
        """The attack on those of the images at `index` (k,); of saved images these are kept."""
        if self.saved is None:
            return self
        kept = self.saved[index] if isinstance(self.saved, Tensor) else {eps: one[index] for eps, one in self.saved.items()}
        return replace(self, saved=kept)

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Make the images or take the saved ones; `full` changes nothing, since all steps are always taken."""
        if self.saved is not None:
            return self._saved(_at(self.saved, problem.threat.eps), problem)
        if self.surrogate is None:
            raise UsageError(
                "the attack transfer needs a surrogate or saved images",
                hint="give `surrogate`, the network to make the images on, or saved images",
            )
        attack = load_attack(self.method) if isinstance(self.method, str) else self.method
        return attack(
            self.surrogate,
            problem.x,
            problem.y,
            eps=problem.threat.eps,
            norm=problem.threat.norm,
            targets=problem.targets,
            full=True,
            bounds=problem.threat.bounds,
            batch_size=problem.batch_size,
            seed=problem.seed,
            first=problem.places,
            task=problem.task,
        )

    def _saved(self, saved: Tensor, problem: Problem) -> Tensor:
        """The saved images, after a check that they can come from these clean images."""
        x, threat = problem.x, problem.threat
        if saved.shape != x.shape or not saved.is_floating_point():
            seen = f"the saved images are {shape_of(saved)} of {saved.dtype}, the images {shape_of(x)}".replace("torch.", "")
            raise InputError(seen, hint="give the adversarial examples that were saved for exactly these images")
        images = saved.to(x)
        # Projected into the ball, images of another eps or in another order would look like a weak attack.
        moved = threat.measure.length(to_float64(images - x))
        far = int((~(moved <= threat.eps * (1 + _ROUNDING) + _ROUNDING)).sum())
        if far:
            seen = (
                f"{far} of {count(len(x), 'saved image')} differ from the clean ones by more than eps "
                f"{threat.eps:g} ({threat.norm})"
            )
            hint = f"the largest change is {float(moved.max()):g}: give that eps, or the images that they were made from"
            raise InputError(seen, hint=hint)
        problem.advance(len(x))
        return images


def _at(saved: Tensor | Mapping[float, Tensor], eps: float) -> Tensor:
    if isinstance(saved, Tensor):
        return saved
    if eps not in saved:
        there = ", ".join(f"{one:g}" for one in saved)
        raise InputError(f"there are no saved images at eps {eps:g}", hint=f"there are images at {there}")
    return saved[eps]


ATTACK = Transfer()
