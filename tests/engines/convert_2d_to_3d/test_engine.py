"""What a conversion proves, writes, and gives back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from dlcli.core.compute.rng import preserved
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.layers.temporal import TemporalConv
from dlcli.core.model_io.build import build_model
from dlcli.core.model_io.converted import load_video_network
from dlcli.core.model_io.run_dir import load_model, save_model
from dlcli.core.model_io.trained import open_trained
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.engines import convert_2d_to_3d as engine
from dlcli.engines import train
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.conftest import DATA

CPU = torch.device("cpu")
NETS = """
import torch
from torchvision.models import resnet18
from torch import nn
from torchvision.models import resnet18

class Net(nn.Module):
    def __init__(self, channels=3, classes=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.ReLU())
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

class Lazy(Net):
    def forward(self, x):
        return super().forward(x) + float(x.sum().item() > 0)

def grey():
    return Net(1, 4)

class Kept(Net):
    def __init__(self):
        super().__init__()
        self.kept = torch.ones(3, 1, 1, 1)

    def forward(self, x):
        return super().forward(torch.conv2d(x, self.kept, groups=3))

class Packed(Net):
    def get_extra_state(self):
        return ("weights", "in another form")

    def set_extra_state(self, state):
        pass

def fixed():
    return Net(3, 7)

def dense224():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(2 * 222 * 222, 4))

def line():
    return nn.Sequential(nn.Conv1d(3, 2, 1))

def deep():
    return nn.Sequential(nn.Conv3d(3, 2, 1))

def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 4))
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    with preserved():
        torch.manual_seed(0)
        yield


def _run(model, **options):
    return engine.run(Convert2DTo3DConfig(model=model, size=None if "runs" in model else 16, **options))


def _data(classes=("a", "b", "c", "d"), channels=3, size=(16, 16)):
    x, y = torch.rand(12, channels, *size), torch.arange(12) % len(classes)
    return ImageData(x, y, x, y, tuple(classes), "made up")


def _net(classes=4):
    scope: dict = {"__name__": "nets"}
    exec(compile(NETS, "nets.py", "exec"), scope)  # noqa: S102
    net = scope["Net"](classes=classes).eval()
    net.body[1].running_mean.uniform_()
    return net


def _still(x, frames=5):
    return x.unsqueeze(2).expand(-1, -1, frames, -1, -1)


def test_what_is_written_is_read_back_and_judges_as_the_image(tmp_path):
    net = _net()
    torch.save(net.state_dict(), "net.pt")
    found = _run("net.pt", arch="nets.py:Net", output=tmp_path / "v.safetensors")
    assert not found.failed and found.worst < 1e-10 and found.agree == found.compared == 4 * 3 * 2
    assert found.parameters_after - found.parameters_before == 2 * 6 * 5
    assert [(one.path, one.before, one.after) for one in found.layers] == [("body.3", (5, 6, 1, 1), (5, 6, 3, 1, 1))]
    assert {row.stage for row in found.verification} == {*(f"body.{k}" for k in range(5)), "head", "output"}
    trained = open_trained("v.safetensors", _data(), device=CPU)
    x = torch.rand(2, 3, 16, 16)
    assert torch.allclose(trained.model(_still(x)), net(x), atol=1e-6) and torch.allclose(trained.model(x), net(x), atol=1e-6)
    card = json.loads((tmp_path / "v.json").read_text())
    assert card["weights_sha256"] == trained.sha256 == found.weights_sha256
    assert set(card["keys"]) == set(net.state_dict()) == set(trained.model.state_dict())


@pytest.mark.parametrize(
    "how",
    [
        {"rule": "i3d"},
        {"rule": "center", "temporal_kernel": 5},
        {"dilations": (1, 3)},
        {"dilations": (1, 2), "fuse_dilations": True},
        {"temporal_padding": "renorm"},
    ],
)
def test_every_way_is_rebuilt_as_it_was(how, tmp_path):
    _run("nets.py:Net", output=tmp_path / "v.safetensors", export=tmp_path / "v.pt2", frames=4, **how)
    model, card = load_video_network(tmp_path / "v.safetensors", CPU)
    clip = torch.rand(1, 3, 4, 16, 16)
    program = torch.export.load(tmp_path / "v.pt2").module()
    assert torch.allclose(program(clip), model(clip), atol=1e-6)
    assert card.rule == how.get("rule", "besnet")


