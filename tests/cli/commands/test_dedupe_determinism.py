"""The result of `dlcli dedupe` depends on neither the number of threads nor the order of the rows."""

import csv
import io
import random
from importlib.resources import files

import pytest

from tests.conftest import Run

VECTORS = ["tfidf", "word2vec:16"]


@pytest.fixture(params=VECTORS)
def vectors(request: pytest.FixtureRequest) -> str:
    if request.param.startswith("word2vec"):
        pytest.importorskip("gensim")
    return str(request.param)


def test_threads_change_no_byte(vectors: str, dlcli: Run, environment: dict[str, str]):
    runs = [
        dlcli("dedupe", "questions", "--vectors", vectors, env={**environment, "OMP_NUM_THREADS": threads})
        for threads in ("1", "2", "2")
    ]
    assert [done.returncode for done in runs] == [0, 0, 0], runs[0].stderr
    assert runs[0].stdout == runs[1].stdout == runs[2].stdout != b""


def test_shuffled_rows_give_the_same_groups_and_ids(dlcli: Run):
    header, *rows = csv.reader(io.StringIO((files("dlcli.samples") / "questions.csv").read_text("utf-8"), newline=""))
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows([header, *rows])
        done = dlcli("dedupe", "-", stdin=stream.getvalue().encode())
        table = csv.DictReader(io.StringIO(done.stdout.decode(), newline=""))
        found.append({row["id"]: (row["group"], row["group_size"]) for row in table})
    assert found[0] == found[1] == found[2] != {}
