"""What `dlcli dedupe` costs by number of rows, and what a table of any size would cost on several machines.

    OMP_NUM_THREADS=1 python benchmarks/scale.py --rows 17500 35000 70000 140000 --plan 100_000_000 -o scale.json
    python benchmarks/scale.py --measured scale.json --plan 100_000_000

Each number of texts is measured in a process of its own, stage by stage, on one thread: CPU seconds, the largest resident
memory, the bytes of the blocks, and the seconds of each cell of the join. Each figure is fitted by the terms of `TERMS`,
with the least squares of the relative errors and no negative coefficient; each size is also predicted from the smaller
ones. A plan for more texts extrapolates that, and simulates the scheduler of `in_parallel`: each idle worker gets the next
cell. The seconds of its cells have the pattern of the measured ones. Workers may be lost at random times, with the cell
that they were at.

Texts are distinct questions of the Quora pairs in a random order, so that a larger table is a larger sample of one
population.
"""

import argparse
import heapq
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from _dedupe_corpus import PAIRS, originals
from numpy.typing import NDArray
from scipy.optimize import nnls

from dlcli.core.text.distinct import distinct
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.search.cells import BlockFolder, write_blocks
from dlcli.core.text.vectors import make_vectors
from dlcli.engines.dedupe.scores import table_words
from dlcli.specs.dedupe import THRESHOLD, DedupeConfig

SEED = 0
LEVEL = 0.75
BLOCKS = 8
WORKER_BYTES = 200e6
_PAIR_BYTES = 20
_FORWARD = "larger sizes predicted from the smaller ones, over what was measured"
_POWERS = ("", " n", " n^2")
_SERIAL = ("distinct", "vectors", "blocks")
T = TypeVar("T")
Card = dict[str, Any]
TERMS: dict[str, tuple[tuple[int, ...], Callable[[Card], float]]] = {
    "CPU seconds of texts and vectors": ((0, 1), lambda card: sum(card["seconds"][name] for name in _SERIAL)),
    "CPU seconds of cells": ((0, 1, 2), lambda card: card["seconds"]["join"] + card["seconds"]["score"]),
    "candidates": ((2,), lambda card: card["candidates"]),
    "pairs kept": ((2,), lambda card: card["kept"]),
    "bytes of blocks": ((1,), lambda card: card["bytes"]),
}
"""What is fitted: the powers of n, and the figure of a measurement."""


