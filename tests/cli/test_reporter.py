"""Progress as plain lines, where standard error is not a terminal."""

import pytest

from dlcli.cli.reporter import TerminalReporter


def test_a_status_is_printed_even_if_nothing_advances(capsys: pytest.CaptureFixture[str]):
    with TerminalReporter(verbose=True).task("checking", 4) as task:
        task.set_status("step 1 of 40")
    assert capsys.readouterr().err == "checking: 0 of 4, step 1 of 40\n"


def test_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str]):
    with TerminalReporter(verbose=True).task("checking", 4) as task:
        for step in range(40):
            task.set_status(f"step {step}")
            task.advance(0)
    assert capsys.readouterr().err == "checking: 0 of 4, step 0\n"
