"""Many runs at once and one after the other: does an index lose rows, and does a process that goes on keep files or memory?

    OMP_NUM_THREADS=1 python benchmarks/endurance.py [--processes 20] [--seconds 60] [--runs 1000]

First many processes add tables to one index for a while, each as soon as the others let it. All rows of runs that ended well
must be in the index. Then one process attacks a network again and again, as a service would: after a tenth of the runs, open
files, threads and memory must not grow any more, and nothing may be left in the folder for temporary files or the cache.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np

from dlcli.core.text.index_dir import read_index
from dlcli.engines import attack, dedupe, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import LockedError

ROWS = 5
"""Rows of each table."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--adds", type=Path, help=argparse.SUPPRESS)  # a process of the first part: the index
    asked = parser.parse_args()
    if asked.adds:
        print(json.dumps(add_tables(asked.adds, asked.seconds)))
        return
    print(f"{date.today()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"XDG_CACHE_HOME": str(Path(scratch, "cache")), "TMPDIR": str(Path(scratch, "temporary"))}
        tempfile.tempdir = None  # so that it is looked up again
        Path(scratch, "temporary").mkdir()
        use_index(Path(scratch), asked.processes, asked.seconds)
        repeat_attack(Path(scratch), asked.runs)


def use_index(folder: Path, processes: int, seconds: float) -> None:
    """Add tables to one index from many processes, and compare it with what they report."""
    index = folder / "index"
    command = [sys.executable, __file__, "--adds", str(index), "--seconds", str(seconds)]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    reports = [json.loads(job.communicate()[0]) for job in jobs]
    added = {name for report in reports for name in report["added"]}
    stored = read_index(index, index_settings(index))
    rows = Counter(stored.tables[number][0] for number in stored.listed.table.tolist())
    lost = [name for name in added if rows[name] != ROWS]
    more = set(rows) - added
    refused = sum(report["refused"] for report in reports)
    print(f"index: {processes} processes for {seconds:g} s added {len(added)} tables of {ROWS} rows")
    print(f"{refused} runs found it locked; {len(lost)} of these tables are incomplete, {len(more)} others are there")
    left = [path.name for path in index.iterdir()]
    print(f"files in the index: {', '.join(sorted(left))}")


def index_settings(index: Path) -> dict[str, object]:
    """The settings that an index was made with."""
    from safetensors import safe_open

    with safe_open(index / "index.safetensors", "np") as file:
        return dict(json.loads(file.metadata()["card"])["settings"])


def add_tables(index: Path, seconds: float) -> dict[str, object]:
    """Add one table after the other to an index until the time is over.

    Args:
        index: Its folder.
        seconds: For how long.

    Returns:
        The names of the tables that were `added`, and how many runs were `refused` because another one held the lock.
    """
    added, refused, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        path = index.parent / f"{os.getpid()}-{len(added)}.csv"
        lines = [f"how do i reset item {os.getpid()} {len(added)} {row}" for row in range(ROWS)]
        path.write_text("\n".join(["question", *lines]) + "\n")
        try:
            dedupe.run(DedupeConfig(table=str(path), index=index))
            added.append(str(path))
        except LockedError:
            refused += 1
            time.sleep(0.01)
    return {"added": added, "refused": refused}


def repeat_attack(folder: Path, runs: int) -> None:
    """Attack the same network again and again in this process, and print what grows."""
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.random((40, 8, 8), np.float32), y=np.arange(40) % 4)
    data = {"data": str(folder / "d.npz"), "device": "cpu"}
    train.run(TrainConfig(**data, epochs=1, output=folder / "run"))
    config = AttackConfig(**data, model=str(folder / "run"), limit=8, eps=(0.1,))
    for run in range(1, runs + 1):
        attack.run(config)
        if run in (1, max(1, runs // 10), runs // 2, runs):
            print(f"attack, run {run}: {held(folder)}")


def held(folder: Path) -> str:
    """What this process holds: open files, threads, memory, and files on disk."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd")) - 1
    counts = {name: sum(path.is_file() for path in (folder / name).rglob("*")) for name in ("temporary", "cache")}
    on_disk = ", ".join(f"{number} files in {name}" for name, number in counts.items())
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return f"{files} open files, {threading.active_count()} threads, {memory:.0f} MB resident, {on_disk}"


if __name__ == "__main__":
    main()
