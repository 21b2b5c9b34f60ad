"""The notebook of the quick start runs, and is kept without outputs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def _cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs():
    assert len(_cells()) > 5
    assert not [cell for cell in _cells() if cell["outputs"] or cell["execution_count"] is not None]


@pytest.mark.slow
# Some versions of the packages below close loops and sockets late.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 2
    tables = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert [("dataframe" in table, "<table" in table) for table in tables] == [
        (False, True), (True, True), (False, True), (True, True)
    ]  # fmt: skip
    assert not [output for output in outputs if output.get("name") == "stderr"], outputs
    assert (tmp_path / "runs" / "digits" / "run.json").is_file()
