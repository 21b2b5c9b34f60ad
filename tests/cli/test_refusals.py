"""What is refused before anything is computed, in words of our own, and warnings that `--quiet` keeps."""

from pathlib import Path

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