def test_a_failed_proof_says_where_and_writes_nothing(tmp_path):
    options = {"temporal_padding": "zeros", "output": tmp_path / "v.safetensors", "export": tmp_path / "v.pt2"}
    found = _run("nets.py:Net", **options)
    assert "above 1e-10 from body.3 on" in found.failed and not found.file and not found.weights_sha256
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"nets.py"}
    assert {row.stage for row in found.verification if row.error_float64 > 1e-10} == {"body.3", "body.4", "head", "output"}
    found = _run("nets.py:Net", allow_inexact=True, **options)
    assert not found.failed and "Inexact: " in found.notes[-1] and (tmp_path / "v.json").exists()


def test_a_run_directory_keeps_its_classes_and_surgery(tmp_path):
    data = _data(("left", "right"), 1, (8, 8))
    model = build_model("resnet18", 3, (32, 32), data.classes, ("erase-relu",))
    save_model(
        tmp_path / "runs",
        model=model,
        spec="resnet18",
        surgery=("erase-relu",),
        channels=3,
        size=(32, 32),
        classes=data.classes,
    )
    _run("runs", output=tmp_path / "v.safetensors")
    found = open_trained("v.safetensors", _data(("left", "right"), 3, (32, 32)), device=CPU)
    x = torch.rand(1, 3, 32, 32)
    assert found.classes == data.classes and torch.allclose(found.model(_still(x)), model.eval()(x), rtol=1e-3, atol=1e-5)


def test_training_starts_from_it(tmp_path):
    torch.save(_net().state_dict(), "net.pt")
    _run("net.pt", arch="nets.py:Net", output=tmp_path / "v.safetensors")
    saved, _ = load_video_network(tmp_path / "v.safetensors", CPU)
    same = open_model("v.safetensors", _data())
    assert same.notes == () and all(
        torch.equal(a, b) for a, b in zip(same.build().state_dict().values(), saved.state_dict().values(), strict=True)
    )
    other = open_model("v.safetensors", _data(("a", "b")))
    assert "is reinitialised" in other.notes[0]
    state = other.build().state_dict()
    own = saved.state_dict()
    changed = [key for key in own if own[key].shape != state[key].shape or not torch.equal(own[key], state[key])]
    assert changed == ["head.weight", "head.bias"]
    with pytest.raises(InputError, match="3 channels"):
        find_model("v.safetensors", _data(channels=1))


def test_a_network_trained_from_it_is_a_run_like_any_other(tmp_path):
    save_model(
        tmp_path / "runs",
        model=find_model("cifar-resnet-8", _data(tuple("0123456789"), 1, (8, 8))).build(),
        spec="cifar-resnet-8",
        surgery=(),
        channels=1,
        size=(8, 8),
        classes=tuple("0123456789"),
    )
    _run("runs", output=tmp_path / "v.safetensors")
    found = train.run(TrainConfig(model="v.safetensors", limit=60, epochs=1, device="cpu", output=tmp_path / "run"))
    assert found.rows[0].epochs == 1
    (tmp_path / "v.safetensors").unlink()
    (tmp_path / "v.json").unlink()
    saved = load_model(tmp_path / "run", CPU)
    assert (saved.spec, saved.sha256) == ("v.safetensors", found.rows[0].weights_sha256)
    assert any(isinstance(module, TemporalConv) for module in saved.model.modules())
    save_model(
        tmp_path / "copy", model=saved.model, spec=saved.spec, surgery=(), channels=1, size=(8, 8), classes=saved.classes
    )
    assert load_model(tmp_path / "copy", CPU).sha256 == saved.sha256


def test_names_known_to_be_others_start_anew_though_as_many(tmp_path):
    names = ("left", "right", "up", "down")
    save_model(tmp_path / "runs", model=_net(), spec="nets.py:Net", surgery=(), channels=3, size=(16, 16), classes=names)
    _run("runs", output=tmp_path / "v.safetensors", trust_code=True)
    saved, _ = load_video_network(tmp_path / "v.safetensors", CPU)
    again, anew = (open_model("v.safetensors", _data(own)).build().state_dict() for own in (names, "abcd"))
    own = saved.state_dict()
    assert [key for key in own if not torch.equal(own[key], again[key])] == []
    assert [key for key in own if not torch.equal(own[key], anew[key])] == ["head.weight", "head.bias"]


