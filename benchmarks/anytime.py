"""How often `dlcli attack --stop-when-sure` decides wrongly, and what it saves.

    OMP_NUM_THREADS=1 python -m benchmarks.anytime [--orders 2000] [--model runs/digits]

The test images of the digits are attacked once as a whole, which says which of them are robust. Then the rule is followed
through random orders of them, for gates at several distances from the truth, and the command is run and timed for the least and
the greatest of them. What is decided depends on the number of robust images alone, so that `--counts` gives a table of the same
kind. The rule of the table is that for the share; a pass also waits until it is decided that the attack has converged.
"""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.anytime import LEVEL, possible_successes
from dlcli.engines import attack
from dlcli.engines.anytime import Watch, parts, random_order
from dlcli.engines.attack.convergence import least_to_pass
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.specs.gate import Gate

DISTANCES = (-0.3, -0.1, -0.05, -0.02, 0.0, 0.001, 0.02, 0.05, 0.1, 0.3)
EPS, STEPS = 0.1, 100


class Followed(NamedTuple):
    """Of many orders: the share decided wrongly, and the mean share of images that were attacked."""

    wrong: float
    seen: float


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2000, help="random orders of each gate")
    parser.add_argument("--model", help="a run directory; default: the network that dlcli attack trains")
    parser.add_argument(
        "--picture", type=Path, help="a picture of the interval in one order, .svg or .png; prints no table then"
    )
    parser.add_argument("--counts", type=int, nargs=2, metavar=("K", "N"), help="K of N images robust; attacks nothing then")
    options = parser.parse_args()
    right, seconds = (
        whole(options.model) if options.counts is None else (np.arange(options.counts[1]) < options.counts[0], None)
    )
    robust = float(right.mean())
    if options.picture is not None:
        picture(right).savefig(options.picture)
        return
    print(f"{datetime.now(UTC).date()}: {options.orders:,} orders of {len(right)} images, {right.sum()} robust.")
    print(f"Orders in which the interval ever misses the truth: {missed(right, options.orders):.4f}.\n")
    print("| gate minus truth | decided wrongly | images attacked, mean |\n|---|---|---|", flush=True)
    bounds = [round(robust + distance, 6) for distance in DISTANCES if 0 < robust + distance < 1]
    for bound in bounds:
        found = followed(right, bound, options.orders)
        print(f"| {away(bound, robust)} | {found.wrong:.4f} | {found.seen:.1%} |", flush=True)
    for n in (len(right), 2000, 10_000):
        print(
            f"\nA pass where twice the steps fool none takes at least {least_to_pass(0, 0, n, LEVEL / 2):,} of {n:,} images.",
            flush=True,
        )
    if seconds is not None:
        print(f"\nPGD-{STEPS} at eps {EPS} on all images: {seconds:.1f} CPU seconds; until a gate is decided:", flush=True)
        for bound in (bounds[0], bounds[-1]):
            print(f"{timed(options.model, bound):.1f} for the gate {away(bound, robust)} from the truth", flush=True)


def away(bound: float, robust: float) -> str:
    """How far a gate is from the truth, without a minus before zero."""
    return f"{round(bound - robust, 3) + 0:+.3f}"


def config(model: str | None, **options: object) -> AttackConfig:
    """The attack."""
    return AttackConfig(model=model, method="pgd", steps=STEPS, eps=(EPS,), device="cpu", **options)


def whole(model: str | None) -> tuple[NDArray[np.bool_], float]:
    """Which images are robust, and the CPU seconds of the run; the network is trained before."""
    attack.run(config(model, limit=10))
    with TemporaryDirectory() as folder:
        started = time.process_time()
        attack.run(config(model))
        seconds = time.process_time() - started
        attack.run(config(model, save=Path(folder) / "images.npz"))
        with np.load(Path(folder) / "images.npz") as arrays:
            return arrays[f"predicted_{EPS:g}"] == arrays["y"], seconds


def followed(right: NDArray[np.bool_], bound: float, orders: int) -> Followed:
    """The rule on random orders."""
    fails, wrong, seen = bool(right.mean() < bound), 0, 0
    for seed in range(orders):
        ordered = right[random_order(len(right), seed)]
        watch = Watch(len(right), "robust accuracy", Gate("robust", bound), when_sure=True, limit=None)
        for part in parts(len(right)):
            watch.add(ordered[part])
            if watch.over:
                break
        stopped = watch.stopped()
        wrong, seen = wrong + (stopped.fails is not fails), seen + stopped.seen
    return Followed(wrong / orders, seen / orders / len(right))


def missed(right: NDArray[np.bool_], orders: int) -> float:
    """In how many orders the interval excludes the truth at any of the moments at which it is looked at."""
    truth, failures = int(right.sum()), 0
    for seed in range(orders):
        hits = right[random_order(len(right), seed)].cumsum()
        bounds = (possible_successes(int(hits[part.stop - 1]), part.stop, len(right)) for part in parts(len(right)))
        failures += any(not low <= truth <= high for low, high in bounds)
    return failures / orders


def timed(model: str | None, bound: float) -> float:
    """CPU seconds of a run that stops when it is sure."""
    started = time.process_time()
    result = attack.run(config(model, fail_under=("robust", bound), stop_when_sure=True))
    if not isinstance(result, AttackResult) or result.stopped is None:
        raise TypeError("the run did not stop early")
    return time.process_time() - started


def picture(right: NDArray[np.bool_]) -> Figure:
    """The interval of the whole set over the images that were attacked, in one order."""
    hits = right[random_order(len(right), 0)].cumsum()
    seen = np.arange(1, len(right) + 1)
    bounds = np.array([possible_successes(int(one), int(n), len(right)) for one, n in zip(hits, seen, strict=True)])
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(seen, 100 * bounds[:, 0] / len(right), 100 * bounds[:, 1] / len(right), color="#0072b2", alpha=0.25)
    axes.plot(seen, 100 * hits / seen, color="#0072b2", label="robust so far, with the interval of all images")
    axes.axhline(100 * right.mean(), color="black", linewidth=1, label="all images")
    axes.axhline(30, color="#d55e00", linestyle="--", linewidth=1, label="a gate at 30%")
    axes.set_xlabel("images attacked")
    axes.set_ylabel("robust accuracy, %")
    axes.set_ylim(0, 100)
    axes.legend(loc="upper right", fontsize=9)
    return figure


if __name__ == "__main__":
    main()
