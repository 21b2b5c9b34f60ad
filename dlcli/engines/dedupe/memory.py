"""Whether comparing a table will fit into memory, before hours are spent on it."""

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.search.budget import sample_pairs
from dlcli.core.text.search.neighbours import PAIR_BYTES, Pairs
from dlcli.engines.dedupe.candidates import PairSearch
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.seeds import derive

_SCORED = 1_000
"""Pairs of the sample that are scored."""
_FOUND_BYTES = 100
"""Bytes of a candidate in the cell in which it is scored, beside the features of some pairs."""
_ROW_BYTES = 250
"""Bytes of a row: its number, its text and its group, with their copies while texts are grouped. Its cells are on disk."""


def expected_pairs(
    search: PairSearch, texts: Distinct, words: TableWords | None, lowest: float, *, scored: bool
) -> tuple[int, int]:
    """Estimate from a sample of rows how many candidates a table has.

    Args:
        search: How candidates are found.
        texts: The distinct texts.
        words: How frequent words are in the table.
        lowest: Smallest probability of a pair that is kept.
        scored: Whether pairs are scored where they are found, so that only some are kept.

    Returns:
        The number of candidates, and of those that are kept.
    """
    pairs, times = search.sample or sample_pairs(search.vectors, search.level, block=search.block)
    found = round(len(pairs) * times)
    if not scored or not found:
        return found, found
    some = np.random.default_rng(derive(0, "kept")).permutation(len(pairs))[:_SCORED]
    drawn = Pairs(pairs.first[some], pairs.second[some], pairs.score[some])
    probability = score_pairs(built_in(), texts, drawn, words, search.chance).probability
    return found, round(found * float((probability >= lowest).mean()))


def check_will_fit(rows: int, expected: tuple[int, int], cells: int, *, workers: int, worker_bytes: int) -> None:
    """Raise ResourceError if a comparison needs more memory than there is.

    Args:
        rows: Number of rows of the table.
        expected: Number of candidates, and of those that are kept.
        cells: Number of cells.
        workers: Number of processes.
        worker_bytes: Bytes of a process.
    """
    found, kept = expected
    in_cells = workers * (worker_bytes + _FOUND_BYTES * found // cells)
    needed = max(in_cells, rows * _ROW_BYTES) + PAIR_BYTES * kept
    what = f"comparing {count(rows, 'row')}, with about {count(found, 'candidate pair')} of which {kept:,} are kept,"
    check_memory(needed, what, hint="raise `candidates` or `threshold`, or compare within a column: `within=COLUMN`")
