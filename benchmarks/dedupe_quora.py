"""dedupe on the labelled Quora pairs: cost and recall of a whole run, and the default score compared with plain TF-IDF.

    OMP_NUM_THREADS=1 python benchmarks/dedupe_quora.py ../shared/data/pairs/quora_pairs.csv.gz

The first part runs `dlcli.engines.dedupe` on all distinct questions and on all pairs, and measures this process. The second
scores the labelled pairs by their cosine. Questions are split at random into two halves; the weights of the cosine were chosen
on pairs within the first, so the figures for pairs within the second are unbiased. The third gives precision and recall of
thresholds on the built-in probability, and of those that --precision chooses. Intervals are 95%: bootstrap over pairs for
areas and their difference, by component for precisions.
"""

import argparse
import csv
import gzip
import resource
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.grouped import group_sums, grouped_share, share_of
from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, split_by_question
from dlcli.core.text.scoring.operating_point import choose_threshold, count_by_threshold
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import make_vectors
from dlcli.engines.dedupe.engine import run
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import CheckFailedError
from dlcli.support.seeds import derive

PAIRS = Path(__file__).resolve().parents[2] / "shared" / "data" / "pairs" / "quora_pairs.csv.gz"
SEED = 0
RESAMPLES = 300
HALVINGS = 200
WANTED = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Floats = NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="?", default=PAIRS, help=f"default: {PAIRS}")
    path = parser.parse_args().pairs
    if not path.exists():
        sys.exit(f"{path}: there is no such file; name a table of Quora pairs")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    questions = {row[f"qid{side}"]: row[f"question{side}"] for row in rows for side in (1, 2)}
    print(f"{date.today()}, seed {SEED}, Python {sys.version.split()[0]}, numpy {np.__version__}")
    whole_run(questions)
    pairs_run(str(path))
    places = {qid: place for place, qid in enumerate(questions)}
    first, second = (np.array([places[row[f"qid{side}"]] for row in rows]) for side in (1, 2))
    labels = np.array([row["is_duplicate"] == "1" for row in rows])
    chosen_on = np.random.default_rng(SEED).random(len(places)) < 0.5
    ours, plain = default_scores(list(questions.values()), first, second), plain_scores(list(questions.values()), first, second)
    halves = {"first half (weights chosen here)": chosen_on, "second half": ~chosen_on, "all": chosen_on | True}
    for name, half in halves.items():
        inside = half[first] & half[second]
        print(f"\n{name}: {inside.sum():,} pairs, {labels[inside].mean():.1%} labelled duplicates")
        areas(labels[inside], ours[inside], plain[inside])
        thresholds(labels[inside], ours[inside])
    probabilities(str(path))
    precisions(str(path))


def probabilities(path: str) -> None:
    """Precision and recall of thresholds on the built-in probability, on questions not used in fitting or calibration.

    Each pair is scored alone, as with `--pair-columns`.
    """
    _, _, pairs = split_by_question(read_labelled_pairs(path), SEED)
    scores = built_in().score(pairs.texts, pairs.first, pairs.second)
    print(f"\nprobability, held-out questions, n={len(pairs):,}")
    thresholds(pairs.duplicate, scores, (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9), pairs.component)


def precisions(path: str) -> None:
    """Check the thresholds that --precision chooses on other questions than those they are chosen on.

    First they are chosen on the part that calibrated the score and checked on the held-out part. Then the held-out part is
    split into halves by component many times, and thresholds are chosen on one half and checked on the other: of the splits
    that have a point, how often the precision of the other half is below the wanted one, and how often its whole interval is;
    and again without the largest component, all of whose pairs are in one half.
    """
    _, dev, test = split_by_question(read_labelled_pairs(path), SEED)
    scores = [built_in().score(part.texts, part.first, part.second) for part in (dev, test)]
    print("\n--precision: chosen on dev, checked on held-out questions; then chosen and checked on halves of the latter")
    for wanted in WANTED:
        try:
            point = choose_threshold(count_by_threshold(scores[0], dev.duplicate, dev.component), wanted, "the score")
            found = at_least(point.threshold, scores[1], test.duplicate, test.component)
            said = (
                f"from {point.threshold:g} on, {point.precision} n={point.precision.n:,} on dev, {found} n={found.n:,} held out"
            )
        except CheckFailedError as error:
            said = error.message
        chain = np.bincount(test.component).argmax() != test.component
        print(f"  {wanted:g}: {said}\n    {halvings(wanted, scores[1], test)}")
        print(f"    without the largest component: {halvings(wanted, scores[1][chain], test.take(chain))}")


