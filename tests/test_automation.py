"""The ways in beside the shell: the hook of pre-commit and the action of GitHub run what they say."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

yaml = pytest.importorskip("yaml")


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Any:
    """Run a program in an empty folder, with `dlcli` on the path."""
    program = tmp_path / "bin" / "dlcli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dlcli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    settings = {**environment, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, env={**settings, **more}, capture_output=True, text=True, check=False)

    return run


def hook() -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]


def test_the_hook_fails_on_the_tables_with_duplicates_and_reads_all(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("question\nHow do I log in?\nhow do i log in\nWhere is my order?\n", encoding="utf-8")
    (tmp_path / "once.csv").write_text("question\nHow do I log in?\nWhere is my order?\n", encoding="utf-8")
    entry = shlex.split(hook()["entry"])
    assert shell([*entry, "once.csv"]).returncode == 0
    found = shell([*entry, "twice.csv", "once.csv"])
    assert found.returncode == 1
    assert "how do i log in" in found.stdout
    assert shell([*entry, "twice.csv", "nothing.csv"]).returncode == 3


def test_the_documents_name_the_hook_as_it_is() -> None:
    text = (ROOT / "docs" / "automation.md").read_text(encoding="utf-8")
    assert f"id: {hook()['id']}" in text
    assert " ".join(hook()["entry"].split()) in " ".join(text.split())


def run_action(shell: Any, tmp_path: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    step = action["runs"]["steps"][-1]
    assert step["env"] == {"ARGS": "${{ inputs.args }}"}
    # As GitHub's runner calls bash.
    call = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return shell(call, ARGS=arguments, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))


def test_the_table_of_a_command_is_the_summary_of_the_step(shell: Any, tmp_path: Path) -> None:
    done = run_action(shell, tmp_path, "list rules --quiet")
    assert done.returncode == 0, done.stderr
    assert "| besnet |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_a_step_fails_as_its_command_does_and_expands_nothing(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "two words.csv").write_text("question\nhow do I log in\nHow do I log in?\n", encoding="utf-8")
    done = run_action(shell, tmp_path, "dedupe 'two words.csv' --fail-on-duplicates")
    assert done.returncode == 1 and "two words.csv" in done.stderr
    assert run_action(shell, tmp_path, "dedupe '$(touch expanded).csv'").returncode == 3
    assert not (tmp_path / "expanded").exists()
