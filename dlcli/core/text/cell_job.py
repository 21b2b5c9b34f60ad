"""What a process does for a cell of the join of a table: find the pairs of two blocks, score them, and keep what is needed.

A worker process imports this module and what it needs; the engine, which starts it, is not among that.
"""

from dataclasses import dataclass
from typing import NamedTuple

from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.search.cells import BlockFolder
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.stored_texts import TextFile
from dlcli.support.garbage import gc_disabled
from dlcli.support.reporter import Reporter


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
    """Joins two blocks and scores the pairs, in whatever process; all that is large it reads from files."""

    blocks: BlockFolder
    texts: TextFile
    strict: bool
    kept: PairsOfCell

    @gc_disabled()
    def __call__(self, cell: tuple[int, int], report: Reporter) -> CellPairs:
        """What is kept of the pairs of two blocks, given their numbers."""
        pairs = self.blocks.join(*cell)
        if not self.kept.scored:
            return CellPairs(pairs, None, len(pairs))
        texts = _Texts(self.texts, self.strict)
        found = score_pairs(built_in(), texts, pairs, self.kept.words, self.kept.chance).duplicates(self.kept.lowest)
        return CellPairs(found.pairs, found.probability, len(pairs))
