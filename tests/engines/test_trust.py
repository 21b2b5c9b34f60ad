"""No file that dlcli reads makes it import code: a marker that the code would leave is absent after every command."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.model_io.ensemble_dir import member_folder, save_ensemble_metadata
from dlcli.core.model_io.run_dir import save_model
from dlcli.engines import attack, convert_2d_to_3d, ensemble, eval, predict, probe_gradients, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

CODE = """
from pathlib import Path
from torch import nn
Path({mark!r}).touch()
def build(classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
def conv(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""
TEN = tuple("0123456789")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("strange.py").write_text(CODE.format(mark=str(tmp_path / "MARK")))
    np.savez("d.npz", x=np.random.default_rng(0).random((40, 8, 8), np.float32), y=np.arange(40) % 10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    for folder in (Path("run"), member_folder(Path("ens"), 0), member_folder(Path("ens"), 1)):
        save_model(
            folder, model=model, spec="strange.py:build", surgery=(), data="digits", channels=1, size=(8, 8), classes=TEN
        )
    save_ensemble_metadata(Path("ens"), 2, "mean")
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("MARK").unlink()
    return tmp_path


def spelled(folder: str, spec: str) -> None:
    """Name code in another way in all `model.json` of a folder."""
    for path in Path(folder).rglob("model.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model": spec}))


COMMANDS: dict[str, Callable[[str], object]] = {
    "eval": lambda model: eval.run(EvalConfig(model=model, data="d.npz", device="cpu")),
    "eval plan": lambda model: eval.plan(EvalConfig(model=model, data="d.npz", device="cpu")),
    "predict": lambda model: predict.run(PredictConfig(model=model, data="d.npz", device="cpu")),
    "predict plan": lambda model: predict.plan(PredictConfig(model=model, data="d.npz", device="cpu")),
    "attack": lambda model: attack.run(AttackConfig(model=model, data="d.npz", device="cpu")),
    "attack plan": lambda model: attack.plan(AttackConfig(model=model, data="d.npz", device="cpu")),
    "surrogate": lambda model: attack.run(
        AttackConfig(data="d.npz", method="transfer", surrogate=model, device="cpu", epochs=1)
    ),
    "convert": lambda model: convert_2d_to_3d.run(Convert2DTo3DConfig(model=model, output=Path("o.safetensors"))),
    "probe": lambda model: probe_gradients.run(ProbeGradientsConfig(model=model, data="d.npz", device="cpu")),
}

READERS = [(command, "run") for command in COMMANDS]
READERS += [(command, "ens") for command in COMMANDS if command not in ("convert", "probe")]  # which take no ensembles


@pytest.mark.parametrize(("command", "folder"), READERS)
@pytest.mark.parametrize("spec", ["strange.py:build", "./strange.py:build", "strange:build", "frame-mlp:strange.py:build"])
def test_a_run_or_an_ensemble_makes_no_command_import_code(place: Path, command: str, spec: str, folder: str):
    spelled(folder, spec)
    with pytest.raises(InputError, match="code"):
        COMMANDS[command](folder)
    assert not Path("MARK").exists()


def test_nor_does_a_member_that_is_added(place: Path):
    config = EnsembleConfig(data="d.npz", members=1, add=("run",), epochs=1, output=Path("out"), device="cpu", workers=1)
    with pytest.raises(InputError, match="run/model.json: the network is code"):
        ensemble.run(config)
    assert not Path("MARK").exists()


@pytest.mark.parametrize("read", ["train", "eval"])
def test_nor_does_a_converted_network(place: Path, read: str):
    torch.manual_seed(0)
    config = Convert2DTo3DConfig(
        model="strange.py:conv", output=Path("c.safetensors"), rule="center", size=16, frames=2, classes=3
    )
    convert_2d_to_3d.run(config)
    assert Path("MARK").exists()
    Path("MARK").unlink()
    with pytest.raises(InputError, match=r"c.json: the network is code, strange.py:conv"):
        if read == "train":
            train.plan(TrainConfig(model="c.safetensors", data="moving-digits", frames=2, size=16, device="cpu"))
        else:
            eval.run(EvalConfig(model="c.safetensors", data="moving-digits", frames=2, size=16, device="cpu"))
    assert not Path("MARK").exists()


def test_what_was_named_or_is_trusted_is_imported(place: Path):
    for config in (
        EvalConfig(model="run", data="d.npz", device="cpu", trust_code=True),
        EvalConfig(model="strange.py:build", data="d.npz"),
    ):
        eval.run(config)
        assert Path("MARK").exists()
        Path("MARK").unlink()


def dlcli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-m", "dlcli", *words], capture_output=True, text=True)


@pytest.mark.parametrize(
    "line",
    ['model = "strange.py:build"', 'arch = "strange:build"', 'model = "frame-mlp:strange.py:build"', "trust-code = true"],
)
def test_a_configuration_file_names_no_code_and_trusts_none(place: Path, line: str):
    Path("c.toml").write_text(f"[eval]\n{line}\n")
    done = dlcli("eval", *([] if "model" in line else ["run"]), "--data", "d.npz", "--config", "c.toml")
    assert done.returncode == 2 and not Path("MARK").exists() and len(done.stderr.splitlines()) == 1


def test_the_environment_does_not_trust_code(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DLCLI_TRUST_CODE", "1")
    monkeypatch.setenv("DLCLI_EVAL_TRUST_CODE", "1")
    assert dlcli("eval", "run", "--data", "d.npz").returncode == 3 and not Path("MARK").exists()


def test_variants_name_code_as_options_do(place: Path):
    Path("c.toml").write_text('[train]\nversus = "--model strange.py:build"\n')
    done = dlcli("train", "--data", "d.npz", "--config", "c.toml", "--epochs", "1", "-n")
    assert done.returncode == 2 and "strange.py:build" in done.stderr and not Path("MARK").exists()
