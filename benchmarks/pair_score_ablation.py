"""What each group of features buys in the score of a pair: fits without each in turn.

    OMP_NUM_THREADS=1 python benchmarks/pair_score_ablation.py ../shared/data

Models are fitted as in `examples/fit_pair_score.py`, but for the one of a pair alone, which has as few trees here as the one of
a pair of a table. A pair alone is judged on held-out questions of Quora and the test pairs of MRPC (area under the ROC curve),
a pair of a table on further tables that are made up (average precision, mean over the tables of a kind and over kinds).
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from fit_pair_score import (  # noqa: E402
    MADE_TABLES,
    MADE_WEIGHT,
    MADE_WEIGHT_ALONE,
    NEWS_WEIGHT,
    SEED,
    TREES,
    Examples,
    MadeTable,
    examples_alone,
    fit,
    joined,
    made_tables,
    news_examples,
    pairs_of_made,
    quora_examples,
    word_rarity,
)
from made_tables import KINDS  # noqa: E402

from dlcli.core.pairs.labelled import read_labelled_pairs, shares_no_text, split_by_question  # noqa: E402
from dlcli.core.text.scoring.features import NAMES  # noqa: E402
from dlcli.core.text.scoring.trees import HistogramTrees  # noqa: E402

GROUPS = {
    "none": "",
    "words in common": "word_cosine word_containment weight_containment bigram_jaccard rarest_shared",
    "trigrams": "trigram_overlap trigram_containment",
    "order and ends": "word_order words_moved exchanged first_equal last_equal",
    "words left over": (
        "matched_high matched_low unmatched_high unmatched_low rarest_unmatched_high rarest_unmatched_low implied"
    ),
    "brackets": "aside aside_in_both",
    "numbers": "numbers_shared numbers_differing numbers_swapped",
    "codes": "codes_differing codes_swapped codes_share",
    "names": "names_shared names_differing names_swapped",
    "word vectors": "vector_cosine unmatched_cosine known_share",
    "negations, opposites": "negation_differs opposite",
    "question and function words": "question_words_jaccard question_words_differing function_words_jaccard",
    "length": "length_ratio length",
}
"""The features that each fit does without."""


def main() -> int:
    """Fit without each group, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=ROOT.parent / "shared" / "data", help="directory with pairs/")
    folder = parser.parse_args().data / "pairs"
    quora, news, mrpc = (
        read_labelled_pairs(str(folder / f"{name}.csv.gz")) for name in ("quora_pairs", "mrpc_train", "mrpc_test")
    )
    train, _, test = split_by_question(quora, SEED)
    rarity, news = word_rarity(train.texts), news.take(shares_no_text(news, mrpc))
    tables = list(made_tables(rarity))
    in_table = joined(
        [*quora_examples(train, rarity), news_examples(news, rarity)],
        [table.fitted for table in tables if table.fitted],
        MADE_WEIGHT,
    )
    alone = joined(
        [examples_alone(train, rarity), examples_alone(news, rarity, NEWS_WEIGHT)],
        [pairs_of_made(kind, seed, rarity, in_table=False) for kind, seed in product(KINDS, range(MADE_TABLES))],
        MADE_WEIGHT_ALONE,
    )
    judged = {name: examples_alone(pairs, rarity) for name, pairs in (("Quora", test), ("MRPC", mrpc))}
    for line in report(alone, in_table, judged, tables):
        print(line, flush=True)
    return 0


def report(alone: Examples, in_table: Examples, judged: dict[str, Examples], tables: list[MadeTable]) -> Iterator[str]:
    """Markdown: a row for each group, with the kinds of tables that lose most."""
    yield "| without | Quora, AUC | MRPC, AUC | tables, AP | kinds that lose most |"
    yield "|---|---|---|---|---|"
    full: dict[str, float] = {}
    for name, features in GROUPS.items():
        dropped = [NAMES.index(feature) for feature in features.split()]
        model = fit(without(alone, dropped), TREES)
        areas = [roc_auc_score(part.y, model.sum(without(part, dropped).x)) for part in judged.values()]
        by_kind = precisions(fit(without(in_table, dropped), TREES), tables, dropped)
        full = full or by_kind
        worst = sorted(by_kind, key=lambda kind: by_kind[kind] - full[kind])[:2]
        lost = ", ".join(f"{kind} {full[kind]:.3f} to {by_kind[kind]:.3f}" for kind in worst) if features else ""
        mean = float(np.mean(list(by_kind.values())))
        yield f"| {name} | {areas[0]:.4f} | {areas[1]:.3f} | {mean:.4f} | {lost} |"


def without(examples: Examples, dropped: list[int]) -> Examples:
    """The examples with some features constant, so that no tree can use them."""
    x = examples.x.copy()
    x[:, dropped] = 0
    return examples._replace(x=x)


def precisions(model: HistogramTrees, tables: list[MadeTable], dropped: list[int]) -> dict[str, float]:
    """The mean average precision on the tables of each kind that were not fitted on."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for table in tables:
        if table.held_out and table.held_out.examples.y.any():
            part = without(table.held_out.examples, dropped)
            found[table.kind].append(float(average_precision_score(part.y, model.sum(part.x))))
    return {kind: float(np.mean(values)) for kind, values in found.items()}


if __name__ == "__main__":
    sys.exit(main())
