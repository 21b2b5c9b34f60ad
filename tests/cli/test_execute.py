"""What holds while the engine of a command runs."""

import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest

from dlcli.cli import execute as module
from dlcli.cli.execute import execute
from dlcli.specs.shared import RunOptions

NAME = "CUBLAS_WORKSPACE_CONFIG"


@dataclass
class WithoutOptions:
    output: ClassVar[None] = None


def test_matrix_products_of_a_gpu_are_reproducible_from_the_first_on(monkeypatch: pytest.MonkeyPatch):
    """The engine may compute one at once, and cuBLAS reads its setting then."""
    seen = []

    def run(config, *, report):
        seen.append(os.environ.get(NAME))
        return SimpleNamespace(failed="", KIND="rows")

    monkeypatch.setenv(NAME, "put back afterwards")
    monkeypatch.delenv(NAME)
    monkeypatch.setattr(module, "import_module", lambda name: SimpleNamespace(run=run))
    for name in ("show", "missing_folders", "name_folders", "name_files"):
        monkeypatch.setattr(module.output, name, lambda *arguments: None)
    monkeypatch.setattr(module, "keep_freed", lambda: None)
    monkeypatch.setattr(module, "_hush_libraries", lambda: None)
    assert execute(SimpleNamespace(engine="made up", name="train", rows=False), WithoutOptions(), RunOptions()) == 0
    assert seen == [":4096:8"]