def main() -> None:
    """Measure and print, or print the plan of earlier measurements."""
    args = arguments()
    if args.child:
        print(json.dumps(measured(args.child, args.pairs)))
        return
    cards = json.loads(args.measured.read_text()) if args.measured else [in_child(rows, args.pairs) for rows in args.rows]
    if args.output:
        args.output.write_text(json.dumps(cards, indent=1) + "\n")
    machine = f"Python {sys.version.split()[0]}, numpy {np.__version__}, one thread"
    print(f"{date.today()}, seed {SEED}, cosine {LEVEL:g}, probability {THRESHOLD:g}, {BLOCKS} blocks, {machine}\n")
    print_measured(cards)
    costs = print_fit(cards)
    for rows in args.plan:
        print_plan(rows, costs, cards[-1], args)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=PAIRS, help=f"the Quora pairs; default: {PAIRS}")
    parser.add_argument("--rows", type=int, nargs="+", default=[17_500, 35_000, 70_000, 140_000])
    parser.add_argument("--plan", type=int, nargs="*", default=[100_000_000], help="rows of tables to plan")
    parser.add_argument("--blocks", type=int, nargs="+", default=[100, 400], help="blocks of a planned table")
    parser.add_argument("--workers", type=int, nargs="+", default=[40, 400], help="processes of a planned run")
    parser.add_argument("--lost", type=int, default=4, help="workers that are lost in a planned run")
    parser.add_argument("--measured", type=Path, help="measurements to use instead of new ones")
    parser.add_argument("-o", "--output", type=Path, help="where to write the measurements")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def in_child(rows: int, pairs: Path) -> Card:
    """The measurements of one number of rows, in a process of its own."""
    command = [sys.executable, __file__, "--child", str(rows), "--pairs", str(pairs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    card: Card = json.loads(done.stdout.splitlines()[-1])
    return card


def measured(rows: int, path: Path) -> Card:
    """CPU seconds of each stage, and of each cell; candidates, pairs kept, bytes of the blocks and peak memory in bytes."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        found = work()
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
        return found

    every = originals(path)
    drawn = [every[k] for k in np.random.default_rng(SEED).permutation(len(every))[:rows]]
    if len(drawn) < rows:
        sys.exit(f"there are only {len(drawn):,} distinct questions in {path}")
    texts = timed("distinct", partial(distinct, drawn))
    words = table_words(DedupeConfig(), texts)
    vectors = timed("vectors", partial(make_vectors, "tfidf", texts.keys))
    cells, candidates, kept = [], 0, 0
    with TemporaryDirectory() as folder:
        number = timed("blocks", partial(write_blocks, Path(folder), vectors, LEVEL, BLOCKS))
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        blocks = BlockFolder(Path(folder), LEVEL)
        for first, second in combinations_with_replacement(range(number), 2):
            before = sum(seconds.values())
            pairs = timed("join", partial(blocks.join, first, second))
            found = timed("score", partial(score_pairs, built_in(), texts, pairs, words))
            candidates, kept = candidates + len(pairs), kept + int((found.probability >= THRESHOLD).sum())
            cells.append(sum(seconds.values()) - before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": len(texts),
        "seconds": seconds,
        "cells": cells,
        "blocks": number,
        "candidates": candidates,
        "kept": kept,
        "bytes": size,
        "peak": peak,
    }


def print_measured(cards: Sequence[Card]) -> None:
    """One row per number of texts."""
    print("| distinct texts | distinct | vectors | blocks | join | score | candidates | kept | bytes of blocks a text | peak |")
    print("|" + "---|" * 10)
    for card in cards:
        stages = " | ".join(f"{card['seconds'][name]:.2f}" for name in ("distinct", "vectors", "blocks", "join", "score"))
        print(
            f"| {card['rows']:,} | {stages} | {card['candidates']:,} | {card['kept']:,} | {card['bytes'] / card['rows']:.0f} "
            f"| {card['peak'] / 1e6:.0f} MB |"
        )


def fitted(powers: Sequence[int], rows: Sequence[int], values: Sequence[float]) -> NDArray[np.float64]:
    """The coefficients of powers of n, none negative, with the least squares of the relative errors."""
    n, value = np.array(rows, float), np.array(values, float)
    found, _ = nnls(np.stack([n**power / value for power in powers], axis=1), np.ones(len(n)))
    return np.asarray(found)


def predicted(powers: Sequence[int], found: NDArray[np.float64], rows: int) -> float:
    """What the coefficients give for a number of rows."""
    return float(sum(one * float(rows) ** power for power, one in zip(powers, found, strict=True)))


def print_fit(cards: Sequence[Card]) -> dict[str, NDArray[np.float64]]:
    """The coefficients by what they give, and how well each size is predicted by the smaller ones."""
    rows, coefficients = [card["rows"] for card in cards], {}
    print(f"\n| of n texts | fit | {_FORWARD} |\n|---|---|---|")
    for name, (powers, value) in TERMS.items():
        values = [value(card) for card in cards]
        coefficients[name] = fitted(powers, rows, values)
        ratios = []
        for k in range(len(powers), len(rows)):
            before = fitted(powers, rows[:k], values[:k])
            ratios.append(f"{predicted(powers, before, rows[k]) / values[k]:.2f}")
        shown = " + ".join(f"{one:.3g}{_POWERS[power]}" for power, one in zip(powers, coefficients[name], strict=True) if one)
        print(f"| {name} | {shown} | {', '.join(ratios)} |")
    return coefficients


def print_plan(rows: int, costs: dict[str, NDArray[np.float64]], card: Card, args: argparse.Namespace) -> None:
    """What a table of so many rows would cost, by the number of blocks and of workers."""
    at = {name: predicted(TERMS[name][0], found, rows) for name, found in costs.items()}
    hours, kept = (
        (f"{at[name] / 3600:,.1f}" for name in ("CPU seconds of texts and vectors", "CPU seconds of cells")),
        f"{at['pairs kept']:.2g}",
    )
    print("\n{} distinct texts: {} CPU hours for texts and vectors, {} for the cells; ".format(f"{rows:,}", *hours), end="")
    print(f"{at['candidates']:.2g} candidates, of which {kept} are kept ({at['pairs kept'] * _PAIR_BYTES / 1e9:,.0f} GB)\n")
    heads = ("blocks", "cells", "mean cell", "read by workers", "memory of a worker", "workers", "hours", "busy")
    print(f"| {' | '.join(heads)} | hours if {args.lost} workers are lost |\n|" + "---|" * 9)
    for blocks in args.blocks:
        cells = spread(card, blocks, at["CPU seconds of cells"])
        moved, memory = (blocks + 1) * at["bytes of blocks"], 2 * at["bytes of blocks"] / blocks + WORKER_BYTES
        for workers in args.workers:
            whole, lost = makespan(cells, workers), makespan(cells, workers, lost=args.lost)
            columns = (
                *(f"{blocks}", f"{len(cells):,}", f"{cells.mean():,.0f} s", f"{moved / 1e12:.1f} TB", f"{memory / 1e9:.1f} GB"),
                *(f"{workers}", f"{whole / 3600:.1f}", f"{cells.sum() / workers / whole:.0%}", f"{lost / 3600:.1f}"),
            )
            print(f"| {' | '.join(columns)} |")


def spread(card: Card, blocks: int, total: float) -> NDArray[np.float64]:
    """Seconds of the cells of more blocks, `total` together, with the pattern of the measured ones, in the order of dlcli."""
    pattern = np.zeros((card["blocks"], card["blocks"]))
    for cell, seconds in zip(combinations_with_replacement(range(card["blocks"]), 2), card["cells"], strict=True):
        pattern[cell] = pattern[cell[::-1]] = seconds
    # A cell on the diagonal joins half as many pairs of rows as another.
    pattern[np.diag_indices(len(pattern))] *= 2
    place = np.arange(blocks) * len(pattern) // blocks
    first, second = np.triu_indices(blocks)
    found = pattern[place[first], place[second]] * np.where(first == second, 0.5, 1.0)
    return np.asarray(found * total / found.sum())


def makespan(cells: NDArray[np.float64], workers: int, lost: int = 0) -> float:
    """Seconds until all cells are joined, if each idle worker gets the next one.

    Args:
        cells: Seconds of each cell, in order.
        workers: Number of workers.
        lost: How many of them end at random times of the run; the cell that one is at is joined again by another.

    Returns:
        The seconds.
    """
    rng = np.random.default_rng(SEED)
    ends = np.full(workers, np.inf)
    ends[rng.permutation(workers)[:lost]] = rng.uniform(0, cells.sum() / workers, lost)
    events: list[tuple[float, int, float]] = [(0.0, worker, 0.0) for worker in range(workers)]
    waiting: list[float] = cells[::-1].tolist()
    idle: list[int] = []
    finished = 0.0
    while events:
        now, worker, returned = heapq.heappop(events)
        if returned:  # the worker is lost, and its cell waits again
            waiting.append(returned)
            events, idle = [*events, *((now, other, 0.0) for other in idle)], []
            heapq.heapify(events)
        elif not waiting:
            idle.append(worker)
        elif now < ends[worker]:
            cell = waiting.pop()
            over = now + cell > ends[worker]
            finished = max(finished, 0.0 if over else now + cell)
            heapq.heappush(events, (min(now + cell, float(ends[worker])), worker, cell if over else 0.0))
    return finished


if __name__ == "__main__":
    main()
