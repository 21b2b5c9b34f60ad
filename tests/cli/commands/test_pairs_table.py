"""Labelled pairs at the shell: one argument or --data, exit statuses, and a run that eval takes."""

import json
from pathlib import Path

from tests.conftest import Run
from tests.core.pairs.synthetic_pairs import synthetic_pairs, write


def test_train_then_eval(dlcli: Run, tmp_path: Path):
    write(synthetic_pairs(300), tmp_path / "pairs.csv")
    done = dlcli("train", "pairs.csv", "--task", "pairs", "--model", "lexical")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["folder"] == "runs/pairs" and found["model"] == "lexical"
    record = json.loads((tmp_path / "runs" / "pairs" / "run.json").read_text())
    assert record["config"]["data"] == "pairs.csv" and list(record["inputs"]) == ["pairs.csv"]
    evaluated = dlcli("eval", "runs/pairs", "pairs.csv", "--format", "csv")
    assert evaluated.returncode == 0 and evaluated.stdout.startswith(b"metric,value,low,high,n\naccuracy,")
    assert b"accuracy as the essay has it: precision" in evaluated.stdout
    again = dlcli("eval", "runs/pairs", "--data", "pairs.csv", "--format", "csv")
    assert again.stdout == evaluated.stdout
    assert dlcli("eval", "runs/pairs", "pairs.csv", "--fail-under", "auc=0.99999").returncode == 1


def test_one_line_for_what_is_wrong(dlcli: Run, tmp_path: Path):
    write(synthetic_pairs(100), tmp_path / "pairs.csv")
    (tmp_path / "bad.csv").write_text("question1,question2,is_duplicate\n" + "a,b,1\n" * 30 + "a,c,maybe\n")
    for arguments, status, message in (
        (("bad.csv", "--task", "pairs"), 3, b"bad.csv: row 31, column 'is_duplicate': 'maybe' is not a label"),
        (("pairs.csv", "--task", "pairs", "--epochs", "2"), 2, b"--epochs does not apply to --task pairs"),
        (("pairs.csv", "--data", "x", "--task", "pairs"), 2, b"--data: data is given twice"),
        (("no-such.csv", "--task", "pairs", "--dry-run"), 3, b"no-such.csv"),
        (("pairs.csv", "--task", "pears"), 2, b"pears"),
    ):
        done = dlcli("train", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1), done.stderr
        assert message in done.stderr


def test_an_argument_is_above_the_environment(dlcli: Run, environment: dict[str, str]):
    told = {**environment, "DLCLI_DATA": "theirs.npz"}
    assert b'data = "mine.npz"' in dlcli("train", "mine.npz", "--print-config", env=told).stdout
    assert b'data = "theirs.npz"' in dlcli("train", "--print-config", env=told).stdout
