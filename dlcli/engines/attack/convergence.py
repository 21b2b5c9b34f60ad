"""Whether twice the steps fool more images, asked of the images that were attacked so far in random order.

A gate on robust accuracy that passes is worth nothing if the attack has not converged. Whether it has is a share of all images
too, that of those which only twice the steps fool, so it is decided like the gate.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlcli.core.anytime import anytime_share, decided, possible_successes
from dlcli.core.attacks.base import Attack
from dlcli.engines.attack.check_runs import Bools, ReferenceChecks, eps_near_half
from dlcli.engines.attack.checks import MAX_CHANGE, DoubledSteps

PRIOR = (0.5, 1 / MAX_CHANGE)
"""Twice the steps mostly fool none or few, so half of `MAX_CHANGE` is expected; 1% is then excluded with far fewer images."""
_GROWTH = 4
"""How many times as many images there are at the next look, at most: an attack that is far from converged is found soon."""


def least_to_pass(fooled: int, seen: int, total: int, level: float) -> int:
    """The images after which it is known that an attack has converged, if twice the steps fool no more than so far.

    Args:
        fooled: Images that only twice the steps fooled so far.
        seen: Images so far.
        total: Images of the whole set.
        level: The probability of an error at any moment, at most.

    Returns:
        The number, greater than `seen` and at most `total`.
    """

    def passes(images: int) -> bool:
        return possible_successes(fooled, images, total, level=level, prior=PRIOR)[1] / total < MAX_CHANGE

    return seen + 1 + bisect_left(range(seen + 1, total), True, key=passes)


@dataclass
class Convergence:
    """The images so far, and which of them twice the steps leave robust.

    Attributes:
        attack: What is run with twice the steps.
        total: Number of images of the whole set.
        checks_of: Runs attacks on the images at some indices.
        next_look: The number of images at which convergence can be decided next; 0 before the first look.
    """

    attack: Attack
    total: int
    checks_of: Callable[[NDArray[np.int64]], ReferenceChecks]
    next_look: int = 0
    _picked: list[NDArray[np.int64]] = field(default_factory=list)
    _robust: list[dict[float, Bools]] = field(default_factory=list)
    _twice: dict[float, Bools] = field(default_factory=dict)
    _last: tuple[int, bool] = (0, False)

    def add(self, picked: NDArray[np.int64], robust: dict[float, Bools]) -> None:
        """Add the images at the indices `picked` (m,), and which of them are robust at each eps, (m,)."""
        self._picked.append(picked)
        self._robust.append(robust)

    def decided(self, level: float) -> bool:
        """Whether it is known of the whole set if the attack has converged, wrongly with the probability `level` at most."""
        seen, (looked, known) = sum(map(len, self._picked)), self._last
        if seen == looked or seen < self.next_look:
            return known and seen == looked
        _, once, twice = self._doubled()
        fooled = int((once & ~twice).sum())
        more = anytime_share(fooled, seen, self.total, level=level, prior=PRIOR)
        self._last = seen, decided(more, lambda share: share >= MAX_CHANGE) is not None
        self.next_look = min(_GROWTH * seen, least_to_pass(fooled, seen, self.total, level))
        return self._last[1]

    def measured(self, order: NDArray[np.intp]) -> DoubledSteps | None:
        """The effect of twice the steps on the images so far, in an `order` (n,); None if nothing had to be decided yet."""
        if not self._twice:
            return None
        eps, once, twice = self._doubled()
        return DoubledSteps(eps, once[order], twice[order])

    def _doubled(self) -> DoubledSteps:
        """On the images so far, in the order in which they were added; each is attacked once at each eps that is looked at."""
        by_eps = {eps: np.concatenate([one[eps] for one in self._robust]) for eps in self._robust[0]}
        eps = eps_near_half(by_eps)
        once, twice = by_eps[eps], self._twice.get(eps, np.empty(0, bool))
        if len(twice) < len(once):
            new = slice(len(twice), None)
            found = self.checks_of(np.concatenate(self._picked)[new]).doubled_steps(once[new], eps, self.attack)
            twice = self._twice[eps] = np.append(twice, found.twice)
        return DoubledSteps(eps, once, twice)
