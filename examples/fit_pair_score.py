"""Fit the built-in score of a pair of texts on public labelled pairs, evaluate it on held-out questions, and save it.

python examples/fit_pair_score.py --data ../shared/data
python examples/fit_pair_score.py --data ../shared/data -o dlcli/core/text/scoring/pair_score.json
python examples/fit_pair_score.py --data ../shared/data --measure -o dlcli/core/text/scoring/pair_score.json

Quora pairs are split 70/15/15 by question: all pairs connected through a shared text go to one part. The model is fitted on
the first part and the MRPC training pairs, calibrated on the second and evaluated on the third. Training pairs of MRPC with a
text of its test set are dropped. Two kinds of pairs that are rare in the data are added: random pairs, which are not
duplicates, and texts paired with themselves, which are. Precision counts by threshold on the third part are saved with the
coefficients; --measure only computes these again for the saved coefficients.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, shares_no_text, split_by_question
from dlcli.core.pairs.measures import evaluate_pairs
from dlcli.core.text.scoring.features import NAMES, Rarity, pair_features, tokenize_texts, word_hash
from dlcli.core.text.scoring.operating_point import count_by_threshold
from dlcli.core.text.scoring.pair_score import PairScore, from_dict, to_dict
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.tokens import fold, fold_all, words
from dlcli.core.text.vectors import make_vectors
from dlcli.support.atomic import write_text

SEED = 0
MRPC_WEIGHT = 5.0
"""Sample weight of a pair of MRPC; a pair of Quora, of which there are 18 times as many, has 1."""
RANDOM_PAIRS, EQUAL_PAIRS = 0.1, 0.03
"""Number of added pairs, as fractions of the labelled pairs."""
KNOWN_FROM = 50
"""A word in fewer training texts than this is treated as unknown."""
STRENGTH = 0.1
"""Inverse strength of the L2 penalty (C of scikit-learn)."""

Floats = NDArray[np.float64]


def main() -> int:
    """Fit, evaluate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="directory that contains pairs/")
    parser.add_argument("-o", "--output", type=Path, help="file to save the score to; without it the score is only evaluated")
    parser.add_argument(
        "--measure", action="store_true", help="do not fit; compute the counts by threshold again for the score in --output"
    )
    given = parser.parse_args()
    if given.measure and not given.output:
        parser.error("--measure: name the saved score with -o")
    names = ("quora_pairs", "mrpc_train", "mrpc_test")
    paths = [given.data / "pairs" / f"{name}.csv.gz" for name in names]
    for path in paths:
        if not path.exists():
            print(f"{path}: no such file; name the directory with --data", file=sys.stderr)
            return 3
    quora, mrpc, mrpc_test = (read_labelled_pairs(str(path)) for path in paths)
    train, validation, test = split_by_question(quora, SEED)
    if given.measure:
        save(given.output, json.loads(given.output.read_text(encoding="utf-8")), test)
        return 0
    mrpc = mrpc.take(shares_no_text(mrpc, mrpc_test))
    rarity = word_rarity([*train.texts, *mrpc.texts])
    alone = scale_odds(fit([(train, 1.0)], rarity), validation)
    model = scale_odds(fit([(train, 1.0), (mrpc, MRPC_WEIGHT)], rarity), validation)
    lines = list(table({"Quora, held-out questions": test, "MRPC, test": mrpc_test}, {"built-in": model, "Quora alone": alone}))
    print("\n".join(lines))
    if given.output:
        save(given.output, describe(model, train, mrpc, lines), test)
    return 0


def word_rarity(texts: list[str]) -> Rarity:
    """Inverse document frequency of frequent words; an unknown word counts as in `KNOWN_FROM / 2` texts."""
    known = Counter(word for text in texts for word in {w for piece in fold(text).split() for w in words(piece)})
    values = {word_hash(word): -np.log(n / len(texts)) for word, n in known.items() if n >= KNOWN_FROM}
    hashes = np.array(sorted(values), np.int64)
    return Rarity(hashes, np.array([values[k] for k in hashes]), float(-np.log(KNOWN_FROM / 2 / len(texts))))


def features_of(pairs: LabelledPairs, rarity: Rarity) -> Floats:
    """The features of labelled pairs, (pairs, k)."""
    return pair_features(tokenize_texts(pairs.texts, rarity), pairs.first, pairs.second).astype(np.float64)


def add_easy_pairs(pairs: LabelledPairs) -> LabelledPairs:
    """Add random pairs, which are not duplicates, and texts paired with themselves, which are."""
    random = np.random.default_rng(SEED)
    n_random, same = (round(share * len(pairs.duplicate)) for share in (RANDOM_PAIRS, EQUAL_PAIRS))
    more = random.integers(len(pairs.texts), size=(2, n_random + same))
    more[1, n_random:] = more[0, n_random:]
    added = more[0] == more[1]
    return replace(
        pairs,
        first=np.append(pairs.first, more[0]),
        second=np.append(pairs.second, more[1]),
        duplicate=np.append(pairs.duplicate, added),
        component=np.append(pairs.component, np.full(n_random + same, -1)),
    )


