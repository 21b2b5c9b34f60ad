"""Compare dedupe with its peers: CPU seconds, peak memory and recall by number of rows, on one thread.

    OMP_NUM_THREADS=1 python benchmarks/dedupe.py --rows 10000 100000 500000 -o growth.png

For each number of rows two tables are printed. The first is `dlcli dedupe` as a command, file to file, everything included. The
second compares joins of the same dense vectors at one cosine: Gaussian projections, seeded, of the tfidf vectors (Johnson and
Lindenstrauss 1984). There each contestant runs in its own process, whose peak includes imports and vectors and whose seconds do
not. Recall is measured on the pairs that brute force finds for a sample of rows. Exact peers, whose cost is quadratic, stop at
--square. semhash returns rows to drop and not all pairs, so it has no recall; faiss HNSW searches the 10 nearest rows. Texts
come from `_dedupe_corpus.py`. For a peer that is not installed, the command that installs it is printed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _dedupe_corpus import PAIRS, questions
from numpy.typing import NDArray

from dlcli.core.text.search.neighbours import Pairs, sampled_recall, similar_pairs
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.support.tables import Table, write_csv

SEED = 0
DIMENSIONS = 128
NEAREST = 10

Vectors = NDArray[np.float32]
Found = tuple[Any, Any]
"""First and second rows of the pairs that were found, in any order."""


def ours(vectors: Vectors, threshold: float) -> Found:
    """The threshold join of dlcli."""
    pairs = similar_pairs(vectors, threshold)
    return pairs.first, pairs.second


def semhash(vectors: Vectors, threshold: float) -> Found:
    """semhash; each row to drop counts as one pair with the row that it returns first."""
    from semhash import SemHash

    names = [str(row) for row in range(len(vectors))]
    result = SemHash.from_embeddings(vectors, names, model=None).self_deduplicate(threshold)
    dropped = [(int(found.record), int(found.duplicate_of)) for found in result.filtered]
    return [row for row, _ in dropped], [other for _, other in dropped]


def paraphrase_mining(vectors: Vectors, threshold: float) -> Found:
    """sentence-transformers: all products, the 100 best per row."""
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    found = paraphrase_mining_embeddings(torch.from_numpy(vectors), max_pairs=5_000_000)
    kept = [(first, second) for score, first, second in found if score >= threshold]
    return [first for first, _ in kept], [second for _, second in kept]


def faiss_flat(vectors: Vectors, threshold: float) -> Found:
    """faiss, exact: a range search with every row."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    ends, _, other = index.range_search(vectors, threshold)
    return np.repeat(np.arange(len(vectors)), np.diff(ends.astype(np.int64))), other


def faiss_hnsw(vectors: Vectors, threshold: float) -> Found:
    """faiss, HNSW with default settings: the nearest rows of each row, at or above the threshold."""
    import faiss

    index = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    score, other = index.search(vectors, NEAREST)
    rows, places = np.nonzero((score >= threshold) & (other >= 0))
    return rows, other[rows, places]


CONTESTANTS: dict[str, tuple[Callable[[Vectors, float], Found], str, str, bool]] = {
    "dlcli": (ours, "dlcli", "", False),
    "semhash": (semhash, "semhash", "semhash", False),
    "paraphrase_mining": (paraphrase_mining, "sentence_transformers", "sentence-transformers", True),
    "faiss flat": (faiss_flat, "faiss", "faiss-cpu", True),
    "faiss HNSW": (faiss_hnsw, "faiss", "faiss-cpu", False),
}
"""By name: the join, the module it needs, the package to install, and whether its cost is quadratic."""


