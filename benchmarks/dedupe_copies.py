"""What the copies of rows in a table tell of its other duplicates: a table of docs/systems/duplicate-questions.md.

    OMP_NUM_THREADS=1 python benchmarks/dedupe_copies.py [--data ../shared/data] [--seed N]

Tables are made up of the groups of texts of `examples/made_tables`, of two lists or of one. A further row of an entity is an
equal copy of one with a probability that the table has. Pairs are scored by trees that were fitted without all kinds of their
subject (`examples/fit_pair_score.py`), and counted at the default threshold, with the copies and as if every text were in one
row: in all rows as one table the pairs of rows in its groups, and of the first list against the second one the rows that are
called duplicates of it.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))

from fit_pair_score import (  # noqa: E402
    MADE_TABLES,
    SUBJECTS,
    MadeTable,
    fit_in_table,
    news_examples,
    pairs_of_made,
    quora_examples,
    word_rarity,
)
from fit_pair_score import SEED as FIT_SEED  # noqa: E402
from made_tables import CONTRASTS, KINDS, has_large_groups, make_table, make_varied_table, subject_of  # noqa: E402

from dlcli.core.pairs.labelled import read_labelled_pairs, shares_no_text, split_by_question  # noqa: E402
from dlcli.core.text.clusters import group_in_order  # noqa: E402
from dlcli.core.text.distinct import Distinct, distinct  # noqa: E402
from dlcli.core.text.keep_rule import canonical_order  # noqa: E402
from dlcli.core.text.scoring.pair_score import PairScore, built_in  # noqa: E402
from dlcli.core.text.scoring.scored_pairs import ScoredPairs, score_pairs  # noqa: E402
from dlcli.core.text.search.neighbours import Pairs  # noqa: E402
from dlcli.core.text.tokens import fold  # noqa: E402
from dlcli.engines.dedupe.candidates import find_candidates, plan_search  # noqa: E402
from dlcli.engines.dedupe.scores import corrected, table_words  # noqa: E402
from dlcli.specs.dedupe import THRESHOLD, DedupeConfig  # noqa: E402
from dlcli.support.reporter import SILENT  # noqa: E402

CONFIG = DedupeConfig(table="t.csv")
COPIED, SHARED = (0.0, 0.2, 0.5, 0.8), (0.05, 0.15, 0.3, 0.5)
"""How often a further row of an entity is a copy, and how many entities are in both lists, or in several rows."""
AGAIN, MORE = (0.05, 0.15, 0.3), (0.3, 0.5, 0.7)
"""How often an entity has a further row in a list of two, or in one of any number of rows."""
KEPT = (0.5, 0.8, 0.95)
"""How many rows of a list are in an export of it."""
_MOST_TEXTS, _MOST_ROWS = 1000, 8


class Row(NamedTuple):
    """A row: the list that it is in, 0 or 1, the number of its entity, and its text."""

    side: int
    entity: int
    text: str


def lists(rng: Random, kind: str, seed: int, *, again: bool, drop: bool = False) -> Iterator[Row]:
    """Two lists with entities in common, in a list once each or `again`; `drop` leaves out equal rows of one list."""
    copied, shared, further = rng.choice(COPIED), rng.choice(SHARED), rng.choice(AGAIN) if again else 0.0
    found: set[tuple[int, str]] = set()
    for entity, texts in groups_of(*make_table(kind, seed)):
        sides: list[int] = []
        for side in (0, 1) if rng.random() < shared else (rng.randrange(2),):
            sides.append(side)
            while rng.random() < further and len(sides) < _MOST_ROWS:
                sides.append(side)
        for side, text in zip(sides, written(rng, texts, len(sides), copied), strict=False):
            if not (drop and (side, fold(text)) in found):
                yield Row(side, entity, text)
            found.add((side, fold(text)))


def any_number(rng: Random, kind: str, seed: int) -> Iterator[Row]:
    """One list, in which an entity that has several rows has any number of them."""
    copied, several, more = rng.choice(COPIED), rng.choice(SHARED), rng.choice(MORE)
    for entity, texts in groups_of(*make_table(kind, seed)):
        number = 1 + (rng.random() < several)
        while 1 < number < 12 and rng.random() < more:
            number += 1
        yield from (Row(0, entity, text) for text in written(rng, texts, number, copied))


def exports(rng: Random, kind: str, seed: int) -> Iterator[Row]:
    """Two exports of one list with duplicates; each has most of its rows."""
    kept = rng.choice(KEPT)
    for entity, texts in groups_of(*make_varied_table(kind, seed)):
        yield from (Row(side, entity, text) for text in texts for side in (0, 1) if rng.random() < kept)


def written(rng: Random, texts: list[str], number: int, copied: float) -> Iterator[str]:
    """The texts of some rows of an entity, fewer where its forms end."""
    left, used = rng.sample(texts, len(texts)), list[str]()
    for _ in range(number):
        if used and (not left or rng.random() < copied):
            if rng.random() < copied:
                yield rng.choice(used)
        elif left:
            used.append(left.pop())
            yield used[-1]


def groups_of(texts: list[str], numbers: list[int]) -> Iterator[tuple[int, list[str]]]:
    """The groups of a table, of a large one some, each with its number."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for text, number in list(zip(texts, numbers, strict=True))[:_MOST_TEXTS]:
        found[number].append(text)
    yield from found.items()


