"""Candidates of a table found and scored in cells of the join, in several processes if the table is large.

Only pairs that a decision may need leave a cell: those that may reach the threshold, or half of it to be labelled, and those
that count for others. So memory and traffic do not grow with the candidates, most of which are no duplicates.
"""

import hashlib
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlcli import __version__
from dlcli.core.compute.cores import available_cores
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.text.cell_job import Cell, CellJob, CellPairs, PairsOfCell
from dlcli.core.text.cut_texts import open_texts, store_cut_texts
from dlcli.core.text.distinct import Distinct
from dlcli.core.text.on_disk import release
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.scored_pairs import ScoredPairs, score_pairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.cells import BlockFolder, join_seconds, matrix_bytes, write_blocks
from dlcli.core.text.search.neighbours import in_row_order
from dlcli.core.text.stored_texts import TextFile, store_texts
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.candidates import SECOND_SEARCH, Candidates, PairSearch, find_candidates, plan_search
from dlcli.engines.dedupe.memory import check_will_fit, expected_pairs
from dlcli.engines.dedupe.resume import MOST_BLOCKS, StoredCells, parts_folder
from dlcli.engines.dedupe.scores import effective_threshold, lowest_counted, lowest_labelled
from dlcli.engines.dedupe.sent_files import read_files, write_files
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.spread import spread_option
from dlcli.support.memory import available_memory, check_disk
from dlcli.support.reporter import Reporter, Unstoppable
from dlcli.support.row_store import batches

_SPREAD_S = 3.0
"""CPU seconds of all cells from which on several processes are used by default; starting one takes half a second."""
_BLOCK_BYTES = 64 << 20
_ON_CLUSTER = 16
"""For how many jobs at a time a table is cut on a cluster of unknown size."""
_TEXTS = "texts"
"""The file of the texts, beside the blocks."""
_CELLS_EACH = 6
"""Cells per process at the least, so that none of them waits long for the last one."""
_MANY, _RESUMABLE = 100_000, 4
"""Blocks at the least of a table with many texts, so that an interrupted run has something to continue from."""
_WORTH_S, _CELL_S = 20.0, 8.0
"""CPU seconds from which on a join is cut by time, and about those of a cell then."""
_SCORE_S = 1e-5
"""CPU seconds of scoring a pair."""
_DIGESTED = 1 << 20
"""Values read at a time for their digest."""
_DIGESTED_TEXTS = 1 << 10
"""The same for texts."""
_WORKER_BYTES = 200_000_000
"""Memory of a worker beside its blocks: the program, word vectors, and the features of pairs."""


class FoundPairs(NamedTuple):
    """The candidates, and those of them that a decision may need with their probability, not corrected yet.

    With the texts: as they were given, or in a file in which they are cut already.
    """

    candidates: Candidates
    scored: ScoredPairs
    texts: Distinct


def find_and_score(
    config: DedupeConfig, texts: Distinct, scorer: Scorer, words: TableWords | None, report: Reporter
) -> FoundPairs:
    """Find and score the candidate pairs of a table, in cells if the search allows it.

    Args:
        config: Options.
        texts: The distinct texts.
        scorer: Scorer of pairs.
        words: How frequent words are in the table; None omits that.
        report: Shows progress.

    Returns:
        The pairs in the order of their rows, which is the same however they were found.
    """
    search = plan_search(config, texts)
    if search is None or not search.in_cells:
        if config.cluster is not None or ((config.workers or 1) > 1 and len(texts) > SECOND_SEARCH):
            report.note(f"`{spread_option(config)}` is not used: rows of such a table or search are compared in one process")
        candidates = find_candidates(config, texts, search, report)
        return FoundPairs(candidates, score_pairs(scorer, texts, candidates.pairs, words, candidates.chance), texts)
    kept = PairsOfCell(scorer is built_in(), words, search.chance, lowest_counted(config, lowest_kept(config)))
    level = search.level
    with _cut(config, texts, search, kept) as cut:
        del search  # the vectors are in files by now
        found = cut.join(report)
    pairs = in_row_order([one.pairs for one in found])
    dropped = sum(one.found for one in found) - len(pairs)
    candidates = Candidates(pairs, level, None, kept.chance, dropped=dropped)
    if not kept.scored:
        return FoundPairs(candidates, score_pairs(scorer, texts, pairs, words, kept.chance), texts)
    probability = np.concatenate([one.probability for one in found if one.probability is not None])
    order = np.lexsort([np.concatenate([getattr(one.pairs, side) for one in found]) for side in ("second", "first")])
    return FoundPairs(candidates, ScoredPairs(pairs, probability[order]), replace(texts, texts=cut.texts))