def at_least(threshold: float, scores: Floats, labels: NDArray[np.bool_], component: NDArray[np.int64]) -> Estimate:
    """The precision at or above a threshold, with its interval by component."""
    called = scores >= threshold
    return grouped_share(group_sums(called & labels, component), group_sums(called, component))


def halvings(wanted: float, scores: Floats, pairs: LabelledPairs) -> str:
    """Choose thresholds on one half of the components and check them on the other, `HALVINGS` times."""
    random = np.random.default_rng(derive(SEED, "halves"))
    checked = []
    for _ in range(HALVINGS):
        half = (random.random(pairs.component.max() + 1) < 0.5)[pairs.component]
        try:
            point = choose_threshold(
                count_by_threshold(scores[half], pairs.duplicate[half], pairs.component[half]), wanted, "the score"
            )
        except CheckFailedError:
            continue
        checked.append(at_least(point.threshold, scores[~half], pairs.duplicate[~half], pairs.component[~half]))
    below, wholly = (sum(getattr(one, name) < wanted for one in checked) for name in ("value", "high"))
    return (
        f"{len(checked)} of {HALVINGS} halvings give a point, {below} are below on the other half, {wholly} with the interval"
    )


def whole_run(questions: dict[str, str]) -> None:
    """Run the engine on every distinct question; must come first, since the peak of memory is that of the process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("qid", "question"), *questions.items()])
        before = cpu_seconds()
        result = run(DedupeConfig(table=str(path)))
    seconds, peak = cpu_seconds() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{result.rows_read:,} rows at {result.threshold:g}: {seconds:.1f} CPU s, peak {peak:,.0f} MiB")
    exact, near = f"{result.rows_exact:,} exact", f"{result.rows_near:,} near duplicates"
    print(f"{result.groups:,} groups, {exact} and {near}, {result.pairs:,} pairs")
    if result.recall:
        print(f"recall on a brute-force sample: {result.recall}, n={result.recall.n} pairs")


def pairs_run(path: str) -> None:
    """Run --pair-columns on every labelled pair, including reading the table."""
    before = cpu_seconds()
    result = run(DedupeConfig(table=path, pair_columns=("question1", "question2")))
    said = f"{result.rows_duplicate:,} duplicate, {result.rows_different:,} different, {result.rows_empty:,} without text"
    print(f"{result.rows_read:,} pairs by --pair-columns: {cpu_seconds() - before:.1f} CPU s; {said}")


def cpu_seconds() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def default_scores(texts: list[str], first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """The score of `--vectors tfidf`; 0 for a text with an empty key."""
    folded = fold_all(texts)
    keys = list(dict.fromkeys(filter(None, folded)))
    numbers = {key: number for number, key in enumerate(keys)}
    of_text = np.array([numbers.get(key, -1) for key in folded])
    scores = cosines(make_vectors("tfidf", keys), of_text[first], of_text[second]).astype(float)
    return np.where((of_text[first] < 0) | (of_text[second] < 0), 0, scores)


def plain_scores(texts: list[str], first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """The cosine of scikit-learn's TfidfVectorizer with default settings: words of two letters or more."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    matrix = TfidfVectorizer().fit_transform(texts)
    return np.asarray(matrix[first].multiply(matrix[second]).sum(axis=1), dtype=float).ravel()


def areas(labels: NDArray[np.bool_], ours: Floats, plain: Floats) -> None:
    """Area under the ROC curve and average precision of both scores, and their differences."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(SEED)
    samples = [np.arange(len(labels)), *rng.integers(len(labels), size=(RESAMPLES, len(labels)))]
    for name, measure in (("AUC", roc_auc_score), ("AP", average_precision_score)):
        values = np.array([[measure(labels[k], ours[k]), measure(labels[k], plain[k])] for k in samples])
        columns = {"default": values[:, 0], "plain TF-IDF": values[:, 1], "difference": values[:, 0] - values[:, 1]}
        for what, column in columns.items():
            low, high = np.quantile(column[1:], [0.025, 0.975])
            print(f"  {name:3} {what:12} {column[0]:.4f} [{low:.4f}, {high:.4f}]")


def thresholds(
    labels: NDArray[np.bool_],
    scores: Floats,
    levels: Sequence[float] = THRESHOLDS,
    component: NDArray[np.int64] | None = None,
) -> None:
    """Print precision and recall at each threshold, with intervals by component if they are given."""
    for threshold in levels:
        called = scores >= threshold
        precision = share_of(labels[called], None if component is None else component[called])
        found = share_of(called[labels], None if component is None else component[labels])
        print(f"  {threshold:.2f} precision {precision}  found {found}  n={precision.n:,}")


if __name__ == "__main__":
    main()
