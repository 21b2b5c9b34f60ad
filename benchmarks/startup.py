"""CPU seconds and memory of `dlcli --help` and of each subcommand's --help: best of five runs, compared with a bare Python."""

import os
import resource
import subprocess
import sys

from dlcli.cli.command import COMMANDS

RUNS = 5


def cost(command: list[str]) -> tuple[float, float]:
    """CPU seconds (user and system) and the largest resident MiB of one run."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: status {status}")
    unit = 1024 if sys.platform == "linux" else 1024 * 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def best(command: list[str]) -> tuple[float, float]:
    """The least CPU seconds and the least MiB of several runs."""
    runs = [cost(command) for _ in range(RUNS)]
    return min(seconds for seconds, _ in runs), min(size for _, size in runs)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rows = {"python -c pass": [sys.executable, "-c", "pass"], "dlcli --help": [sys.executable, "-m", "dlcli", "--help"]}
    rows |= {f"dlcli {name} --help": [sys.executable, "-m", "dlcli", name, "--help"] for name in COMMANDS}
    print(f"{'command':28} {'CPU s':>7} {'MiB':>7}   best of {RUNS}")
    for name, command in rows.items():
        seconds, size = best(command)
        print(f"{name:28} {seconds:7.3f} {size:7.1f}")
