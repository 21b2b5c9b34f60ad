"""`dlcli dedupe --model RUN`: the trained scorer scores the pairs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlcli.core.pairs.labelled import split_by_question
from dlcli.core.pairs.saved import load_scorer, save_scorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.core.pairs.scorers.words import Words
from dlcli.engines import dedupe
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import CheckFailedError, InputError
from tests.core.pairs.synthetic_pairs import synthetic_pairs

TRAIN, DEV, TEST = split_by_question(synthetic_pairs(400), 0)


@pytest.fixture(scope="module", params=[Lexical(learner="trees", trees=30), Words()], ids=["lexical", "words"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_scorer(folder, request.param.fit(TRAIN, DEV, 0), {})
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("table") / "t.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in TEST.texts))
    return str(path)


def test_scores_are_those_of_the_scorer_in_the_folder(run: Path, table: str):
    result = dedupe.run(DedupeConfig(table=table, model=run, pairs=True, threshold=0.3, candidates=0.5))
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    assert result.model == str(run) and len(rows) > 5
    scorer = load_scorer(run).scorer
    for row in rows:
        if row["match"] not in ("exact", "folded"):
            expected = scorer.score([row["text_a"], row["text_b"]], np.array([0]), np.array([1]))[0]
            assert row["score"] == pytest.approx(expected, abs=1e-3)


def test_another_scorer_gives_other_scores(run: Path, table: str):
    both = [dedupe.run(DedupeConfig(table=table, model=model, pairs=True, threshold=0.3)) for model in (run, None)]
    assert both[0].table.rows != both[1].table.rows and both[1].model == ""


def test_the_plan_opens_the_scorer_and_a_wrong_folder_is_refused(run: Path, table: str, tmp_path: Path):
    assert any(str(run) in line for line in dedupe.plan(DedupeConfig(table=table, model=run)))
    for call in (dedupe.plan, dedupe.run):
        with pytest.raises(InputError, match="not a run directory"):
            call(DedupeConfig(table=table, model=tmp_path))


def test_the_threshold_is_chosen_by_the_stored_counts_of_held_out_pairs(run: Path, table: str, tmp_path: Path):
    counts = [[0.2, 900, 500, 900.0], [0.3, 800, 700, 800.0], [0.4, 700, 650, 700.0], [0.41, 600, 600, 600.0]]
    folder = shutil.copytree(run, tmp_path / "run")
    save_scorer(folder, load_scorer(run).scorer, {"operating": counts})
    chosen = dedupe.run(DedupeConfig(table=table, model=folder, precision=0.8))
    assert chosen.threshold == 0.3 and (chosen.precision.value, chosen.precision.n) == (700 / 800, 800)
    explicit = dedupe.run(DedupeConfig(table=table, model=folder, threshold=0.3))
    assert chosen.table.rows == explicit.table.rows and explicit.precision is None
    assert any("from a probability of 0.3 on" in line for line in dedupe.plan(DedupeConfig(model=folder, precision=0.8)))
    for call in (dedupe.plan, dedupe.run):
        with pytest.raises(CheckFailedError, match=r"the lower bound for \S+ is at most 0.90\d, at a threshold of 0.4$"):
            call(DedupeConfig(table=table, model=folder, precision=0.95))
        with pytest.raises(InputError, match="has no counts of held-out pairs by threshold"):
            call(DedupeConfig(table=table, model=run, precision=0.8))


def test_a_scorer_that_is_no_network_needs_no_torch(tmp_path: Path, table: str):
    save_scorer(tmp_path, Lexical(learner="trees", trees=5).fit(TRAIN, DEV, 0), {})
    code = (
        "import sys\nfrom pathlib import Path\nfrom dlcli.engines import dedupe\nfrom dlcli.specs.dedupe import DedupeConfig\n"
        f"dedupe.run(DedupeConfig(table={table!r}, model=Path({str(tmp_path)!r})))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