def fit(sources: list[tuple[LabelledPairs, float]], rarity: Rarity) -> PairScore:
    """Logistic regression on features, squares and products; each source has a weight per pair."""
    full = [(add_easy_pairs(pairs), weight) for pairs, weight in sources]
    x = np.concatenate([features_of(pairs, rarity) for pairs, _ in full])
    y = np.concatenate([pairs.duplicate for pairs, _ in full])
    weights = np.concatenate([np.full(len(pairs.duplicate), weight) for pairs, weight in full])
    k = x.shape[1]
    low, high = np.quantile(x, [0.001, 0.999], axis=0)
    clipped = np.clip(x, low, high)
    spread = clipped.std(axis=0)
    start = PairScore(
        low=low,
        high=high,
        mean=clipped.mean(axis=0),
        scale=np.where(spread > 0, spread, 1),
        intercept=0.0,
        linear=np.zeros(k),
        products=np.zeros((k, k)),
        rarity=rarity,
    )
    z, upper = start.scaled(x), np.triu_indices(k)
    terms = np.hstack([z, z[:, upper[0]] * z[:, upper[1]]])
    found = LogisticRegression(C=STRENGTH, max_iter=2000, tol=1e-5).fit(terms, y, sample_weight=weights)
    products = np.zeros((k, k))
    products[upper] = found.coef_[0][k:]
    return replace(start, intercept=float(found.intercept_[0]), linear=found.coef_[0][:k], products=products)


def scale_odds(model: PairScore, pairs: LabelledPairs) -> PairScore:
    """Calibrate by Platt scaling: a * log-odds + b, fitted on other pairs (Platt 1999)."""
    odds = logit(model.probability(features_of(pairs, model.rarity)))
    found = LogisticRegression(C=np.inf).fit(odds[:, None], pairs.duplicate)
    a, b = float(found.coef_[0, 0]), float(found.intercept_[0])
    return replace(model, intercept=a * model.intercept + b, linear=a * model.linear, products=a * model.products)


def table(sets: dict[str, LabelledPairs], models: dict[str, PairScore]) -> Iterable[str]:
    """Markdown: each score on each set, with 95% intervals; accuracy and calibration of probabilities only."""
    yield "| pairs | n | duplicates | score | accuracy | AUC | AP | ECE |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, pairs in sets.items():
        scores = {what: model.probability(features_of(pairs, model.rarity)) for what, model in models.items()}
        scores["TF-IDF cosine"] = tf_idf_cosine(pairs)
        for what, score in scores.items():
            y = pairs.duplicate
            found = evaluate_pairs(pairs, score, seed=SEED)
            shown = ("accuracy", "auc", "ap", "ece") if what in models else ("auc", "ap")
            cells = [str(found[one]) if one in shown else "" for one in ("accuracy", "auc", "ap", "ece")]
            yield f"| {name} | {len(y):,} | {y.mean():.1%} | {what} | {' | '.join(cells)} |"


def tf_idf_cosine(pairs: LabelledPairs) -> Floats:
    """The cosine of `--vectors tfidf` over the texts of these pairs, as a baseline."""
    keys, numbers = np.unique(fold_all(pairs.texts), return_inverse=True)
    return cosines(make_vectors("tfidf", keys.tolist()), numbers[pairs.first], numbers[pairs.second]).astype(np.float64)


def describe(model: PairScore, train: LabelledPairs, mrpc: LabelledPairs, lines: list[str]) -> dict[str, Any]:
    """The model as plain numbers, with a description of its training data."""
    return to_dict(
        model,
        script="examples/fit_pair_score.py",
        date=datetime.now(UTC).date().isoformat(),
        seed=SEED,
        fitted_on={"Quora question pairs": len(train.duplicate), "MRPC training pairs": len(mrpc.duplicate)},
        licence="Numbers only, no text: weights of features and CRC-32 of common words. The texts are Quora's and Microsoft's, "
        "for non-commercial use, and are not distributed here.",
        judged=lines,
    )


def save(path: Path, card: dict[str, Any], test: LabelledPairs) -> None:
    """Write the model as JSON, one key per line, with counts of test pairs by threshold.

    The counts are those of the model as saved, after rounding.
    """
    model = from_dict(card)
    score = model.score(test.texts, test.first, test.second)
    counts = {"pairs": len(test), "duplicates": int(test.duplicate.sum())}
    card["held_out"] = {
        "data": "Quora, held-out questions",
        **counts,
        "operating": count_by_threshold(score, test.duplicate),
    }
    write_text(path, "{\n" + ",\n".join(f'"{name}": {json.dumps(part)}' for name, part in card.items()) + "\n}\n")
    print(f"{path}: {len(NAMES)} features, {len(model.rarity.hashes):,} words", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
