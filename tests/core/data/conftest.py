"""A cache of its own for every test here, and a report that remembers."""

from contextlib import contextmanager

import pytest

from dlcli.support.reporter import SILENT


class Listener:
    def __init__(self):
        self.notes, self.warnings, self.tasks = [], [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    @contextmanager
    def task(self, label, total=None):
        self.tasks.append(label)
        with SILENT.task(label, total) as silent:
            yield silent


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "dlcli"
