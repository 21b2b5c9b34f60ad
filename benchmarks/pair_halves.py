"""How often the figures of two halves of one table of labelled pairs agree, which they should in 95% of halvings.

    OMP_NUM_THREADS=1 python benchmarks/pair_halves.py [PAIRS.csv.gz] [--halvings 400]

The built-in score is evaluated on Quora's questions that it was not fitted to. Their components (pairs that share a question,
however far) are divided into halves at random, and each half is evaluated as `dlcli eval` does. Two figures agree if they
differ by at most the hypotenuse of the sides of their intervals that face each other. The printed error is binomial; halves of
one table are not independent, so that the true one is larger.
"""

import argparse
import sys
from collections import Counter
from datetime import date
from math import hypot, sqrt
from pathlib import Path

import numpy as np

from dlcli.core.pairs.labelled import read_labelled_pairs, split_by_question
from dlcli.core.pairs.measures import evaluate_pairs
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.specs.estimates import Estimate
from dlcli.support.seeds import derive

PAIRS = Path(__file__).resolve().parents[2] / "shared" / "data" / "pairs" / "quora_pairs.csv.gz"
SEED = 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="?", default=PAIRS, help=f"default: {PAIRS}")
    parser.add_argument("--halvings", type=int, default=400)
    args = parser.parse_args()
    if not args.pairs.exists():
        sys.exit(f"{args.pairs}: there is no such file; name a table of labelled pairs")
    _, _, pairs = split_by_question(read_labelled_pairs(str(args.pairs)), SEED)
    scores = built_in().score(pairs.texts, pairs.first, pairs.second)
    random, agree = np.random.default_rng(derive(SEED, "halves")), Counter[str]()
    for k in range(args.halvings):
        half = (random.random(pairs.component.max() + 1) < 0.5)[pairs.component]
        one, other = (evaluate_pairs(pairs.take(part), scores[part], seed=k) for part in (half, ~half))
        agree.update(name for name in one if agreed(one[name], other[name]))
    print(f"{date.today()}, seed {SEED}, {args.halvings} halvings of {len(pairs):,} pairs")
    for name, hits in agree.items():
        share = hits / args.halvings
        print(f"{name:10} {share:.1%} +- {sqrt(share * (1 - share) / args.halvings):.1%}")


def agreed(one: Estimate, other: Estimate) -> bool:
    """Whether two estimates differ by no more than the error of their difference."""
    lower, upper = sorted((one, other), key=lambda found: found.value)
    return upper.value - lower.value <= hypot(lower.high - lower.value, upper.value - upper.low)


if __name__ == "__main__":
    main()
