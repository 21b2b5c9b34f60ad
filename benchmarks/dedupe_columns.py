"""Compare two ways to score rows by several columns, and what `within` is worth and costs: tables of docs/systems.

    python benchmarks/dedupe_columns.py [--matching FOLDER] [--seed N]

Ways: one text made of the cells (what dedupe does); or a score for each column, whose log-odds are averaged, added as evidence
that is independent given the truth (Fellegi and Sunter 1969; each beyond the first less the prior), or the lowest of which
counts. A blank cell is left out. All take the same candidates and the default threshold; F1 is that of pairs in the groups
found, and in brackets the highest at any threshold.

Tables are made up: n entities with two attributes of `examples/made_tables`, one to three rows each in different forms; a tenth
of them share the first attribute with another entity, a tenth the second, and a tenth of the second cells are blank. FOLDER has
fodors_zagats, abt_buy and chicago_sites, as in ../shared/data/matching.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.distinct import Distinct, distinct
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.search.blocks import comparable_texts
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.tokens import fold
from dlcli.engines.dedupe.candidates import find_candidates, plan_search
from dlcli.engines.dedupe.scores import corrected, table_words
from dlcli.specs.dedupe import THRESHOLD, DedupeConfig
from dlcli.support.reporter import SILENT

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples"))
MATCHING = ROOT.parent / "shared" / "data" / "matching"
MADE = ("people+address", "firm+address", "venue+address", "firm+people", "product+unit", "title+people")
BLOCKED = ("firm", "product", "faq-en", "title", "venue+address")
LEVELS = (0.02, 0.05, *np.arange(0.1, 1, 0.1).round(1).tolist(), 0.95, 0.99)
CONFIG = DedupeConfig(table="t.csv")
_LIMIT = 0.0005


class Labelled(NamedTuple):
    """Columns of a table, which pairs of rows are duplicates, and whether a pair of rows counts at all."""

    name: str
    columns: list[list[str]]
    truth: set[tuple[int, int]]
    counts: Callable[[tuple[int, int]], bool] = lambda pair: True


def pairs_of(groups: Iterable[object]) -> set[tuple[int, int]]:
    """The pairs of rows with the same group."""
    rows = defaultdict(list)
    for row, group in enumerate(groups):
        rows[group].append(row)
    return {pair for members in rows.values() for pair in combinations(members, 2)}


def made_table(kinds: str, entities: int, seed: int) -> Labelled:
    """A table of two columns as the module describes."""
    from made_tables import KINDS

    rng = Random(f"{kinds}-{entities}-{seed}")
    parts = [list(KINDS[kind](rng, 2 * entities)) for kind in kinds.split("+")]
    for part in parts:
        rng.shuffle(part)
    rows, of_row = [], []
    for entity in range(entities):
        shared = rng.random()
        back = [int(shared < 0.1), int(0.1 <= shared < 0.2)] if entity else [0, 0]
        forms = [part[(entity - less) % len(part)] for part, less in zip(parts, back, strict=True)]
        for _ in range(rng.choice((1, 1, 2, 3))):
            cells = [rng.choice(texts) for texts in forms]
            rows.append([cells[0], "" if rng.random() < 0.1 else cells[1]])
            of_row.append(entity)
    return Labelled(f"{kinds}, made up", [list(column) for column in zip(*rows, strict=True)], pairs_of(of_row))


def real_tables(folder: Path) -> Iterator[Labelled]:
    """Restaurants, products of two shops, and sites; of the first two only pairs across both files count."""

    def read(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="", encoding="utf-8-sig") as stream:
            return list(csv.DictReader(stream))

    left, right = read("fodors_zagats/fodors.csv"), read("fodors_zagats/zagats.csv")
    places = [{row["id"]: k for k, row in enumerate(side)} for side in (left, right)]
    matches = read("fodors_zagats/matches.csv")
    truth = {(places[0][m["fodors_id"]], len(left) + places[1][m["zagats_id"]]) for m in matches}
    for names in (("name", "addr"), ("name", "addr", "city"), ("name", "addr", "city", "type")):
        yield _across("restaurants", left, right, names, truth)
    left, right = read("abt_buy/abt.csv"), read("abt_buy/buy.csv")
    same = {(i, len(left) + j) for i, a in enumerate(left) for j, b in enumerate(right) if a["unique_id"] == b["unique_id"]}
    for names in (("title",), ("title", "price")):
        yield _across("Abt-Buy", left, right, names, same)
    sites = read("chicago_sites/sites.csv")
    columns = [[row[name] for row in sites] for name in ("site_name", "address")]
    yield Labelled("Chicago sites: site_name, address", columns, pairs_of(row["true_id"] for row in sites))


def _across(
    name: str, left: list[dict[str, str]], right: list[dict[str, str]], names: tuple[str, ...], truth: set[tuple[int, int]]
) -> Labelled:
    columns = [[row[column] for row in left + right] for column in names]
    return Labelled(f"{name}: {', '.join(names)}", columns, truth, lambda pair: pair[0] < len(left) <= pair[1])


def probabilities(table: Labelled) -> tuple[Distinct, Pairs, dict[str, Floats]]:
    """The candidates of a table by one text of all cells, and their probability in each way."""
    texts = distinct([", ".join(filter(str.strip, cells)) for cells in zip(*table.columns, strict=True)])
    pairs = find_candidates(CONFIG, texts, plan_search(CONFIG, texts), SILENT).pairs
    found = [_by_column([column[row] for row in texts.row], pairs) for column in table.columns]
    odds, prior = np.ma.masked_invalid(found), -np.log(np.clip(len(texts), 2, 300))
    evidence = odds.sum(axis=0) - (odds.count(axis=0) - 1) * prior
    ways = {"mean of columns": odds.mean(axis=0), "sum of evidence": evidence, "lowest column": odds.min(axis=0)}
    one = corrected(CONFIG, score_pairs(built_in(), texts, pairs, table_words(CONFIG, texts)), texts.rows).probability
    return texts, pairs, {"one text": one, **{way: expit(np.asarray(values)) for way, values in ways.items()}}


def _by_column(cells: list[str], pairs: Pairs) -> Floats:
    """The log-odds of each pair by one column, NaN where a cell is blank."""
    words = replace(count_words(distinct(cells).texts), size=len(cells))
    score = built_in().score(cells, pairs.first, pairs.second, words)
    blank = np.array([not fold(cell) for cell in cells], bool)
    return np.where(blank[pairs.first] | blank[pairs.second], np.nan, logit(np.clip(score, _LIMIT, 1 - _LIMIT)))


def f1_at(table: Labelled, texts: Distinct, pairs: Pairs, probability: Floats, threshold: float) -> float:
    """F1 of the pairs of rows in the groups found at a threshold."""
    kept = probability >= threshold
    some = Pairs(pairs.first[kept], pairs.second[kept], probability[kept].astype(np.float32))
    groups = group_in_order(canonical_order("central", texts, some), some).canonical[texts.of_row].tolist()
    found = {
        pair
        for pair in pairs_of(g if k >= 0 else -1 - row for row, (g, k) in enumerate(zip(groups, texts.of_row, strict=True)))
        if table.counts(pair)
    }
    return 2 * len(found & table.truth) / max(1, len(found) + len(table.truth))


def compare_ways(tables: Iterable[Labelled]) -> None:
    """Print a row per name of table, means where several have one name."""
    rows: dict[str, list[list[float]]] = defaultdict(list)
    header = None
    for table in tables:
        texts, pairs, ways = probabilities(table)
        f1 = [[f1_at(table, texts, pairs, found, level) for level in (THRESHOLD, *LEVELS)] for found in ways.values()]
        header = header or print("|", " | ".join(("table", *ways)), "|\n" + "|---" * (len(ways) + 1) + "|") or True
        rows[table.name].append([number for one in f1 for number in (one[0], max(one))])
    for name, several in rows.items():
        mean = np.mean(several, axis=0)
        cells = [f"{at:.2f} ({best:.2f})" for at, best in zip(mean[::2], mean[1::2], strict=True)]
        print("|", " | ".join((name, *cells)), "|")


def compare_sizes() -> None:
    """Print F1 within blocks if the table counts as large as all its texts, or as an average block."""
    from made_tables import make_table

    print("\n| table | groups per block | blocks | F1, size of the table | F1, size of a block |\n|---|---|---|---|---|")
    for kind in BLOCKED:
        for size, blocks in ((3, 100), (25, 20), (100, 8)):
            made = [make_table(kind, 1000 + block, size) for block in range(blocks)]
            rows = [(f"{b:03d}", text, (b, group)) for b, one in enumerate(made) for text, group in zip(*one, strict=True)]
            table = Labelled(kind, [], pairs_of(group for *_, group in rows))
            texts = distinct([text for _, text, _ in rows], blocks=[block for block, *_ in rows])
            pairs, words = find_candidates(CONFIG, texts, plan_search(CONFIG, texts), SILENT).pairs, count_words(texts.texts)
            f1 = []
            for count in (len(texts), comparable_texts(texts.block)):
                found = corrected(
                    CONFIG, score_pairs(built_in(), texts, pairs, replace(words, size=count)), texts.rows
                ).probability
                f1.append(f1_at(table, texts, pairs, found, THRESHOLD))
            print(f"| {kind} | {size} | {blocks} | {f1[0]:.2f} | {f1[1]:.2f} |")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--matching", type=Path, default=MATCHING, help="folder of real tables")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes = [(size, options.seed + more) for size in (100, 400) for more in (0, 1)]
    compare_ways(made_table(kinds, size, seed) for kinds in MADE for size, seed in sizes)
    if options.matching.is_dir():
        compare_ways(real_tables(options.matching))
    compare_sizes()


if __name__ == "__main__":
    main()
