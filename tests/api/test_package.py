"""What `import dlcli` costs, and what type checkers see of it."""

import subprocess
import sys
from pathlib import Path

from dlcli.api.stub import stub
from tests.conftest import ROOT

_HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "rich",
    "typer",
    "dlcli.api",
    "dlcli.cli",
    "dlcli.core",
    "dlcli.engines",
)
_USE = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
import dlcli

net = nn.Linear(4, 2)
x, y = np.zeros((4, 2, 2)), np.zeros(4)
loader = DataLoader(TensorDataset(torch.zeros(4), torch.zeros(4)))
attacked = dlcli.attack(net, (x, y), eps=[0.1, 8 / 255], method="pgd", bounds=(0, 255))
reveal_type(attacked.headline.adversarial.value)
dlcli.evaluate("runs/mine", loader, fail_under="top-1=0.9", slices=["class"])
dlcli.train(lambda channels: net, {"train": (x, y), "test": (x, y)}, lr=(0.1, 0.01), output="runs/new")
dlcli.dedupe(["one", "two"], threshold=0.5)
"""

# The types of these packages do not matter here, and take half a minute to read.
_CONFIG = """
[mypy]
follow_imports = silent
[mypy-torch.*,numpy.*]
follow_imports = skip
"""


def test_importing_the_package_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import dlcli; dir(dlcli)"],
        capture_output=True,
        check=True,
        text=True,
        cwd=ROOT,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "dlcli" in imported
    assert not [name for name in imported if name.startswith(_HEAVY)]


def test_the_stub_is_current():
    assert (ROOT / "dlcli" / "__init__.pyi").read_text(encoding="utf-8") == stub()


def test_a_type_checker_knows_options_and_results(tmp_path: Path):
    (tmp_path / "good.py").write_text(_USE)
    (tmp_path / "bad.py").write_text("import dlcli\ndlcli.attack('digits', steps='many')\ndlcli.predict('run', unknown=1)\n")
    (tmp_path / "mypy.ini").write_text(_CONFIG)
    command = [sys.executable, "-m", "mypy", "good.py", "bad.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"MYPYPATH": str(ROOT), "PATH": ""})
    lines = done.stdout.splitlines()
    assert [line for line in lines if "good.py" in line] == ['good.py:12: note: Revealed type is "float"']
    assert [line.rpartition("[")[2] for line in lines if ": error:" in line] == ["arg-type]", "call-arg]"], done.stdout
