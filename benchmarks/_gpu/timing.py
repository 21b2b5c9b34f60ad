"""Seconds on the device: CUDA events, warm-ups first, then all contestants in turn, and medians."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from .setup import Setup

Call = Callable[[], object]


def median_seconds(setup: Setup, runs: Mapping[str, Call], *, warm_ups: Mapping[str, Call] | None = None) -> dict[str, float]:
    """Time every run: three warm-ups of each, then five rounds of all in turn (A B C A B C ...).

    Args:
        setup: On what; a rehearsal has one warm-up and one round.
        runs: What to time, by name.
        warm_ups: Shorter calls that run the same kernels; None for the runs themselves.

    Returns:
        The median of each: seconds by CUDA events, or on a CPU of the process's CPU time.
    """
    for _ in range(setup.size(1, 3)):
        for warm_up in (warm_ups or runs).values():
            warm_up()
    rounds = [{name: seconds(setup, run) for name, run in runs.items()} for _ in range(setup.size(1, 5))]
    return {name: statistics.median(one[name] for one in rounds) for name in runs}


def seconds(setup: Setup, run: Call) -> float:
    """Seconds of one call."""
    if setup.device.type != "cuda":
        start = time.process_time()
        run()
        return time.process_time() - start
    with torch.cuda.device(setup.device):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000