WAYS: dict[str, Callable[[Random, str, int], Iterator[Row]]] = {
    "two lists, each without duplicates": partial(lists, again=False),
    "two lists with duplicates": partial(lists, again=True),
    "the same, each without its equal rows": partial(lists, again=True, drop=True),
    "one list, any number of rows": any_number,
    "two exports of one list": exports,
    "the same, some groups large": exports,
}
"""The last one takes seeds that `has_large_groups` has."""


class Counts(NamedTuple):
    """Right, called and all true ones: pairs of rows, or rows."""

    right: float
    called: float
    true: float

    @property
    def f1(self) -> float:
        """The F1."""
        return 2 * self.right / max(1.0, self.called + self.true)


def in_one_table(texts: Distinct, rows: list[Row], scored: ScoredPairs) -> Iterator[Counts]:
    """Pairs of rows in the groups of all rows as one table, as if no row had a copy and with the copies."""
    entity = entities(texts, rows)
    true = pairs_in(entity, texts.rows)
    for number in (np.ones_like(texts.rows), texts.rows):
        kept = corrected(CONFIG, scored, number).duplicates(THRESHOLD).by_probability()
        group = group_in_order(canonical_order("central", texts, kept), kept).canonical
        both = np.unique(np.stack([group, entity]), axis=1, return_inverse=True)[1].ravel()
        yield Counts(pairs_in(both, texts.rows), pairs_in(group, texts.rows), true)


def against(texts: Distinct, rows: list[Row], scored: ScoredPairs) -> Iterator[Counts]:
    """Rows of the first list that are called duplicates of one of the second, in the same two ways."""
    entity, side = entities(texts, rows), np.array([row.side for row in rows])
    new, old = (np.bincount(texts.of_row[side == number], minlength=len(texts)) for number in (0, 1))
    first, second, cosine = scored.pairs.first, scored.pairs.second, scored.pairs.score
    kept = (old[first] == 0) | (old[second] == 0)
    some = ScoredPairs(Pairs(first[kept], second[kept], cosine[kept]), scored.probability[kept])
    order = np.concatenate([np.flatnonzero(old), np.flatnonzero(old == 0)])
    has = np.isin(entity, entity[old > 0])
    for number in (np.ones_like(texts.rows), texts.rows):
        found = corrected(CONFIG, some, number, old > 0).duplicates(THRESHOLD).by_probability()
        canonical = group_in_order(order, found).canonical
        called = old[canonical] > 0
        right = called & (entity[canonical] == entity)
        yield Counts(*(float(new[which].sum()) for which in (right, called, has)))


