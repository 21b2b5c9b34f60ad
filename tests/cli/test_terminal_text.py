"""Names and cells that hold sequences of a terminal are drawn as text, and stay as they are in files and in JSON."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.streams import printable
from tests.cli.test_contract import on_terminal
from tests.conftest import Run, Start

MARK = "\x1b]0;t\x07\x1b[38;5;199m\x1bc\x9b5A\u202e\x7f"
"""A title, a colour that Rich does not use here, a reset, a movement in one byte, letters from right to left, a deletion."""
MARKUP = "[b]x[/i]:smile:"
_RICH = re.compile(r"\x1b\[(?!38;5;199m)[0-9;]*m|\x1b\[\??[0-9]*[A-Zhl]|\r")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and a table whose names, classes, columns and cells are all hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    classes = np.array([f"{MARK}{MARKUP}{k}" for k in range(4)])
    labels = {"y": classes[np.arange(40) % 4], f"s{MARK}": np.array(["a", f"b{MARK}"])[np.arange(40) // 20]}
    np.savez(folder / f"d{MARK}.npz", x=rng.random((40, 8, 8), np.float32), **labels)
    rows = [f"{k},how do i reset my password{MARK}{MARKUP}" for k in range(3)]
    (folder / f"t{MARK}.csv").write_text("\n".join([f"id,question{MARK}{MARKUP}", *rows]) + "\n")
    return folder


DATA = ("--data", f"d{MARK}.npz")
RUN = f"r{MARK}"
TABLE = f"t{MARK}.csv"
SHORT = ("--epochs", "1", "--device", "cpu")
LINES = {
    "train": ("train", *DATA, *SHORT, "-v", "-o", f"train{MARK}"),
    "train, two": ("train", *DATA, *SHORT, "--versus", "--lr 0.01", "-o", f"two{MARK}"),
    "plan": ("train", *DATA, *SHORT, "-n", "-o", f"plan{MARK}"),
    "ensemble": ("ensemble", *DATA, *SHORT, "--members", "2", "--workers", "1", "-o", f"ens{MARK}"),
    "eval": ("eval", RUN, *DATA, "--slices", f"s{MARK}"),
    "eval, diagnose": ("eval", RUN, *DATA, "--diagnose"),
    "predict": ("predict", RUN, f"d{MARK}.npz"),
    "predict, csv": ("predict", RUN, f"d{MARK}.npz", "--format", "csv"),
    "predict, jsonl": ("predict", RUN, f"d{MARK}.npz", "--format", "jsonl"),
    "attack": ("attack", "--model", RUN, *DATA, "--limit", "8", "-o", f"att{MARK}"),
    "attack, json": ("attack", "--model", RUN, *DATA, "--limit", "8", "--format", "json"),
    "probe": ("probe-gradients", "--model", RUN, *DATA, "--points", "8"),
    "dedupe": ("dedupe", TABLE),
    "dedupe, pairs": ("dedupe", TABLE, "--pairs", "--format", "table"),
    "dedupe, csv": ("dedupe", TABLE, "--format", "csv"),
    "dedupe, index": ("dedupe", TABLE, "--index", f"ix{MARK}", "-o", f"o{MARK}.csv"),
    "options": ("train", *DATA, "--print-config"),
}
WRONG = {
    "no file": ("dedupe", f"no{MARK}.csv"),
    "no data": ("train", "--data", f"no{MARK}.npz"),
    "no run": ("eval", f"no{MARK}"),
    "no column": ("dedupe", TABLE, "--column", f"q{MARK}"),
    "no option": ("dedupe", TABLE, f"--no{MARK}"),
    "no value": ("train", *DATA, "--lr", f"1{MARK}"),
    "no command": (f"train{MARK}",),
    "no slice": ("eval", RUN, *DATA, "--slices", f"none{MARK}"),
    "traceback": ("dedupe", f"no{MARK}.csv", "--debug"),
}


@pytest.fixture
def trained(place: Path, dlcli: Run) -> Path:
    if not (place / RUN).exists():
        assert dlcli("train", *DATA, *SHORT, "-q", "-o", RUN, cwd=place).returncode == 0
    return place


@pytest.mark.parametrize("name", LINES)
def test_nothing_that_is_drawn_controls_the_terminal(trained: Path, environment: dict[str, str], start_dlcli: Start, name: str):
    seen = on_terminal(start_dlcli, *LINES[name], env={**environment, "COLUMNS": "200"}, cwd=trained).decode()
    assert not _CONTROL.search(_RICH.sub("", seen)), seen
    assert "\\x1b" in seen or "\\u001b" in seen  # the text is there all the same


@pytest.mark.parametrize("name", WRONG)
def test_neither_does_an_error(trained: Path, dlcli: Run, name: str):
    done = dlcli(*WRONG[name], cwd=trained)
    assert done.returncode in (2, 3) and not done.stdout
    assert not _CONTROL.search(done.stderr.decode()) and b"\\x1b" in done.stderr


def test_files_and_json_hold_the_true_values(trained: Path, dlcli: Run):
    classes = {f"{MARK}{MARKUP}{k}" for k in range(4)}
    assert set(json.loads((trained / RUN / "model.json").read_text())["classes"]) == classes
    rows = [
        json.loads(line) for line in dlcli("predict", RUN, f"d{MARK}.npz", "--format", "jsonl", cwd=trained).stdout.splitlines()
    ]
    assert {row["label"] for row in rows} <= classes
    assert dlcli("dedupe", TABLE, cwd=trained).stdout.decode().splitlines()[0].startswith(f"id,question{MARK}{MARKUP}")
    printed = dlcli("train", *DATA, "--print-config", cwd=trained).stdout.decode()
    assert tomllib.loads(printed)["train"]["data"] == DATA[1] and not _CONTROL.search(printed)


@given(st.text(st.characters(exclude_categories=())))
def test_printable_text_is_on_one_line_without_controls_and_stays_as_it_is(text: str):
    found = printable(text)
    assert not _CONTROL.search(found) and "\n" not in found and "\t" not in found
    assert printable(found) == found
    assert all(letter in found for letter in text if letter.isprintable())
