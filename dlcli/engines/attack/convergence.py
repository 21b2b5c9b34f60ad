"""Whether twice the steps fool more images, asked of the images that were attacked so far in random order.

A gate on robust accuracy that passes is worth nothing if the attack has not converged. Whether it has is a share of all images
too, that of those which only twice the steps fool, so it is decided like the gate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlcli.core.anytime import anytime_share, decided
from dlcli.core.attacks.base import Attack
from dlcli.engines.attack.check_runs import Bools, ReferenceChecks, eps_near_half
from dlcli.engines.attack.checks import MAX_CHANGE, DoubledSteps

_GROWTH = 1.25
"""How many times as many images there are at each look: many are attacked at once, and few more than needed."""


@dataclass
class Convergence:
    """The images so far, and which of them twice the steps leave robust.

    Attributes:
        attack: What is run with twice the steps.
        total: Number of images of the whole set.
        checks_of: Runs attacks on the images at some indices.
    """

    attack: Attack
    total: int
    checks_of: Callable[[NDArray[np.int64]], ReferenceChecks]
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
        if seen == looked or seen < min(_GROWTH * looked, self.total):
            return known and seen == looked
        _, once, twice = self._doubled()
        more = anytime_share(int((once & ~twice).sum()), seen, self.total, level=level)
        self._last = seen, decided(more, lambda share: share >= MAX_CHANGE) is not None
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