def main() -> None:
    """Measure and print."""
    args = arguments()
    if args.child:
        child(args.child, args.folder, args.threshold)
        return
    versions = f"Python {sys.version.split()[0]}, numpy {np.__version__}"
    print(f"{date.today()}, seed {SEED}, {versions}, cosine {args.threshold:g}, {DIMENSIONS} dimensions, float32, one thread")
    for name, (_, module, package, _) in CONTESTANTS.items():
        if find_spec(module) is None:
            print(f"{name} is missing: pip install {package}")
    growth: dict[str, list[tuple[int, float]]] = {}
    for rows in args.rows:
        with tempfile.TemporaryDirectory() as folder:
            for name, seconds in measure(rows, Path(folder), args).items():
                growth.setdefault(name, []).append((rows, seconds))
    if args.output:
        plot(growth, args.output)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, default=PAIRS, help=f"the Quora pairs; default: {PAIRS}")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 500_000])
    parser.add_argument("--threshold", type=float, default=0.9, help="cosine of the second table")
    parser.add_argument("--square", type=int, default=100_000, help="most rows for peers that compare all with all")
    parser.add_argument("-o", "--output", type=Path, help="a picture of the growth, .png or .svg")
    parser.add_argument("--child", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(rows: int, folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Both tables for one number of rows; CPU seconds by name."""
    texts = questions(rows, args.pairs, SEED)
    seconds = {"dlcli dedupe, file to file": file_to_file(texts, folder)}
    vectors = projected(texts)
    np.save(folder / "vectors.npy", vectors)
    for name, (_, module, _, square) in CONTESTANTS.items():
        if find_spec(module) is None or (square and rows > args.square):
            continue
        command = [sys.executable, __file__, "--child", name, "--folder", str(folder), "--threshold", str(args.threshold)]
        done = subprocess.run(command, capture_output=True, text=True, env=one_thread(), check=False)
        if done.returncode:
            print(f"  {name:18} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
            continue
        card = json.loads(done.stdout.splitlines()[-1])
        seconds[name] = card["seconds"]
        ratio = f"{card['seconds'] / seconds['dlcli']:6.1f} x" if "dlcli" in seconds else ""
        recall = "" if name == "semhash" else f"recall {recall_of(vectors, folder, args.threshold)}"
        print(f"  {name:18} {card['seconds']:8.2f} CPU s {ratio} {card['peak']:6,.0f} MiB  {card['pairs']:9,} pairs  {recall}")
    return seconds


def file_to_file(texts: list[str], folder: Path) -> float:
    """The CPU seconds of the command on a csv of these texts."""
    source = folder / "questions.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        write_csv(Table(["question"], [[text] for text in texts]), stream)
    command = [sys.executable, "-m", "dlcli", "dedupe", str(source), "-o", str(folder / "out.csv")]
    process = subprocess.Popen(command, env=one_thread(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    talk = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"dlcli dedupe exited with {process.returncode}: {talk.decode()}")
    seconds = usage.ru_utime + usage.ru_stime
    print(f"{len(texts):,} rows\n  dlcli dedupe, file to file: {seconds:.2f} CPU s, {usage.ru_maxrss / 1024:,.0f} MiB")
    return seconds


def projected(texts: list[str]) -> Vectors:
    """Unit vectors (n, 128) of the distinct texts; zero rows are dropped."""
    sparse = tfidf.vectors(list(dict.fromkeys(filter(None, fold_all(texts)))))
    matrix = np.random.default_rng(SEED).standard_normal((sparse.shape[1], DIMENSIONS), np.float32)
    dense = np.asarray(sparse @ matrix, dtype=np.float32)
    return dense / np.linalg.norm(dense, axis=1, keepdims=True)


def child(name: str, folder: Path, threshold: float) -> None:
    """One contestant in this process: its pairs to a file, its costs as JSON; a small run first pays for imports."""
    join, vectors = CONTESTANTS[name][0], np.load(folder / "vectors.npy")
    join(vectors[:100], threshold)
    started = time.process_time()
    first, second = (np.asarray(side, np.int64) for side in join(vectors, threshold))
    seconds = time.process_time() - started
    both = np.unique(np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)[first != second], axis=0)
    np.save(folder / "pairs.npy", both)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "pairs": len(both)}))


def recall_of(vectors: Vectors, folder: Path, threshold: float) -> str:
    """The share of the pairs with a row in a random sample that the last contestant found."""
    first, second = np.load(folder / "pairs.npy").T
    pairs = Pairs(first.astype(np.int32), second.astype(np.int32), np.ones(len(first), np.float32))
    found, wanted = (int(of_row.sum()) for of_row in sampled_recall(vectors, pairs, threshold, sample=500))
    return f"{found / wanted:.4f} ({found:,} of {wanted:,}, by row)" if wanted else "not known: the sample has no pairs"


def one_thread() -> dict[str, str]:
    """The environment of a process with one thread."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**os.environ, **threads, "TOKENIZERS_PARALLELISM": "false"}


def plot(growth: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """CPU seconds over rows, both on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, points in growth.items():
        axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xlabel="rows", ylabel="CPU seconds, one thread")
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