def entities(texts: Distinct, rows: list[Row]) -> NDArray[np.int64]:
    """The number of the entity of each text."""
    found = np.zeros(len(texts), np.int64)
    found[texts.of_row] = [row.entity for row in rows]
    return found


def pairs_in(groups: NDArray[np.integer], rows: NDArray[np.int64]) -> float:
    """The number of pairs of rows in groups of texts."""
    sizes = np.bincount(groups, weights=rows)
    return float((sizes * (sizes - 1) / 2).sum())


def models(folder: Path) -> Iterator[tuple[list[str], PairScore]]:
    """The kinds of each subject, with the score whose trees have not seen them."""
    quora, news, mrpc = (
        read_labelled_pairs(str(folder / f"{name}.csv.gz")) for name in ("quora_pairs", "mrpc_train", "mrpc_test")
    )
    train = split_by_question(quora, FIT_SEED)[0]
    rarity = word_rarity(train.texts)
    real = [*quora_examples(train, rarity), news_examples(news.take(shares_no_text(news, mrpc)), rarity)]
    made = [MadeTable(kind, pairs_of_made(kind, seed, rarity)) for kind in KINDS for seed in range(MADE_TABLES)]
    for subject in SUBJECTS:
        kinds = [kind for kind in KINDS if subject_of(kind) in subject.split()]
        model = built_in()
        trees = replace(model.in_table, trees=fit_in_table(real, made, frozenset(kinds)))
        yield [kind for kind in kinds if subject_of(kind) not in CONTRASTS], replace(model, in_table=trees)


def compare(kinds: list[str], model: PairScore, seeds: range) -> Iterator[tuple[str, str, list[Counts]]]:
    """The way of each table, how it was compared, and the counts without and with the copies."""
    for way, kind, seed in product(WAYS, kinds, seeds):
        if has_large_groups(kind, seed) != way.endswith("large") and WAYS[way] is exports:
            continue
        rows = [row for row in WAYS[way](Random(f"{way}-{kind}-{seed}"), kind, seed) if fold(row.text)]
        texts = distinct([row.text for row in rows])
        pairs = find_candidates(CONFIG, texts, plan_search(CONFIG, texts), SILENT).pairs
        scored = score_pairs(model, texts, pairs, table_words(CONFIG, texts))
        yield way, "one table", list(in_one_table(texts, rows, scored))
        if {row.side for row in rows} == {0, 1}:
            yield way, "--against", list(against(texts, rows, scored))


def main() -> None:
    """Print a row for each way and how tables are compared: means over tables, and the standard error of the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="directory with pairs/")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found: defaultdict[tuple[str, str], list[list[Counts]]] = defaultdict(list)
    for kinds, model in models(given.data / "pairs"):
        for way, how, counts in compare(kinds, model, range(101 + 3 * given.seed, 103 + 3 * given.seed)):
            if counts[0].true:
                found[way, how].append(counts)
    print("| tables | compared | n | F1 without | F1 with | difference | precision without | with |")
    print("|---|---|---|---|---|---|---|---|")
    for (way, how), several in sorted(found.items(), key=lambda item: [*WAYS].index(item[0][0])):
        f1 = np.array([[one.f1 for one in counts] for counts in several])
        change = f1[:, 1] - f1[:, 0]
        error = change.std(ddof=1) / len(change) ** 0.5
        right, called, _ = np.array(several).sum(axis=0).T
        cells = [f"{f1[:, 0].mean():.3f}", f"{f1[:, 1].mean():.3f}", f"{change.mean():+.4f} ± {error:.4f}"]
        print("|", " | ".join([way, how, str(len(several)), *cells, *(f"{share:.3f}" for share in right / called)]), "|")


if __name__ == "__main__":
    main()
