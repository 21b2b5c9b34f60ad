"""`dlcli dedupe --index` compared with one run on all rows: what it costs, and which rows are grouped differently.

    OMP_NUM_THREADS=1 python benchmarks/dedupe_index.py ../shared/data/pairs/quora_pairs.csv.gz

The distinct Quora questions are shuffled by a seed: all but the last N go into a new index, then the last N; then all at once
without an index. With tfidf the IDF weights depend on all texts, and a pair of stored texts keeps the cosine of the run that
added the later one. A row is grouped differently if the set of rows in its group differs.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from _dedupe_corpus import PAIRS, originals

from dlcli.core.proportion import proportion
from dlcli.core.text.index_dir import read_index
from dlcli.core.text.tokens import fold_all
from dlcli.engines.dedupe.engine import run
from dlcli.specs.dedupe import DedupeConfig, DedupeResult


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="?", type=Path, default=PAIRS)
    parser.add_argument("--new", type=int, default=1000, help="rows that are added in the second run")
    parser.add_argument("--rows", type=int, help="rows in all; default: every question")
    parser.add_argument("--vectors", default="tfidf")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    texts = originals(asked.pairs)
    random.Random(asked.seed).shuffle(texts)
    texts = texts[: asked.rows]
    print(f"{date.today()}, seed {asked.seed}, {asked.vectors}: {len(texts):,} rows, the last {asked.new:,} of them second")
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), texts, asked.new, asked.vectors)


def measure(folder: Path, texts: list[str], new: int, vectors: str) -> None:
    """Time the three runs and print how many rows are grouped differently.

    Args:
        folder: Where to write tables and the index.
        texts: All texts.
        new: How many of them are added in the second run.
        vectors: Kind of vectors.
    """
    index = folder / "index"
    timed("into a new index", folder, texts[:-new], vectors=vectors, index=index)
    print(f"the index: {sum(path.stat().st_size for path in index.iterdir()) / 1e6:.1f} MB")
    timed("the last rows, through the index", folder, texts[-new:], vectors=vectors, index=index)
    whole = timed("all at once", folder, texts, vectors=vectors)
    place = whole.table.columns.index("group")
    at_once = sets([row[place] for row in whole.table.rows])
    stored = read_index(index, {})
    group_of = dict(zip(stored.keys, stored.group.tolist(), strict=True))
    by_turns = sets([group_of.get(key) for key in fold_all(texts)])
    otherwise = [k for k, (left, right) in enumerate(zip(at_once, by_turns, strict=True)) if left != right]
    print(f"grouped differently: {len(otherwise):,} of {len(texts):,} rows, {proportion(len(otherwise), len(texts))}")
    for k in otherwise:
        came = "second" if k >= len(texts) - new else "first"
        others = f"with {len(by_turns[k]) - 1} others, at once with {len(at_once[k]) - 1}"
        print(f"  row {k + 1:,}, came {came}, {others}: {texts[k]}")
    print(f"ids given {len(stored.ids):,}, groups merged or parted by the last rows {len(stored.log):,}")


def timed(what: str, folder: Path, texts: list[str], **options: object) -> DedupeResult:
    """One run, with its CPU seconds and the highest memory of this process so far."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    started = time.process_time()
    result = run(DedupeConfig(table=str(path), column="text", **options))  # type: ignore[arg-type]
    seconds, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {len(texts):,} rows, {seconds:.1f} CPU s, {result.groups:,} groups with a duplicate, peak {peak:,.0f} MiB")
    return result


def sets(names: list[object]) -> list[tuple[int, ...]]:
    """For each row the rows of the same name; those without a name stand alone."""
    codes = np.array([f"row {k}" if name is None else f"group {name}" for k, name in enumerate(names)])
    groups = np.unique(codes, return_inverse=True)[1]
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order], append=-1)) + 1
    members = [tuple(part.tolist()) for part in np.split(order, ends[:-1])]
    return [members[group] for group in groups.tolist()]


if __name__ == "__main__":
    main()
