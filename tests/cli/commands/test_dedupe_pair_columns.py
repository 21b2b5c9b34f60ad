"""`dlcli dedupe` at the shell: `precision` out of reach, and one verdict per row with `pair_columns`."""

import json
import re
from pathlib import Path

from tests.conftest import Run


def test_a_precision_out_of_reach_is_a_check_that_failed(dlcli: Run, tmp_path: Path):
    done = dlcli("dedupe", "questions", "--precision", "0.99", "-o", "out.csv", "--index", "kept")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert done.stderr.startswith(b"dlcli dedupe: --precision 0.99 is out of reach: ") and not list(tmp_path.iterdir())
    done = dlcli("dedupe", "questions", "--precision", "0.95", "-o", "other.csv")
    assert done.returncode == 1 and b"bound expected in this table is at most 0." in done.stderr
    assert b"--label 100" in done.stderr and not (tmp_path / "other.csv").exists()
    done = dlcli("dedupe", "questions", "--precision", "0.7", "-o", "out.csv", "--index", "kept")
    assert done.returncode == 0 and b" on held-out pairs" in done.stderr


def test_the_threshold_that_a_precision_chose_is_named_and_gives_the_same_rows(dlcli: Run, tmp_path: Path):
    chosen = dlcli("dedupe", "questions", "--precision", "0.7", "--index", "chosen", "--format", "csv")
    words = r"; precision \S+ \[\S+ \S+\] on held-out pairs, from a probability of (0\.\d+) on"
    (threshold,) = re.findall(words, chosen.stderr.decode())
    given = dlcli("dedupe", "questions", "--threshold", threshold, "--index", "given", "--format", "csv")
    assert given.stdout == chosen.stdout != b""
    pairs = dlcli("dedupe", "questions", "--precision", "0.7", "--pair-columns", "question,id", "--format", "json")
    assert float(threshold) == json.loads(pairs.stdout)["threshold"]
    assert dlcli("dedupe", "questions", "--precision", "0.7", "--index", "quiet", "--quiet").stderr == b""


def test_pairs_of_columns_get_a_verdict_and_no_cell_is_changed(dlcli: Run, tmp_path: Path):
    lines = ["id;a;b", '007;"Why; ""so""?";Why so', "8;What is SELU?;", "9;What is SELU?;How do banks make money?"]
    (tmp_path / "pairs.csv").write_bytes("\r\n".join([*lines, ""]).encode())
    done = dlcli("dedupe", "pairs.csv", "--pair-columns", "a,b")
    assert done.returncode == 0 and b"1 duplicate among 3 pairs; 1 different, 1 without text" in done.stderr
    found = done.stdout.decode().split("\r\n")
    assert found[:3] == [
        lines[0] + ";score;verdict;why",
        lines[1] + ';1.0;duplicate;"no word differs; same: why, so"',
        lines[2] + ";;;",
    ]
    assert found[3].startswith(lines[3] + ";0.0") and ";different;" in found[3] and found[4:] == [""]
    shown = dlcli("dedupe", "pairs.csv", "--pair-columns", "a,b", "--format", "table")
    assert shown.returncode == 0 and shown.stdout.startswith(b"1 duplicate among 3 pairs; 1 different, 1 without text\n")
    for arguments, status, message in (
        (("--pair-columns", "a,c"), 3, b"has no column 'c'"),
        (("--pair-columns", "a"), 2, b"'a' is not two names, e.g. question1,question2"),
        (("--pair-columns", "a,b", "--keep"), 2, b"--keep does not apply to --pair-columns"),
    ):
        done = dlcli("dedupe", "pairs.csv", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1) and message in done.stderr
