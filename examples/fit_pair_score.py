"""Fit the built-in score of a pair of texts, evaluate it on held-out questions, and save it.

python examples/fit_pair_score.py --data ../shared/data
python examples/fit_pair_score.py --data ../shared/data -o dlcli/core/text/scoring/pair_score.json
python examples/fit_pair_score.py --data ../shared/data --keep dlcli/core/text/scoring/pair_score.json

The last line fits nothing: it evaluates a saved score again and updates the figures in its file.

Quora pairs are split 70/15/15 by question: all pairs connected through a shared text go to one part. Two models are fitted on
the first part, on the training pairs of MRPC that share no text with its test pairs, and on tables that are made up
(`made_tables`): names, firms, addresses, products, titles, news, tickets, bug titles, logs, questions in seven
languages and long documents.

For the model of a pair alone the pairs are read one by one. It is calibrated on the second part of Quora, and evaluated on the
third and on the test pairs of MRPC. For the model of a pair of a table, the first part is cut into tables of 40 to 3,000 groups
of questions; to the labelled pairs, unlabelled ones of different groups that are not very alike are added as pairs that are not
duplicates. A user's table is of a kind that no tree has seen. So the model is calibrated, by the size of the table, by what
contradicts a duplicate, and by the other pairs of the table too, on tables of whole subjects that were excluded from the
fit; in some of them duplicates are rare. How far off the precision is that the probabilities promise follows from these tables.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _crowding import ScoredTable, fit_crowding, regression
from made_tables import CONTRASTS, KINDS, has_large_groups, make_table, make_varied_table, subject_of
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, shares_no_text, split_by_question
from dlcli.core.pairs.measures import evaluate_pairs
from dlcli.core.text.scoring.features import NAMES, pair_features
from dlcli.core.text.scoring.operating_point import GRID, count_by_threshold
from dlcli.core.text.scoring.pair_score import PairScore, from_dict, to_dict
from dlcli.core.text.scoring.rarity import Rarity, count_words, word_hash
from dlcli.core.text.scoring.sentence_score import VETOES
from dlcli.core.text.scoring.tokenized_texts import TokenizedTexts, tokenize_texts
from dlcli.core.text.scoring.trees import CalibratedTrees, HistogramTrees, from_scikit_learn
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_vectors import built_in_vectors
from dlcli.core.text.search.neighbours import Pairs, cosines
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import make_vectors
from dlcli.support.atomic import write_text

SEED = 0
QUORA, MRPC = "Quora, held-out questions", "MRPC, test"
KNOWN_FROM = 50
"""A word in fewer training texts than this is treated as unknown."""
MADE_TABLES, HELD_OUT_TABLES = 6, 6
"""Tables of each kind that is made up, to fit on and to calibrate on."""
MADE_WEIGHT, MADE_WEIGHT_ALONE = 3.0, 0.2
"""The weight of all their pairs together beside those of Quora, in the model of a table and in that of a pair alone."""
PAIRS, RANDOM_SHARE = 1500, 1 / 8
"""Most pairs of one table that is made up, and how many random ones are added."""
CONTRADICTING = dict.fromkeys(("opposites", "negations", "directions", "compound"), 3) | dict.fromkeys(("title", "paper"), 2)
"""Factor on the weight of tables whose texts share almost all words and differ in what counts, in the model of a table."""
SUBJECTS = (
    "people persons customers listings log_lines",
    "organisations companies institutions sites state academia east_asia",
    "places dining dining_addresses lodging european_places east_asian_addresses",
    "products electronics groceries wares books works",
    "publications papers headlines documents",
    "questions inquiries contrasts measures",
)
"""Modules of `made_tables` whose kinds are excluded together, since what one of them teaches tells of the others."""
FEW = 20
"""Fewer pairs than this that are called in a table say little about its precision."""
ALL_PAIRS = 40_000
"""Most pairs of one table to calibrate on, those with the highest cosines."""
NEAR = -6.0
"""Pairs with a lower sum of trees decide nothing."""
LARGEST = 300
"""The size of tables with more texts counts as this: among larger ones, the best threshold is the same."""
NEITHER = 0.7
"""Weight of an unlabelled pair, which is taken for no duplicate and may be one."""
NEWS_WEIGHT = 3.0
"""Weight of a pair of MRPC; a pair of Quora, of which there are 18 times as many, has 1."""
TREES = {"max_iter": 150, "max_leaf_nodes": 8, "min_samples_leaf": 1000, "learning_rate": 0.08, "l2_regularization": 5.0}
"""Few small trees: more and larger ones fit tables like those that they have seen better, and those of other subjects worse."""
TREES_ALONE = TREES | {"max_iter": 600, "max_leaf_nodes": 16, "min_samples_leaf": 200}
RISES = (
    "word_cosine word_containment weight_containment trigram_overlap trigram_containment bigram_jaccard matched_high "
    "matched_low vector_cosine unmatched_cosine"
).split()
FALLS = (
    "unmatched_high unmatched_low rarest_unmatched_high rarest_unmatched_low numbers_swapped negation_differs opposite "
    "words_moved exchanged codes_swapped codes_share aside_in_both"
).split()

VETOED = [NAMES.index(name) for name in VETOES]
Vetoes = tuple[float, ...]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Examples(NamedTuple):
    """Features (pairs, k), labels and weights (pairs,)."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    weight: Floats