def test_statistics_are_taken_anew_from_still_clips(tmp_path):
    x = np.random.default_rng(0).random((20, 16, 16, 3), dtype="float32")
    np.savez("mine.npz", x=x, y=np.arange(20) % 2)
    torch.save((net := _net()).state_dict(), "net.pt")
    found = _run("net.pt", arch="nets.py:Net", recalibrate_bn="mine.npz", output=tmp_path / "v.safetensors")
    assert "statistics of" in found.notes[-1]
    state = load_video_network(tmp_path / "v.safetensors", CPU)[0].state_dict()
    with torch.no_grad():
        seen = net.body[0](open_data("mine.npz").x_train)
    assert torch.allclose(state["body.1.running_mean"], seen.mean((0, 2, 3)), atol=1e-4)
    assert torch.equal(state["body.0.weight"], net.body[0].weight)


def test_code_may_read_another_number_of_channels(tmp_path):
    _run("nets.py:grey", output=tmp_path / "v.safetensors")
    x = torch.rand(2, 1, 16, 16)
    assert load_video_network(tmp_path / "v.safetensors", CPU)[0](_still(x)).shape == (2, 4)


def test_code_without_weights_is_taken_as_it_is_and_a_name_as_random():
    found = _run("nets.py:fixed")
    assert "taken as trained" in found.notes[0] and found.file == ""
    assert "random weights" in _run("cifar-resnet-8", classes=5).notes[0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": None}, UsageError, "`model`: a network is needed"),
        ({"model": "nets.py:line"}, InputError, "1-D"),
        ({"model": "nets.py:deep"}, InputError, "3-D already"),
        ({"model": "nets.py:dense", "size": 8}, InputError, "no convolution"),
        ({"model": "nets.py:Net", "output": "v.pt"}, UsageError, "`output`: v.pt does not end in .safetensors"),
        ({"model": "nets.py:Net", "arch": "lenet"}, UsageError, "`arch`: goes with"),
        ({"model": "net.pt", "arch": "nets.py:Net", "classes": 3}, UsageError, "`classes`"),
        ({"model": "net.pt"}, UsageError, "`arch`"),
        ({"model": "missing.pt", "arch": "nets.py:Net"}, InputError, "missing head.bias"),
        ({"model": "stem.pt", "arch": "resnet18", "size": 32}, InputError, "missing conv1.weight"),
        ({"model": "extra.pt", "arch": "nets.py:Net"}, InputError, "unknown more"),
        ({"model": "shape.pt", "arch": "nets.py:Net"}, InputError, "misshapen body.3.weight"),
        ({"model": "code.pt", "arch": "nets.py:Net"}, InputError, "refused, it holds more than tensors"),
        ({"model": "v.safetensors"}, InputError, "v.safetensors: the network is 3-D already"),
        ({"model": "grey.safetensors"}, InputError, "grey.safetensors: the network is 3-D already"),
        ({"model": "frame-mlp:nets.py:Net"}, InputError, "frame-mlp takes clips already"),
        ({"model": "runs/net", "classes": 3, "size": None}, UsageError, "`classes`: runs/net is a run directory"),
        ({"model": "runs/members", "size": None}, InputError, "runs/members: is an ensemble"),
        ({"model": "nets.py:Net", "recalibrate_bn": "digits"}, InputError, "holds images of 1 channel; the network takes 3"),
        ({"model": "nets.py:Packed"}, InputError, "nets.py:Packed: the network keeps _extra_state as a tuple"),
        ({"model": "nets.py:Kept"}, InputError, "nets.py:Kept: the model fails on an image of shape 3x16x16"),
        ({"model": "nets.py:Lazy", "export": Path("out.pt2")}, InputError, "torch cannot export the network"),
    ],
)
def test_bad_input_is_refused_by_name(options, error, words, tmp_path):
    state = _net().state_dict()
    torch.save(state, "net.pt")
    torch.save({key: tensor for key, tensor in state.items() if key != "head.bias"}, "missing.pt")
    stemless = {key: tensor for key, tensor in resnet18().state_dict().items() if key != "conv1.weight"}
    torch.save(stemless, "stem.pt")
    torch.save(state | {"more": torch.zeros(1)}, "extra.pt")
    torch.save(state | {"body.3.weight": torch.zeros(5, 6, 2, 2)}, "shape.pt")
    torch.save({"x": print}, "code.pt")
    _run("nets.py:Net", output=tmp_path / "v.safetensors")
    _run("nets.py:grey", output=tmp_path / "grey.safetensors")
    save_model(
        tmp_path / "runs" / "net",
        model=_net(),
        spec="nets.py:Net",
        surgery=(),
        channels=3,
        size=(16, 16),
        classes=tuple("abcd"),
    )
    (tmp_path / "runs" / "members").mkdir()
    (tmp_path / "runs" / "members" / "ensemble.json").write_text("{}")
    before = set(tmp_path.iterdir())
    given = {"output": "out.safetensors", "size": 16, **options}
    with pytest.raises(error, match=words):
        engine.run(Convert2DTo3DConfig(**{**given, "output": Path(given["output"])}))
    assert set(tmp_path.iterdir()) == before


