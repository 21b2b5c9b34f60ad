"""How much memory `dlcli dedupe` takes by number of rows.

    OMP_NUM_THREADS=1 nice python benchmarks/dedupe_memory.py --rows 100_000 200_000 400_000 --workers 1 -o memory.json
    python benchmarks/dedupe_memory.py --measured memory.json --plot docs/scale-memory.svg

Each table has one column of generated questions of 6 to 12 words. Words are drawn from a vocabulary of `VOCABULARY` words,
the k-th with a probability proportional to 1 / (k + 20)^0.9, so that there are common and rare ones as in a language. One
row in ten is an earlier row with one word replaced, and one in fifty an earlier row again; the earlier rows are among the first
50,000 that are neither. A shorter table is the start of a longer one.

Each size runs as a command of its own. Its memory is measured twice: the largest resident set of the process that reads and
writes, as the system reports it at the end, and the largest sum of the resident sets of it and of its workers, looked up five
times a second. Pages of files that are mapped count in both, and those that two processes share count twice in the sum.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
VOCABULARY = 200_000
SYLLABLES = [
    first + vowel + last for first in "bdfghklmnprstvwz" for vowel in "aeiou" for last in ("", "l", "n", "r", "s", "t")
]
NEAR, AGAIN = 0.1, 0.02
_BLOCK = 10_000
Card = dict[str, Any]


def main() -> None:
    """Measure and print, or draw earlier measurements."""
    args = arguments()
    cards: list[Card] = json.loads(args.measured.read_text()) if args.measured else []
    for rows in [] if args.measured else args.rows:
        cards.append(measured(rows, args))
        print(json.dumps(cards[-1]), file=sys.stderr, flush=True)
        if args.output:
            args.output.write_text(json.dumps(cards, indent=1) + "\n")
    machine = f"Python {sys.version.split()[0]}, numpy {np.__version__}"
    print(f"{date.today()}, seed {SEED}, vocabulary {VOCABULARY:,}, {' '.join(args.options)}, {machine}\n")
    print_cards(cards)
    if args.plot:
        draw(cards, args.plot)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 200_000, 400_000])
    parser.add_argument("--candidates", default="0.85", help="passed to dlcli dedupe")
    parser.add_argument("--workers", default="1", help="passed to dlcli dedupe")
    parser.add_argument("--folder", type=Path, help="where tables and outputs are written; default: a temporary folder")
    parser.add_argument("--keep-output", action="store_true", help="keep the outputs, to compare them")
    parser.add_argument("--measured", type=Path, help="measurements to print and draw instead of new ones")
    parser.add_argument("--plot", type=Path, help="where to draw the growth")
    parser.add_argument("-o", "--output", type=Path, help="where to write the measurements")
    args = parser.parse_args()
    args.options = ["--candidates", args.candidates, "--workers", args.workers]
    return args


def questions(rows: int, seed: int = SEED) -> Iterator[str]:
    """`rows` questions; those of a smaller number are the first of a larger one."""
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    weights = 1 / (np.arange(len(words)) + 20.0) ** 0.9
    ends = np.cumsum(weights / weights.sum())
    earlier: list[list[int]] = []
    for start in range(0, rows, _BLOCK):
        lengths = rng.integers(6, 13, _BLOCK)
        drawn = np.minimum(np.searchsorted(ends, rng.random(int(lengths.sum()))), len(words) - 1).tolist()
        kind, place, which = rng.random(_BLOCK).tolist(), rng.random(_BLOCK).tolist(), rng.random(_BLOCK).tolist()
        other = np.minimum(np.searchsorted(ends, rng.random(_BLOCK)), len(words) - 1).tolist()
        stops = np.cumsum(lengths).tolist()
        for k in range(min(_BLOCK, rows - start)):
            row = drawn[stops[k] - int(lengths[k]) : stops[k]]
            if earlier and kind[k] < NEAR + AGAIN:
                row = list(earlier[int(which[k] * len(earlier))])
                if kind[k] < NEAR:
                    row[int(place[k] * len(row))] = other[k]
            elif len(earlier) < 50_000:
                earlier.append(row)
            yield " ".join(words[number] for number in row)


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Distinct words of one to four syllables, the shorter ones first, as common words are shorter."""
    found: dict[str, None] = {}
    for count in (1, 2, 3, 4):
        most = VOCABULARY if count == 4 else min(VOCABULARY, (200, 10_000, 80_000)[count - 1])
        while len(found) < most:
            found["".join(SYLLABLES[k] for k in rng.integers(0, len(SYLLABLES), count))] = None
    return list(found)


def measured(rows: int, args: argparse.Namespace) -> Card:
    """Seconds and memory of one size."""
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        place = args.folder if args.keep_output else Path(folder)
        table, output = Path(folder) / "table.csv", place / f"output-{rows}.csv"
        with table.open("w", encoding="utf-8") as stream:
            stream.write("question\n")
            stream.writelines(f"{text}\n" for text in questions(rows))
        command = [sys.executable, "-m", "dlcli", "dedupe", str(table), "-o", str(output), *args.options]
        started = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            sums: list[int] = []
            thread = threading.Thread(target=watch, args=(process.pid, sums, folder), daemon=True)
            thread.start()
            said = process.stderr.read() if process.stderr else ""
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{rows:,} rows: status {process.returncode}: {said}")
        thread.join()
        return {
            "rows": rows,
            "bytes": table.stat().st_size,
            "seconds": time.perf_counter() - started,
            "cpu": used.ru_utime + used.ru_stime,
            "peak": used.ru_maxrss * 1024,
            "all": max(sums, default=0),
            "said": said.strip().splitlines()[-1][:300] if said.strip() else "",
        }


def watch(root: int, sums: list[int], folder: str) -> None:
    """Add the resident bytes of a process and its descendants to `sums`, until it ends."""
    page = os.sysconf("SC_PAGE_SIZE")
    while Path(f"/proc/{root}").exists():
        parents, resident = {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    resident[int(entry.name)] = int((entry / "statm").read_text().split()[1]) * page
                except (OSError, ValueError, IndexError):
                    continue
        family = {root}
        while more := {one for one, parent in parents.items() if parent in family} - family:
            family |= more
        sums.append(sum(resident.get(one, 0) for one in family))
        if not resident.get(root):
            return
        time.sleep(0.2)


def print_cards(cards: Sequence[Card]) -> None:
    """One row per size, with the growth from the size before."""
    print("| rows | file | CPU s | peak | with workers | bytes a row more |")
    print("|" + "---|" * 6)
    before = None
    for card in cards:
        slope = "" if before is None else f"{(card['peak'] - before['peak']) / (card['rows'] - before['rows']):.0f}"
        sizes = " | ".join(f"{card[name] / 1e6:.0f} MB" for name in ("peak", "all"))
        print(f"| {card['rows']:,} | {card['bytes'] / 1e6:.0f} MB | {card['cpu']:.0f} | {sizes} | {slope} |")
        before = card


def draw(cards: Sequence[Card], path: Path) -> None:
    """Draw memory over rows."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "dlcli"
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    rows = [card["rows"] / 1e6 for card in cards]
    axes.plot(rows, [card["peak"] / 2**30 for card in cards], "o-")
    axes.set(xlabel="million rows", ylabel="memory, GiB", xlim=(0, None), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
