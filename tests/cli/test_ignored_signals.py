"""Signals that a program was started to ignore, as a shell starts its background jobs, stop nothing."""

import signal

import pytest

from dlcli.cli.reporter import TerminalReporter


@pytest.fixture
def handler():
    before = signal.getsignal(signal.SIGINT)
    yield lambda chosen: signal.signal(signal.SIGINT, chosen)
    signal.signal(signal.SIGINT, before)


def test_an_ignored_signal_stays_ignored(handler):
    handler(signal.SIG_IGN)
    with TerminalReporter("train", quiet=True) as report, report.stoppable() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_one_stops_the_work_and_is_raised_at_its_end(handler):
    handler(signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), TerminalReporter("train", quiet=True) as report, report.stoppable() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