def test_the_plan_says_what_a_run_would_do_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # of nets.py
    before = set(tmp_path.iterdir())
    given = {"recalibrate_bn": "moving-digits", "output": tmp_path / "v.safetensors", "export": tmp_path / "v.pt2"}
    config = Convert2DTo3DConfig(model="nets.py:Net", size=16, frames=4, **given)
    assert engine.plan(config) == [
        "inflate 1 layer of nets.py:Net by besnet",
        "verify it on still clips of 1, 2, 4 frames of 16x16 pixels",
        "take the statistics of batch normalisation from moving-digits",
        f"write {tmp_path / 'v.safetensors'}, {tmp_path / 'v.json'} and {tmp_path / 'v.html'}",
        f"write {tmp_path / 'v.pt2'}",
    ]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["cifar-resnet-8", "nets.py:dense224"])
def test_the_proof_is_on_smaller_images_where_the_network_takes_them(name):
    found = engine.run(Convert2DTo3DConfig(model=name, size=224, classes=4))
    assert found.verification_size == ((56, 56) if name == "cifar-resnet-8" else (224, 224))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "v.json").unlink(), "cannot be read without it"),
        (lambda folder: (folder / "v.json").write_text("{}"), "network is missing"),
        (lambda folder: (folder / "v.json").write_text("[1]"), "network is missing"),
        (lambda folder: (folder / "v.safetensors").write_bytes(b"x" * 99), "not a whole safetensors file"),
        (
            lambda folder: (folder / "v.json").write_text((folder / "w.json").read_text()),
            "SHA-256 differs",
        ),
    ],
)
def test_a_damaged_file_is_refused(damage, words, tmp_path):
    _run("nets.py:Net", output=tmp_path / "v.safetensors")
    _run("nets.py:Net", seed=1, output=tmp_path / "w.safetensors")
    damage(tmp_path)
    for opened in (
        lambda: open_trained("v.safetensors", _data(), device=CPU),
        lambda: open_model("v.safetensors", _data()).build(),
    ):
        with pytest.raises(InputError, match=words):
            opened()


@pytest.mark.skipif(not (DATA / "weights").is_dir(), reason="needs ../shared/data/weights")
def test_networks_of_imagenet_stay_behind_their_normalisation(tmp_path):
    file = str(DATA / "weights" / "squeezenet1_1_imagenet.pth")
    found = engine.run(Convert2DTo3DConfig(model=file, arch="squeezenet1_1", size=64, output=tmp_path / "v.safetensors"))
    assert len(found.layers) == 16 and found.layers[0].path == "features.3.squeeze"
    x = torch.rand(2, 3, 64, 64)
    data = ImageData(x, torch.tensor([0, 1]), x, torch.tensor([0, 1]), tuple(map(str, range(1000))), "made up")
    image, video = (
        open_trained(spec, data, arch=arch, device=CPU).model
        for spec, arch in ((file, "squeezenet1_1"), ("v.safetensors", None))
    )
    assert torch.allclose(video(_still(x)), image(x), rtol=1e-3, atol=1e-4)
    state = open_model("v.safetensors", _data(size=(64, 64))).build().state_dict()
    assert state["classifier.1.weight"].shape[0] == 4 and torch.equal(state["features.0.bias"], image.inner.features[0].bias)
    start = open_model("v.safetensors", _data(size=(64, 64))).build().eval()
    save_model(
        tmp_path / "run", model=start, spec="v.safetensors", surgery=(), channels=3, size=(64, 64), classes=tuple("abcd")
    )
    assert torch.equal(load_model(tmp_path / "run", CPU).model(_still(x)), start(_still(x)))
