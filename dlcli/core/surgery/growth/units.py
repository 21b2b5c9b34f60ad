"""Which units must be copied together, and where the copies stand.

Units that meet in a sum have the same copies. A layer puts out its units, then the copies, section by section: sections are
the largest sets of units that no slice, no group of channels and no other layer divides. So halves of a grown layer have the
copies of the halves of the layer before.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dlcli.core.surgery.growth.labels import FIXED, FREE


class UnitSets:
    """Units by number, those that were united, those that cannot grow, and sets that need sections of their own."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._fixed: set[int] = set()
        self._parts: list[tuple[int, ...]] = []

    def new(self, number: int) -> Tensor:
        """The numbers (number,) of new units."""
        first = len(self._parents)
        self._parents.extend(range(first, first + number))
        return torch.arange(first, first + number)

    def unite(self, units: Sequence[tuple[int, int]]) -> None:
        """Note pairs of units with the same copies."""
        for one, other in units:
            if FIXED in (one, other):
                self.fix([one, other])
            elif FREE not in (one, other):
                self._parents[self.root(one)] = self.root(other)

    def fix(self, units: Sequence[int]) -> None:
        """Note units that are never copied."""
        self._fixed.update(unit for unit in units if unit >= 0)

    def part(self, units: Sequence[int]) -> None:
        """Note units that stand together."""
        self._parts.append(tuple(unit for unit in units if unit >= 0))

    def root(self, unit: int) -> int:
        """The number that stands for a unit and all that it was united with."""
        while unit >= 0 and self._parents[unit] != unit:
            self._parents[unit] = unit = self._parents[self._parents[unit]]
        return unit

    def roots(self, units: Tensor) -> Tensor:
        """`root` of each."""
        return torch.tensor([self.root(unit) for unit in units.tolist()], dtype=torch.int64, device=units.device)

    def parts(self) -> list[frozenset[int]]:
        """The sets of roots that need sections of their own, that of fixed units among them."""
        return [frozenset(map(self.root, part)) for part in (*self._parts, tuple(self._fixed))]

    def is_fixed(self) -> Callable[[int], bool]:
        """A test whether a root cannot grow."""
        return frozenset(map(self.root, self._fixed)).__contains__


class CopyPlan:
    """Which copies each section gets, drawn from torch's global generator.

    `factor` multiplies the number of units of a section, rounded; each unit has one copy before any has two.
    """

    def __init__(self, sets: UnitSets, layers: Sequence[Sequence[int]], factor: float) -> None:
        self._section = _sections(sets, layers)
        members: dict[int, list[int]] = {}
        for root, section in self._section.items():
            members.setdefault(section, []).append(root)
        fixed = sets.is_fixed()
        self._copies = {key: _drawn(roots, 1.0 if fixed(roots[0]) else factor) for key, roots in members.items()}

    def rows(self, layer: Sequence[int]) -> list[int]:
        """For the units of a layer, given as roots: of which one each of its units is a copy, from 0."""
        rows = []
        for start, run in _runs(layer, self._section):
            rows += [start + k for k in range(len(run))]
            places = {root: start + k for k, root in enumerate(run)}
            rows += [places[root] for root in self._copies[self._section[run[0]]]]
        return rows


def _drawn(roots: list[int], factor: float) -> list[int]:
    drawn: list[int] = []
    more = max(round(factor * len(roots)) - len(roots), 0)
    while len(drawn) < more:
        drawn += [roots[k] for k in torch.randperm(len(roots)).tolist()]
    return drawn[:more]


def _sections(sets: UnitSets, layers: Sequence[Sequence[int]]) -> dict[int, int]:
    """The section of each root: units are of one section if every set has both or none, and they stand together everywhere."""
    parts = [*sets.parts(), *(frozenset(layer) for layer in layers)]
    while True:
        marks: dict[int, list[int]] = {root: [] for layer in layers for root in layer}
        for number, part in enumerate(dict.fromkeys(parts)):
            for root in part & marks.keys():
                marks[root].append(number)
        numbers: dict[tuple[int, ...], int] = {}
        section = {root: numbers.setdefault(tuple(own), len(numbers)) for root, own in marks.items()}
        sizes = torch.tensor(list(section.values())).bincount().tolist()
        torn = [frozenset(run) for layer in layers for _, run in _runs(layer, section) if len(run) < sizes[section[run[0]]]]
        if not torn:
            return section
        parts = [*parts, *torn]


def _runs(layer: Sequence[int], section: dict[int, int]) -> Iterator[tuple[int, list[int]]]:
    """Where each stretch of units of one section begins, none of them twice, and these units."""
    start, run = 0, dict.fromkeys(layer[:1])
    for place, root in enumerate(layer[1:], 1):
        if section[root] != section[layer[start]] or root in run:
            yield start, list(run)
            start, run = place, {}
        run[root] = None
    if run:
        yield start, list(run)
