"""What a process does for cells of the join of a table: find the pairs of two blocks each, score them, and keep what is needed.

A worker process imports this module and what it needs; the engine, which starts it, is not among that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.scored_pairs import ScoredPairs, score_pairs
from dlcli.core.text.search.cells import BlockFolder
from dlcli.core.text.search.neighbours import Pairs, concatenated
from dlcli.core.text.stored_texts import TextFile
from dlcli.support.garbage import gc_disabled
from dlcli.support.reporter import Reporter

Cell = tuple[int, int]
"""The numbers of two blocks, the lower one first, or twice that of one."""


class CellPairs(NamedTuple):
    """What is kept of a cell: pairs with their probability, none if they are not scored yet; and how many were found."""

    pairs: Pairs
    probability: Floats | None
    found: int


@dataclass(frozen=True)
class PairsOfCell:
    """What is kept of the pairs of a cell.

    Attributes:
        scored: Whether pairs are scored in the cell, by the built-in score. Networks score them where they are loaded.
        words: How frequent words are in the table.
        chance: The mean cosine of any two texts, if the score uses cosines.
        lowest: Smallest probability of a pair that is kept.
    """

    scored: bool
    words: TableWords | None
    chance: float | None
    lowest: float


class _Texts(NamedTuple):
    """The texts of a table in a file."""

    texts: TextFile
    strict: bool

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class CellJob:
    """Joins blocks and scores the pairs, in whatever process; all that is large it reads from files."""

    blocks: BlockFolder
    texts: TextFile
    strict: bool
    kept: PairsOfCell

    @gc_disabled()
    def __call__(self, cells: Sequence[Cell], report: Reporter) -> list[CellPairs]:
        """What is kept of the pairs of each of some cells. They are scored together, since cells share texts."""
        found = [self.blocks.join(*cell) for cell in cells]
        if not self.kept.scored:
            return [CellPairs(pairs, None, len(pairs)) for pairs in found]
        texts, every = _Texts(self.texts, self.strict), concatenated(found)
        probability = score_pairs(built_in(), texts, every, self.kept.words, self.kept.chance).probability
        ends = np.cumsum([len(pairs) for pairs in found])[:-1]
        return [self._kept(*part) for part in zip(found, np.split(probability, ends), strict=True)]

    def _kept(self, pairs: Pairs, probability: Floats) -> CellPairs:
        some = ScoredPairs(pairs, probability).duplicates(self.kept.lowest)
        return CellPairs(some.pairs, some.probability, len(pairs))
