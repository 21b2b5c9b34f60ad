"""What spaCy's rules for English buy as features of the score of a pair.

    pip install spacy-lookups-data
    OMP_NUM_THREADS=1 python benchmarks/pair_score_spacy.py ../shared/data

The score of a pair alone is fitted on the labelled pairs of Quora and MRPC, with the features of dlcli and with further ones:
of what spaCy's tokens and their lexical attributes (like a number, stop word, shape, norm) have in common, and of its lemmas.
Evaluated on held-out questions of Quora and the test pairs of MRPC.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import spacy
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from fit_pair_score import FALLS, NEWS_WEIGHT, RISES, SEED, TREES, Examples, examples_alone, word_rarity  # noqa: E402

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, shares_no_text, split_by_question  # noqa: E402
from dlcli.core.text.scoring.features import NAMES  # noqa: E402

ATTRIBUTES = {
    "token": lambda token: token.lower_,
    "norm": lambda token: token.norm_,
    "number": lambda token: token.lower_ if token.like_num else "",
    "stop word": lambda token: token.lower_ if token.is_stop else "",
    "shape": lambda token: token.shape_,
    "lemma": lambda token: token.lemma_.lower(),
    "lemma of content": lambda token: "" if token.is_stop or token.is_punct else token.lemma_.lower(),
}
"""What is compared of the tokens of two texts; each gives the Jaccard index and the number that only one text has."""
SETS = {"dlcli's features": 0, "with tokens and lexical attributes": 5, "with lemmas too": len(ATTRIBUTES)}
"""How many of the attributes each row of the table uses."""


def main() -> int:
    """Fit with each set of features, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=ROOT.parent / "shared" / "data", help="directory with pairs/")
    folder = parser.parse_args().data / "pairs"
    quora, news, mrpc = (
        read_labelled_pairs(str(folder / f"{name}.csv.gz")) for name in ("quora_pairs", "mrpc_train", "mrpc_test")
    )
    train, _, test = split_by_question(quora, SEED)
    rarity, news = word_rarity(train.texts), news.take(shares_no_text(news, mrpc))
    started = time.process_time()
    extra = {name: of_spacy(pairs) for name, pairs in {"Quora": train, "news": news, "test": test, "MRPC": mrpc}.items()}
    texts = sum(len(pairs.texts) for pairs in (train, news, test, mrpc))
    seconds = (time.process_time() - started) / texts * 1000
    own = {"Quora": examples_alone(train, rarity), "news": examples_alone(news, rarity, NEWS_WEIGHT)}
    judged = {"test": examples_alone(test, rarity), "MRPC": examples_alone(mrpc, rarity)}
    print("| features | Quora, AUC | MRPC, AUC |\n|---|---|---|")
    for name, used in SETS.items():
        parts = {part: with_columns(found, extra[part][:, : 2 * used]) for part, found in {**own, **judged}.items()}
        fitted = Examples(*(np.concatenate(column) for column in zip(parts["Quora"], parts["news"], strict=True)))
        monotone = [1 if name in RISES else -1 if name in FALLS else 0 for name in NAMES] + [1, -1] * used
        model = HistGradientBoostingClassifier(**TREES, monotonic_cst=monotone, random_state=SEED, early_stopping=False)
        model.fit(fitted.x, fitted.y, sample_weight=fitted.weight)
        areas = [roc_auc_score(parts[part].y, model.decision_function(parts[part].x)) for part in judged]
        print(f"| {name} | {areas[0]:.4f} | {areas[1]:.4f} |", flush=True)
    print(f"\nspaCy takes {seconds:.2f} CPU seconds for 1,000 texts.")
    return 0


def with_columns(examples: Examples, columns: NDArray[np.float32]) -> Examples:
    """The examples with further features."""
    return examples._replace(x=np.hstack([examples.x, columns]))


def of_spacy(pairs: LabelledPairs) -> NDArray[np.float32]:
    """Jaccard index and number of differing values of each attribute, (pairs, 2 * attributes)."""
    language = spacy.blank("en")
    language.add_pipe("lemmatizer", config={"mode": "lookup"})
    language.initialize()
    read = list(language.pipe(pairs.texts))
    columns = []
    for value in ATTRIBUTES.values():
        counter = CountVectorizer(analyzer=lambda doc, value=value: set(map(value, doc)) - {""}, dtype=np.float32)
        columns += common(counter.fit_transform(read), pairs.first, pairs.second)
    return np.stack(columns, axis=1).astype(np.float32)


def common(sets: sp.csr_matrix, first: NDArray[np.int64], second: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """The Jaccard index of each pair of sets, and the number of members that only one has."""
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    shared = np.asarray(sets[first].multiply(sets[second]).sum(axis=1)).ravel()
    union = sizes[first] + sizes[second] - shared
    return [np.where(union > 0, shared / np.maximum(union, 1), 1), union - shared]


if __name__ == "__main__":
    sys.exit(main())
