"""What is refused before anything is computed, in words of our own, and warnings that `--quiet` keeps."""

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--label", "0"), "--label: 0 is below 1"),
        (("--label", "x"), "--label: 'x' is not a whole number (see dlcli dedupe --help)"),
        (("--label", "1.5"), "--label: '1.5' is not a whole number (see dlcli dedupe --help)"),
        (("--precision", "0.25"), "--precision: 0.25 is below 0.5"),
        (("--precision", "2"), "--precision: 2 is above 1"),
        (("--threshold", "high"), "--threshold: 'high' is not a number (see dlcli dedupe --help)"),
    ],
)
def test_a_value_that_is_refused_is_named_with_its_bound(arguments: tuple[str, ...], message: str, dlcli: Run):
    done = dlcli("dedupe", "questions", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"dlcli dedupe: {message}\n"


@pytest.mark.parametrize(("name", "form"), [("out.xlsx", "csv"), ("out.xlsx", "auto"), ("out.pdf", "auto")])
def test_an_output_file_that_cannot_be_written_is_refused_first(name: str, form: str, dlcli: Run, tmp_path: Path):
    done = dlcli("dedupe", "missing.csv", "-o", name, "--format", form)
    assert done.returncode == 2 and done.stderr.decode().startswith(f"dlcli dedupe: --output: {name} ")
    assert list(tmp_path.iterdir()) == []


def test_quiet_keeps_a_warning_that_the_first_row_was_taken_for_the_header(dlcli: Run, tmp_path: Path):
    rows = [f"{k},How do I reset device number {k}?" for k in range(1, 9)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = dlcli("dedupe", "t.csv", "--quiet", "--column", "2")
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 0 and line.startswith("warning: t.csv: the header reads like data") and "--no-header" in line
    assert dlcli("dedupe", "t.csv", "--quiet", "--column", "2", "--no-header").stderr == b""


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("dedupe questions --excel-safe -o out.jsonl", "--excel-safe"),
        ("dedupe questions --excel-safe -o out.parquet", "--excel-safe"),
        ("dedupe questions --excel-safe --format json", "--excel-safe"),
        ("dedupe questions --format markdown -o out.csv", "--format"),
        ("dedupe questions --format json -o out.csv", "--format"),
        ("dedupe questions --sheet x", "--sheet"),
        ("dedupe questions --pairs --prefix x_", "--prefix"),
        ("dedupe questions --label 5 --prefix x_", "--prefix"),
        ("dedupe questions --quiet --verbose", "--quiet"),
        ("list --quiet -v", "--quiet"),
        ("dedupe questions --config dlcli.toml --no-config", "--config"),
        ("dedupe --index seen --forget a.csv --prefix x", "--prefix"),
        ("attack --method corruptions --eps 0.1", "--eps"),
    ],
)
def test_an_option_without_effect_is_refused_and_named(words: str, named: str, dlcli: Run, tmp_path: Path):
    (tmp_path / "dlcli.toml").write_text("")
    done = dlcli(*words.split())
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"") and line.startswith(f"dlcli {words.split()[0]}: {named} ")
    assert {path.name for path in tmp_path.iterdir()} == {"dlcli.toml"}


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_excel_safe_has_an_effect_on_csv_and_tsv(form: str, dlcli: Run, tmp_path: Path):
    (tmp_path / "t.csv").write_text("id,text\n1,=1+1 is two\n2,one and one\n")
    assert dlcli("dedupe", "t.csv", "--excel-safe", "-o", f"out.{form}").returncode == 0
    assert "'=1+1 is two" in (tmp_path / f"out.{form}").read_text()


def test_what_is_typed_wins_over_its_opposite_elsewhere(dlcli: Run, environment: dict[str, str], tmp_path: Path):
    (tmp_path / "dlcli.toml").write_text("[dedupe]\nquiet = true\n")
    assert dlcli("dedupe", "questions", "-o", "a.csv").stderr == b""
    assert dlcli("dedupe", "questions", "-v", "-o", "b.csv").stderr != b""
    assert dlcli("dedupe", "questions", "-q", "-o", "c.csv", env={**environment, "DLCLI_VERBOSE": "1"}).stderr == b""


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ("dedupe questions --encoding klingon", 2, "--encoding: Python has no encoding 'klingon' (such as utf-8, "),
        ("dedupe questions --encoding utf8x", 2, "--encoding: Python has no encoding 'utf8x' (did you mean utf-8?)"),
        ("dedupe t.csv --against t.csv --against-encoding klingon", 2, "--against-encoding: Python has no encoding 'klingon'"),
        ("train t.csv --task pairs --encoding klingon", 2, "--encoding: Python has no encoding 'klingon'"),
        ("eval t.csv --encoding=", 2, "--encoding: Python has no encoding ''"),
        ("dedupe cut.parquet", 3, "cut.parquet: a damaged parquet file: it does not end as one, so it was cut off (copy "),
        ("dedupe t.parquet", 3, "t.parquet: not a parquet file, although its name ends so (rename it if it is a csv, "),
    ],
)
def test_a_message_names_the_cause_and_what_fixes_it(words: str, status: int, line: str, dlcli: Run, tmp_path: Path):
    for name in ("t.csv", "t.parquet"):
        (tmp_path / name).write_text("id,text\n1,one and one\n2,two and two\n")
    pd.DataFrame({"text": ["one and one"]}).to_parquet(tmp_path / "whole.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-10])
    done = dlcli(*words.split())
    (said,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (status, b"") and said.startswith(f"dlcli {words.split()[0]}: {line}")


def test_folders_that_are_made_are_named(dlcli: Run, tmp_path: Path):
    (tmp_path / "there").mkdir()
    done = dlcli("dedupe", "questions", "-o", "there/a/b/out.csv", "--review", "c/r.html", "--index", "there/index")
    assert done.returncode == 2  # an index has no page
    done = dlcli("dedupe", "questions", "-o", "there/a/b/out.csv", "--review", "c/r.html")
    made = [line for line in done.stderr.decode().splitlines() if line.startswith("made the folder ")]
    assert sorted(made) == ["made the folder c", "made the folder there/a"]
    again = dlcli("dedupe", "questions", "-o", "there/a/b/out.csv", "--index", "there/index")
    assert again.returncode == 0 and b"made the folder" not in again.stderr
    refused = dlcli("dedupe", "missing.csv", "-o", "new/out.csv")
    assert refused.returncode == 3 and not (tmp_path / "new").exists()
