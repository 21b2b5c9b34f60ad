"""Results as data frames, tables in notebooks, and files."""

import io
import json
import re
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

import dlcli as library
from dlcli.cli.commands import attack as attack_command
from dlcli.cli.commands import dedupe as dedupe_command
from tests.conftest import Run


@pytest.fixture
def attacked() -> Any:
    y = np.arange(30) % 3
    x = np.random.default_rng(1).random((30, 8, 8), dtype=np.float32)
    return library.attack(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (x, y), eps=[0.1, 0.2], seed=3)


@pytest.fixture
def found() -> Any:
    return library.dedupe(["<b>one</b> two", "<b>one</b> two", "three & four"])


@pytest.mark.parametrize(("name", "command"), [("attacked", attack_command), ("found", dedupe_command)])
def test_a_notebook_shows_the_table_of_the_terminal(name: str, command: ModuleType, request: pytest.FixtureRequest):
    result = request.getfixturevalue(name)
    table = command.COMMAND.table(result)
    html = result._repr_html_()
    assert "<b>" not in html
    cells = tuple(unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", html))
    assert cells == (*table.columns, *(cell for row in table.rows for cell in row))
    assert "-o FILE" not in html
    assert all(unescape(note) in unescape(html) for note in table.notes if "FILE" not in note)


def test_frames_hold_the_rows_of_the_command(attacked: Any, found: Any):
    frame = attacked.frame()
    assert frame["eps"].tolist() == [0.1, 0.2]
    assert frame["adversarial"].tolist() == [row.adversarial.value for row in attacked.rows]
    assert found.frame().shape == (3, len(found.table.columns))


def test_a_result_is_saved_after_the_fact(attacked: Any, tmp_path: Path):
    attacked.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["result.csv", "result.html", "result.json"]
    saved = json.loads((folder / "result.json").read_text())
    assert saved["rows"][1]["adversarial"]["value"] == attacked.rows[1].adversarial.value
    expected = attacked.frame()["adversarial"].tolist()
    assert pd.read_csv(io.StringIO((folder / "result.csv").read_text()))["adversarial"].tolist() == expected
    assert attacked._repr_html_() in (folder / "result.html").read_text()


def test_rows_are_saved_as_the_command_writes_them(dlcli: Run, found: Any, tmp_path: Path):
    (tmp_path / "texts.csv").write_text("text\n<b>one</b> two\n<b>one</b> two\nthree & four\n")
    for name in ("rows.csv", "rows.jsonl", "rows.tsv.gz"):
        found.save(str(tmp_path / f"saved-{name}"))
        assert dlcli("dedupe", "texts.csv", "--column", "text", "-o", name).returncode == 0
        assert (tmp_path / f"saved-{name}").read_bytes() == (tmp_path / name).read_bytes()
    with pytest.raises(ValueError, match="ends in none of"):
        found.save(tmp_path / "rows.doc")
