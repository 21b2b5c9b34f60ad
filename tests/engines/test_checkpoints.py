"""A checkpoint as a training script left it gives each command the same weights as a plain file of them."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dlcli.core.model_io.checkpoint import load_weights, weights_sha256
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.models.zoo import digits_net
from dlcli.engines import attack, convert_2d_to_3d, predict, probe_gradients, train
from dlcli.engines import eval as evaluate
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from tests.conftest import Run

ARCH = "digits-net"


def made(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return digits_net.build(1, (8, 8), 10)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Weights as torchvision's training script saves them, with averaged ones beside, under an ending of no format."""
    averaged = {f"module.{name}": tensor for name, tensor in made(1).state_dict().items()}
    held = {
        "model": {f"module._orig_mod.{name}": tensor for name, tensor in made(0).state_dict().items()},
        "model_ema": averaged | {"n_averaged": torch.tensor(4)},
        "args": Namespace(lr=0.1, output_dir=tmp_path),
        "epoch": 3,
    }
    torch.save(held, tmp_path / "checkpoint.pth.tar")
    return tmp_path / "checkpoint.pth.tar"


@pytest.mark.parametrize(("key", "seed"), [(None, 0), ("model", 0), ("model_ema", 1)])
def test_each_command_takes_the_same_set(checkpoint: Path, tmp_path: Path, key: str | None, seed: int):
    there = {"model": str(checkpoint), "arch": ARCH, "weights_key": key, "device": "cpu"}
    results = [
        evaluate.run(EvalConfig(**there)),
        predict.run(PredictConfig(**there, limit=2)),
        attack.run(AttackConfig(**there, limit=4)),
    ]
    expected = weights_sha256(made(seed))
    assert [result.model_sha256 for result in results] == [expected] * 3
    weights = {"weights": checkpoint, "weights_key": key}
    probe = probe_gradients.run(ProbeGradientsConfig(model=ARCH, **weights, limit=4, walks=1, points=8, device="cpu"))
    for result in (*results, probe):
        assert any("under 'model" in note for note in result.notes)
        assert any("2 sets of weights" in note for note in result.notes) == (key is None)
    train.run(TrainConfig(model=ARCH, **weights, epochs=1, lr=1e-12, optimizer="sgd", device="cpu", output=tmp_path / "run"))
    start = load_model(tmp_path / "run", torch.device("cpu")).model.state_dict()
    for name, tensor in made(seed).state_dict().items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.allclose(start[name], tensor, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_conversion_takes_the_set_that_is_named(tmp_path: Path, seed: int):
    held = {name: {f"net.{key}": value for key, value in made(k).state_dict().items()} for k, name in enumerate("ab")}
    torch.save(held, tmp_path / "gan.bin")
    output, key = tmp_path / "video.safetensors", "ab"[seed]
    found = Convert2DTo3DConfig(
        model=str(tmp_path / "gan.bin"), arch=ARCH, size=8, weights_key=key, rule="center", output=output
    )
    convert_2d_to_3d.run(found)
    video, image = load_weights(output), made(seed).state_dict()
    assert video.keys() == image.keys()
    for name, tensor in video.items():  # on the middle frame there are the weights for images
        assert torch.equal(tensor[:, :, tensor.shape[2] // 2] if tensor.dim() == 5 else tensor, image[name])


def test_a_key_needs_a_file_of_weights():
    for config in (EvalConfig, PredictConfig, AttackConfig, TrainConfig):
        with pytest.raises(UsageError, match="`weights_key` needs a file of weights"):
            config(weights_key="ema")


def test_the_command_warns_of_a_second_set_even_when_quiet(dlcli: Run, checkpoint: Path):
    done = dlcli("eval", checkpoint, "--arch", ARCH, "--quiet", "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["model_sha256"] == weights_sha256(made(0))
    assert b"holds 2 sets of weights" in done.stderr and b"(--weights-key model_ema.module takes another)" in done.stderr
    assert b"the weights are those under" not in done.stderr
    asked = dlcli("eval", checkpoint, "--arch", ARCH, "--weights-key", "model_ema", "--quiet", "--format", "json")
    assert json.loads(asked.stdout)["model_sha256"] == weights_sha256(made(1)) and not asked.stderr


def test_a_file_that_is_there_is_never_said_to_be_missing(dlcli: Run, checkpoint: Path):
    checkpoint.rename(checkpoint.with_name("best"))
    done = dlcli("eval", checkpoint.with_name("best"))
    assert done.returncode == 2 and b"which network do the weights" in done.stderr
    (checkpoint.parent / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    done = dlcli("eval", checkpoint.parent / "photo.jpg")
    assert done.returncode == 3 and b"is not a file of weights" in done.stderr


@pytest.mark.parametrize(
    "text", ["truth|predicted\na|a\n", "\ufefftruth;predicted\r\nKäse;a\r\n", "ä" * 300 + "x", "a" + "ä" * 300]
)
@pytest.mark.parametrize("name", ["predictions.txt", "predictions.dat"])
def test_text_is_said_to_be_text_and_how_tables_end(dlcli: Run, tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = dlcli("eval", tmp_path / name)
    assert done.returncode == 3 and b"is text, not a file of weights" in done.stderr and b".csv .tsv" in done.stderr