def lowest_kept(config: DedupeConfig) -> float:
    """The smallest probability of a pair that anything after the scoring needs."""
    if config.precision is not None or config.labelled is not None:
        return 0.0
    threshold = effective_threshold(config)
    return threshold if config.label is None and config.review is None else lowest_labelled(threshold)


@dataclass(frozen=True)
class _SentCellJob:
    """A `CellJob` for nodes of a cluster: pickled it holds the files."""

    job: CellJob
    folder: Path

    def __reduce__(self) -> tuple[object, ...]:
        return _unpacked, (read_files(self.folder), self.job.blocks.threshold, self.job.strict, self.job.kept)

    def __call__(self, cells: Sequence[Cell], report: Reporter) -> list[CellPairs]:
        return self.job(cells, report)


def _unpacked(files: Mapping[str, bytes], threshold: float, strict: bool, kept: PairsOfCell) -> _SentCellJob:
    folder = write_files(files)
    return _SentCellJob(CellJob(BlockFolder(folder, threshold), open_texts(folder / _TEXTS), strict, kept), folder)


@dataclass(frozen=True)
class _CutTable:
    """A table that is cut into cells.

    Attributes:
        job: Joins a cell.
        texts: The texts, which can still be read when their file is removed.
        cells: The two blocks of each.
        together: How many cells a process joins before it scores their pairs, at the most.
        stored: Where finished cells are stored; None if the output is not a file.
        workers: Number of processes.
        cluster: Where they are joined in place of this machine; None for here.
    """

    job: CellJob | _SentCellJob
    texts: TextFile
    cells: list[Cell]
    together: int
    stored: StoredCells | None
    workers: int
    cluster: Cluster | None

    def join(self, report: Reporter) -> list[CellPairs]:
        """What is kept of each cell, in their order; what an interrupted run has stored is not computed again."""
        stored = {} if self.stored is None else {cell: self.stored.load(cell) for cell in self.cells}
        found = {cell: part for cell, part in stored.items() if part is not None}
        missing = _side_by_side([cell for cell in self.cells if cell not in found], self.together)

        def store(number: int, parts: list[CellPairs]) -> None:
            for cell, part in zip(missing[number], parts, strict=True):
                found[cell] = part
                if self.stored is not None:
                    self.stored.save(cell, part)

        run_jobs(
            self.job,
            missing,
            workers=self.workers,
            threads=1,
            cluster=self.cluster,
            report=Unstoppable(report),
            label="comparing, parts of the table",
            store=store,
        )
        return [found[cell] for cell in self.cells]


