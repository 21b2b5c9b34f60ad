"""A Ray cluster for the tests of this folder, which run only if they are asked for: it takes minutes."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that need a cluster unless `-m` asks for them, and without Ray."""
    reason = "" if "cluster" in config.option.markexpr else "run by `pytest -m cluster`"
    reason = reason if find_spec("ray") else "ray is not installed"
    for item in items:
        if reason and item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.skip(reason=reason))


class LocalCluster:
    """The process that holds the cluster.

    Attributes:
        environment: That of a process which connects to it.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        (folder / "token").write_text(secrets.token_hex(32))
        (folder / "ray").mkdir()
        own = {
            # Without it Ray on Linux listens on all interfaces.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(folder / "ray"),
        }
        self.environment = {**environment, **own}
        os.mkfifo(folder / "answers")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.server", folder / "answers"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self.environment,
                # Only the owner may read what it writes, so that files of its processes can be told from those of others.
                umask=0o077,
            )
        self.answers = (folder / "answers").open()
        self.address: str = self._answer()["address"]

    def _answer(self) -> Any:
        return json.loads(self.answers.readline())

    def ask(self, *words: str) -> Any:
        """Send a line to the server; returns its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def replace_node(self) -> None:
        """Add a node in place of one that was killed."""
        self.ask("add")

    def end(self) -> None:
        """End all nodes."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(120)
        self.answers.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[LocalCluster]:
    """One cluster of three nodes for all tests."""
    found = LocalCluster(tmp_path_factory.mktemp("r"), environment)
    yield found
    found.end()