def main() -> int:
    """Fit, evaluate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="directory that contains pairs/")
    parser.add_argument("-o", "--output", type=Path, help="file to save the score to; without it the score is only evaluated")
    parser.add_argument("--keep", type=Path, help="a saved score to evaluate again, in place of fitting one")
    given = parser.parse_args()
    paths = [given.data / "pairs" / f"{name}.csv.gz" for name in ("quora_pairs", "mrpc_train", "mrpc_test")]
    for path in paths:
        if not path.exists():
            print(f"{path}: no such file; name the directory with --data", file=sys.stderr)
            return 3
    quora, news, mrpc = (read_labelled_pairs(str(path)) for path in paths)
    train, validation, test = split_by_question(quora, SEED)
    if given.keep:
        evaluate_again(given.keep, {QUORA: test, MRPC: mrpc})
        return 0
    rarity = word_rarity(train.texts)
    news = news.take(shares_no_text(news, mrpc))
    real, tables = [*quora_examples(train, rarity), news_examples(news, rarity)], list(made_tables(rarity))
    unseen = list(unseen_tables(real, tables))
    in_table, vetoes = calibrated_in_table(fit_in_table(real, tables), unseen)
    unseen = without_contrasts(unseen)
    scored = [table.scored(in_table, vetoes) for table in unseen]
    crowding = fit_crowding(scored)
    alone = calibrated(
        fit(
            joined(
                [examples_alone(train, rarity), examples_alone(news, rarity, NEWS_WEIGHT)],
                [pairs_of_made(kind, seed, rarity, in_table=False) for kind, seed in product(KINDS, range(MADE_TABLES))],
                MADE_WEIGHT_ALONE,
            ),
            TREES_ALONE,
        ),
        rarity,
        validation,
    )
    found = [table.corrected(crowding) for table in scored]
    model = PairScore(alone, in_table, vetoes, crowding, precision_error(found, unseen), rarity, built_in_vectors())
    lines = list(table({QUORA: test, MRPC: mrpc}, model))
    by_size = (some for large in (False, True) for some in ("", *f1_by_threshold(found, unseen, large=large)))
    print("\n".join([*lines, *by_size]))
    if given.output:
        counts = {"labelled pairs of Quora": len(train), "of MRPC": len(news), "tables made up": len(KINDS) * MADE_TABLES}
        save(given.output, describe(model, counts, lines), test)
    return 0


def evaluate_again(path: Path, sets: dict[str, LabelledPairs]) -> None:
    """Update the figures and counts of a saved score, whose numbers stay as they are."""
    card = json.loads(path.read_text(encoding="utf-8"))
    lines = list(table(sets, from_dict(card)))
    print("\n".join(lines))
    card["provenance"].update(judged=lines)
    save(path, card, sets[QUORA])


def word_rarity(texts: list[str]) -> Rarity:
    """Inverse document frequency of frequent words; an unknown word counts as in `KNOWN_FROM / 2` texts."""
    known = Counter(word for text in texts for word in {w for run in without_markup(text).split() for w in forms_of_run(run)})
    values = {word_hash(word): -np.log(n / len(texts)) for word, n in known.items() if n >= KNOWN_FROM}
    hashes = np.array(sorted(values), np.int64)
    return Rarity(hashes, np.array([values[k] for k in hashes]), float(-np.log(KNOWN_FROM / 2 / len(texts))))


def quora_examples(pairs: LabelledPairs, rarity: Rarity) -> Iterator[Examples]:
    """The labelled pairs, cut into tables of different sizes, with unlabelled pairs of different groups."""
    random = np.random.default_rng(SEED)
    groups = random.permutation(np.unique(pairs.component))
    while len(groups):
        size = int(np.exp(random.uniform(np.log(40), np.log(3000))))
        part, groups = pairs.take(np.flatnonzero(np.isin(pairs.component, groups[:size]))), groups[size:]
        read = tokenize_texts(part.texts, rarity, table=count_words(part.texts), vectors=built_in_vectors())
        a, b = unlabelled(part, read, random)
        first, second = np.append(part.first, a), np.append(part.second, b)
        label = np.append(part.duplicate, np.zeros(len(a), bool))
        weight = np.append(np.ones(len(part)), np.full(len(a), NEITHER))
        yield Examples(pair_features(read, first, second), label, weight)


def news_examples(pairs: LabelledPairs, rarity: Rarity) -> Examples:
    """The labelled pairs of MRPC, as one table."""
    read = tokenize_texts(pairs.texts, rarity, table=count_words(pairs.texts), vectors=built_in_vectors())
    return Examples(pair_features(read, pairs.first, pairs.second), pairs.duplicate, np.full(len(pairs), NEWS_WEIGHT))


def examples_alone(pairs: LabelledPairs, rarity: Rarity, weight: float = 1.0) -> Examples:
    """The labelled pairs, each read alone."""
    read = tokenize_texts(pairs.texts, rarity, vectors=built_in_vectors())
    return Examples(pair_features(read, pairs.first, pairs.second), pairs.duplicate, np.full(len(pairs), weight))


def unlabelled(part: LabelledPairs, read: TokenizedTexts, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Pairs of texts of different groups: half as many as labelled ones that are somewhat alike, and some at random."""
    n = len(part.texts)
    group = np.zeros(n, np.int64)
    group[part.first], group[part.second] = part.component, part.component
    rows = random.permutation(n)[:300]
    vectors = make_vectors("tfidf", fold_all(part.texts))
    cosine, meaning = (vectors[rows] @ vectors.T).toarray(), read.vectors[rows] @ read.vectors.T
    left, right = np.nonzero(((cosine > 0.15) | (meaning > 0.5)) & (cosine < 0.55) & (meaning < 0.85))
    kept = random.permutation(len(left))[: len(part) // 2]
    some = random.integers(n, size=(2, len(part) // 4))
    first, second = np.append(rows[left[kept]], some[0]), np.append(right[kept], some[1])
    apart = group[first] != group[second]
    return first[apart], second[apart]


class MadeTable(NamedTuple):
    """A table that is made up: its kind, and its pairs to fit on or else those to calibrate on."""

    kind: str
    fitted: Examples | None = None
    held_out: "HeldOut | None" = None


class HeldOut(NamedTuple):
    """All pairs of a table, or those most alike: the numbers of the texts, how many there are, whether groups are large."""

    examples: Examples
    pairs: Pairs
    size: int
    large: bool


def made_tables(rarity: Rarity) -> Iterator[MadeTable]:
    """The tables that are made up, of each kind some to fit on and some to calibrate on."""
    for kind, seed in product(KINDS, range(MADE_TABLES)):
        yield MadeTable(kind, fitted=pairs_of_made(kind, seed, rarity))
    for kind, seed in product(KINDS, range(MADE_TABLES, MADE_TABLES + HELD_OUT_TABLES)):
        yield MadeTable(kind, held_out=all_pairs_of_made(kind, seed, rarity))


def pairs_of_made(kind: str, seed: int, rarity: Rarity, *, in_table: bool = True) -> Examples:
    """Pairs of a table that is made up: all duplicates, the pairs that are most alike, and some at random."""
    texts, group = made_table(kind, seed)
    read = tokenize_texts(texts, rarity, table=count_words(texts), vectors=built_in_vectors())
    first, second = made_pairs(texts, group, read, np.random.default_rng(seed))
    if not in_table:
        read = tokenize_texts(texts, rarity, vectors=built_in_vectors())
    part = of_table(read, group, first, second)
    return part._replace(weight=part.weight * CONTRADICTING.get(kind, 1)) if in_table else part


def all_pairs_of_made(kind: str, seed: int, rarity: Rarity) -> HeldOut:
    """All pairs of a table that is made up, or those with the highest cosines of a large one."""
    texts, numbers = make_varied_table(kind, seed)
    group = np.array(numbers)
    read = tokenize_texts(texts, rarity, table=count_words(texts), vectors=built_in_vectors())
    first, second = np.triu_indices(len(texts), 1)
    cosine = cosines(make_vectors("tfidf", fold_all(texts)), first, second)
    kept = np.sort(np.argsort(-cosine, kind="stable")[:ALL_PAIRS])
    pairs = Pairs(first[kept], second[kept], cosine[kept])
    return HeldOut(of_table(read, group, pairs.first, pairs.second), pairs, len(texts), has_large_groups(kind, seed))


def made_table(kind: str, seed: int) -> tuple[list[str], Numbers]:
    """The texts of a table that is made up, and their groups."""
    texts, group = make_table(kind, seed)
    return texts, np.array(group)


def of_table(read: TokenizedTexts, group: Numbers, first: Numbers, second: Numbers) -> Examples:
    """Pairs of one table, which have a weight of 1 together."""
    same = group[first] == group[second]
    return Examples(pair_features(read, first, second), same, np.full(len(same), 1 / max(1, len(same))))


def made_pairs(texts: list[str], group: Numbers, read: TokenizedTexts, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """The pairs of a table that is made up."""
    vectors = make_vectors("tfidf", fold_all(texts))
    alike = np.maximum((vectors @ vectors.T).toarray(), read.vectors @ read.vectors.T - 0.35)
    i, j = np.triu_indices(len(texts), 1)
    score = alike[i, j]
    near = np.flatnonzero(score >= 0.1)
    near = near[np.argsort(-score[near] + random.random(len(near)) * 0.4)[:PAIRS]]
    some = random.permutation(len(i))[: round(PAIRS * RANDOM_SHARE)]
    same = [pair for each in np.unique(group) for pair in combinations(np.flatnonzero(group == each).tolist(), 2)]
    same = [same[k] for k in random.permutation(len(same))[:PAIRS]]
    chosen = np.concatenate([near, some])
    a, b = np.append(i[chosen], [a for a, _ in same]), np.append(j[chosen], [b for _, b in same])
    return tuple(np.divmod(np.unique(a.astype(np.int64) * len(texts) + b.astype(np.int64)), len(texts)))


def joined(real: list[Examples], made: list[Examples], made_weight: float) -> Examples:
    """All examples; those of tables that are made up have `made_weight` times the weight of the real ones."""
    weights = sum(part.weight.sum() for part in real), sum(part.weight.sum() for part in made)
    factor = made_weight * weights[0] / weights[1]
    parts = [*real, *(part._replace(weight=part.weight * factor) for part in made)]
    return Examples(*(np.concatenate([part[k] for part in parts]) for k in range(3)))


def fit(examples: Examples, trees: dict[str, Any]) -> HistogramTrees:
    """Boosted trees, monotone in the features of `RISES` and `FALLS`."""
    monotone = [1 if name in RISES else -1 if name in FALLS else 0 for name in NAMES]
    model = HistGradientBoostingClassifier(**trees, monotonic_cst=monotone, random_state=SEED, early_stopping=False)
    return from_scikit_learn(model.fit(examples.x, examples.y, sample_weight=examples.weight))


def calibrated(trees: HistogramTrees, rarity: Rarity, pairs: LabelledPairs) -> CalibratedTrees:
    """The model of a pair alone, calibrated on other pairs (Platt 1999)."""
    found = examples_alone(pairs, rarity)
    platt = LogisticRegression(C=np.inf).fit(trees.sum(found.x)[:, None], found.y)
    return CalibratedTrees(trees, float(platt.coef_[0, 0]), float(platt.intercept_[0]))


def fit_in_table(real: list[Examples], tables: list[MadeTable], without: frozenset[str] = frozenset()) -> HistogramTrees:
    """The trees of a pair of a table, fitted on real pairs and tables that are made up, but not on those of some kinds."""
    fitted = [table.fitted for table in tables if table.fitted and table.kind not in without]
    return fit(joined(real, fitted, MADE_WEIGHT), TREES)


class UnseenTable(NamedTuple):
    """A table of a kind that trees have not seen, of whose pairs only those count that may be called duplicates.

    Attributes:
        kind: Its kind.
        sums: The sum of the trees for each pair, (pairs,).
        vetoes: Their features of `VETOES`, (pairs, 5).
        pairs: The numbers of their texts.
        duplicate: Whether each is a duplicate, (pairs,).
        size: Number of texts of the table.
        large: Whether some groups are large.
        duplicates: Number of all duplicates.
    """

    kind: str
    sums: Floats
    vetoes: Floats
    pairs: Pairs
    duplicate: NDArray[np.bool_]
    size: int
    large: bool
    duplicates: int

    def log_odds(self, model: CalibratedTrees, vetoes: Vetoes) -> Floats:
        """The log-odds of each pair, where the model calibrates the sums, with weights of `VETOES`."""
        odds = model.slope * self.sums + model.by_size * log_size(self.size) + model.intercept
        return np.asarray(odds + self.vetoes @ np.array(vetoes))

    def scored(self, model: CalibratedTrees, vetoes: Vetoes) -> ScoredTable:
        """The table with the log-odds of its pairs."""
        return ScoredTable(self.pairs, self.log_odds(model, vetoes), self.duplicate, self.size, self.large)


def unseen_tables(real: list[Examples], tables: list[MadeTable]) -> Iterator[UnseenTable]:
    """The tables to calibrate on, by trees that are fitted without any kind of their subject."""
    for subject in SUBJECTS:
        unseen = frozenset(kind for kind in KINDS if subject_of(kind) in subject.split())
        trees = fit_in_table(real, tables, unseen)
        for table in tables:
            if table.held_out and table.kind in unseen:
                (x, duplicate, _), pairs, size, large = table.held_out
                sums = trees.sum(x)
                near = sums >= NEAR
                pairs = Pairs(pairs.first[near], pairs.second[near], pairs.score[near])
                vetoes = x[near][:, VETOED].astype(np.float64)
                yield UnseenTable(table.kind, sums[near], vetoes, pairs, duplicate[near], size, large, int(duplicate.sum()))


def log_size(size: int) -> float:
    """The logarithm of the number of texts, as far as it counts."""
    return float(np.log(min(size, LARGEST)))


def calibrated_in_table(trees: HistogramTrees, unseen: list[UnseenTable]) -> tuple[CalibratedTrees, Vetoes]:
    """The model of a pair of a table, calibrated on unseen tables, and the weights of `VETOES` beside it.

    How much a contradiction counts is fitted on tables of contradictions too. No user's table has as many of them, so the rest
    is fitted without these. Tables with large groups do not count here, but for what other pairs tell.

    Args:
        trees: The trees, fitted on all kinds of tables.
        unseen: Tables, with the sums of trees that were fitted without their subjects.

    Returns:
        The calibrated trees, and the weights.

    """
    unseen = [table for table in unseen if not table.large]
    first = regression(labels(unseen), [np.column_stack([table.sums, sizes_of(table), table.vetoes]) for table in unseen])
    by_sum, _, *weights = first.coef_[0].tolist()
    usual = without_contrasts(unseen)
    columns = [np.column_stack([t.sums + t.vetoes @ weights / by_sum, sizes_of(t)]) for t in usual]
    second = regression(labels(usual), columns)
    slope, by_size = second.coef_[0].tolist()
    sizes = min(table.size for table in usual), LARGEST
    calibrated_trees = CalibratedTrees(trees, slope, float(second.intercept_[0]), by_size, sizes)
    return calibrated_trees, tuple(slope * weight / by_sum for weight in weights)


def sizes_of(table: UnseenTable) -> Floats:
    """The logarithm of the size of the table, for each pair."""
    return np.full(len(table.sums), log_size(table.size))


def labels(unseen: list[UnseenTable]) -> list[NDArray[np.bool_]]:
    """Whether the pairs of each table are duplicates."""
    return [table.duplicate for table in unseen]


def without_contrasts(unseen: list[UnseenTable]) -> list[UnseenTable]:
    """The tables but those of contradictions."""
    return [table for table in unseen if subject_of(table.kind) not in CONTRASTS]


def precision_error(probability: list[Floats], unseen: list[UnseenTable]) -> tuple[float, float]:
    """How far the precision in a table is from the mean probability of the pairs that are called: log-odds, 95% of tables."""
    found = []
    for mine, table in zip(probability, unseen, strict=True):
        for called in (mine >= threshold for threshold in GRID):
            if called.sum() >= FEW:
                precision = (table.duplicate[called].sum() + 0.5) / (called.sum() + 1)
                found.append(logit(precision) - logit(mine[called].mean()))
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return low, high


def f1_by_threshold(probability: list[Floats], unseen: list[UnseenTable], *, large: bool) -> Iterable[str]:
    """Markdown: the mean F1 of pairs over unseen tables with duplicates, with large groups or without, and their precision."""
    both = zip(probability, unseen, strict=True)
    tables = [(mine, table) for mine, table in both if table.duplicates and table.large == large]
    yield f"{len(tables)} tables with {'large groups' if large else 'small groups only'}"
    yield ""
    yield "| threshold | F1 | precision in a table | precision of all pairs called |"
    yield "|---|---|---|---|"
    for threshold in np.arange(2, 15) / 20:
        called = [probability >= threshold for probability, _ in tables]
        right = np.array([(one & table.duplicate).sum() for one, (_, table) in zip(called, tables, strict=True)])
        number = np.array([one.sum() for one in called])
        f1 = 2 * right / (number + [table.duplicates for _, table in tables])
        some = number > 0
        figures = f1.mean(), (right[some] / number[some]).mean(), right.sum() / number.sum()
        yield f"| {threshold:.2f} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"


def table(sets: dict[str, LabelledPairs], model: PairScore) -> Iterable[str]:
    """Markdown: the score on each set, with 95% intervals; accuracy and calibration of probabilities only."""
    yield "| pairs | n | duplicates | score | accuracy | AUC | AP | ECE |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, pairs in sets.items():
        scores = {"built-in": model.score(pairs.texts, pairs.first, pairs.second), "TF-IDF cosine": tf_idf_cosine(pairs)}
        for what, score in scores.items():
            y = pairs.duplicate
            found = evaluate_pairs(pairs, score, seed=SEED)
            shown = ("accuracy", "auc", "ap", "ece") if what == "built-in" else ("auc", "ap")
            cells = [str(found[one]) if one in shown else "" for one in ("accuracy", "auc", "ap", "ece")]
            yield f"| {name} | {len(y):,} | {y.mean():.1%} | {what} | {' | '.join(cells)} |"


def tf_idf_cosine(pairs: LabelledPairs) -> Floats:
    """The cosine of `--vectors tfidf` over the texts of these pairs, as a baseline."""
    keys, numbers = np.unique(fold_all(pairs.texts), return_inverse=True)
    return cosines(make_vectors("tfidf", keys.tolist()), numbers[pairs.first], numbers[pairs.second]).astype(np.float64)


def describe(model: PairScore, counts: dict[str, int], lines: list[str]) -> dict[str, Any]:
    """The model as plain numbers, with a description of its training data."""
    return to_dict(
        model,
        script="examples/fit_pair_score.py",
        date=datetime.now(UTC).date().isoformat(),
        seed=SEED,
        fitted_on=counts,
        licence="Numbers only, no text: trees on features and CRC-32 of common words. The texts are Quora's, for "
        "non-commercial use, and are not distributed here.",
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
        "data": QUORA,
        **counts,
        "operating": count_by_threshold(score, test.duplicate, test.component),
    }
    write_card(path, card)
    print(f"{path}: {len(NAMES)} features, {len(model.rarity.hashes):,} words", file=sys.stderr)


def write_card(path: Path, card: dict[str, Any]) -> None:
    """Write the model as JSON, one key per line."""
    write_text(path, "{\n" + ",\n".join(f'"{name}": {json.dumps(part)}' for name, part in card.items()) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())