@contextmanager
def _cut(config: DedupeConfig, texts: Distinct, search: PairSearch, kept: PairsOfCell) -> Iterator[_CutTable]:
    """Cut a table into cells, whose files are there inside the block."""
    folder = parts_folder(config)
    stored = None if folder is None else StoredCells(folder, len(texts))
    size, level = matrix_bytes(search.vectors, search.level), search.level
    expected = expected_pairs(search, texts, kept.words, kept.lowest, scored=kept.scored)
    seconds = join_seconds(search.vectors, level, block=search.block) + _SCORE_S * expected[0]
    wanted = _worker_count(config, seconds)
    blocks = stored.blocks() if stored and config.resume else None
    if blocks is None:
        blocks = max(_block_count(size, len(texts), wanted), _blocks_for_time(seconds))
    here = wanted if config.cluster is None else 1
    workers, bytes_each = _memory_bound(here, 2 * size // blocks), _WORKER_BYTES + 2 * size // blocks
    check_will_fit(len(texts.of_row), expected, blocks * (blocks + 1) // 2, workers=workers, worker_bytes=bytes_each)
    if stored:
        stored.begin(_determined_by(config, texts, search, kept), blocks, config)
    with _files(folder) as place:
        check_disk(place, 2 * size, "the vectors of the texts")  # as they are and, while they are cut, their copy
        number = write_blocks(place, search.vectors, level, blocks, block=search.block)
        del search  # from here on the vectors are read from files
        # Where marks count, the score reads other texts than these.
        store = store_cut_texts if kept.scored and not texts.strict else store_texts
        job = CellJob(BlockFolder(place, level), store(place / _TEXTS, texts.texts), texts.strict, kept)
        cluster = None if config.cluster is None else Cluster(config.cluster, config.workers)
        sent = job if cluster is None else _SentCellJob(job, place)
        cells = list(combinations_with_replacement(range(number), 2))
        together = math.ceil(len(cells) / _job_count(wanted, seconds))
        yield _CutTable(sent, job.texts, cells, together, stored, workers, cluster)


def _side_by_side(cells: list[Cell], most: int) -> list[list[Cell]]:
    """Lists of `most` cells or fewer, each of the cells of one block with other ones."""
    of_block = (list(same) for _, same in groupby(cells, key=itemgetter(0)))
    return [some for same in of_block for some in batches(same, most)]


def _job_count(workers: int, seconds: float) -> float:
    """In about how many jobs to do cells that take `seconds`: for the workers, and for a run that may be interrupted."""
    return max(_CELLS_EACH * workers if workers > 1 else 1, seconds / _CELL_S)


def _worker_count(config: DedupeConfig, seconds: float) -> int:
    """How many processes to use for cells that take `seconds` together."""
    if config.cluster is not None:
        return config.workers or _ON_CLUSTER
    return config.workers or (available_cores() if seconds >= _SPREAD_S else 1)


def _memory_bound(workers: int, blocks: int) -> int:
    available = available_memory()
    return workers if available is None else max(1, min(workers, available // (_WORKER_BYTES + blocks)))


def _block_count(size: int, texts: int, workers: int) -> int:
    """How many blocks to cut the rows into: for memory, for the workers, and for a run that may be interrupted."""
    for_workers = math.isqrt(2 * _CELLS_EACH * workers) if workers > 1 else 1
    return min(MOST_BLOCKS, max(-(-size // _BLOCK_BYTES), for_workers, _RESUMABLE if texts >= _MANY else 1))


def _blocks_for_time(seconds: float) -> int:
    """How many blocks to cut the rows into so that an interrupted run has lost seconds, of a join that takes `seconds`."""
    return 1 if seconds < _WORTH_S else min(MOST_BLOCKS, math.ceil(math.sqrt(2 * seconds / _CELL_S)))


@contextmanager
def _files(folder: Path | None) -> Iterator[Path]:
    """A folder for the files that processes share, beside the output if there is one."""
    if folder is not None:
        for old in folder.glob("shared-*"):
            _remove_files(old)
    with tempfile.TemporaryDirectory(prefix="shared-" if folder else "dlcli-", dir=folder) as place:
        yield Path(place)


def _remove_files(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()


def _determined_by(config: DedupeConfig, texts: Distinct, search: PairSearch, kept: PairsOfCell) -> Mapping[str, object]:
    """Everything that the pairs of a cell depend on, in the terms of JSON."""
    return {
        "version of dlcli": __version__,
        "content of the table": _digest_of_texts(texts),
        "vectors": config.vectors,
        "values of the vectors": _digest_of_vectors(search.vectors),
        "candidates": search.level,
        "fold": config.fold,
        "model": None if config.model is None else str(config.model),
        "threshold": effective_threshold(config),
        "smallest probability that is kept": kept.lowest,
    }


def _digest_of_texts(texts: Distinct) -> str:
    digest = hashlib.sha256()
    for part in (texts.ids, texts.texts):
        for some in batches(part, _DIGESTED_TEXTS):
            digest.update("\0".join([*some, ""]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _digest_of_vectors(vectors: Matrix) -> str:
    digest = hashlib.sha256()
    parts = (vectors,) if isinstance(vectors, np.ndarray) else (vectors.data, vectors.indices, vectors.indptr)
    for part in parts:
        for start in range(0, len(part), _DIGESTED):
            digest.update(np.ascontiguousarray(part[start : start + _DIGESTED]).data)
            release(part)
    return digest.hexdigest()
