"""SIGTERM ends a run even where a library swallows what its handler raises."""

import subprocess
import sys

import pytest

_SWALLOWED = '''
"""While a module is imported a signal arrives, and the module goes on whatever is raised in it."""

import importlib.abc
import os
import signal
import sys


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                for _ in range(1000):
                    pass
            except BaseException:
                pass
        return None


sys.meta_path.insert(0, Finder())
sys.argv = ["dlcli", *{arguments!r}]
from dlcli.cli.app import main

main()
'''


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("dlcli.engines.dedupe", ["dedupe", "-"]),
        ("dlcli.engines.dedupe.engine", ["dedupe", "-"]),
        ("dlcli.engines.eval", ["eval", "runs/none"]),
        ("dlcli.engines.attack.engine", ["attack", "--limit", "10"]),
    ],
)
def test_a_signal_during_an_import_ends_the_run(module: str, arguments: list[str]):
    code = _SWALLOWED.format(module=module, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], input="q\na\nb\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 143
    assert done.stderr.splitlines()[-1] == f"dlcli {arguments[0]}: terminated"
    assert not done.stdout
