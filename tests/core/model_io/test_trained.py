"""Opening trained networks: fitted to the data, or an error that names what does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data.base import ImageData
from dlcli.core.layers.normalise import normalised
from dlcli.core.model_io.checkpoint import save_weights, weights_sha256
from dlcli.core.model_io.class_map import map_classes
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.model_io.trained import open_trained
from dlcli.core.models.zoo import digits_net
from dlcli.support.errors import InputError, UsageError
from dlcli.support.in_memory import InMemory

CPU = torch.device("cpu")
IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % 3
DATA = ImageData(X, Y, X, Y, ("ant", "bee", "cat"), "insects.npz")


@pytest.fixture
def model() -> nn.Module:
    return digits_net.build(1, (8, 8), 3).eval()


def save_run(folder: Path, model: nn.Module, classes: tuple[str, ...]) -> str:
    save_model(folder, model=model, spec="digits-net", surgery=[], channels=1, size=(8, 8), classes=classes)
    return str(folder)


def test_a_run_directory_is_opened(tmp_path: Path, model: nn.Module):
    found = open_trained(save_run(tmp_path, model, DATA.classes), DATA, device=CPU)
    assert (found.name, found.sha256, found.classes) == ("digits-net", weights_sha256(model), DATA.classes)
    assert torch.equal(found.model(X), model(X))


def test_a_file_of_weights_is_opened_with_its_architecture(tmp_path: Path, model: nn.Module):
    save_weights(tmp_path / "w.safetensors", model, {})
    torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, tmp_path / "w.pt")
    for spec in ("w.safetensors", "w.pt"):
        found = open_trained(str(tmp_path / spec), DATA, arch="digits-net", device=CPU)
        assert torch.equal(found.model(X), model(X)) and found.sha256 == weights_sha256(model)
    named = open_trained("digits-net", DATA, weights=tmp_path / "w.pt", device=CPU)
    assert torch.equal(named.model(X), model(X)) and named.classes is None


@pytest.mark.parametrize("in_memory", [False, True])
def test_weights_that_code_draws_itself_are_the_same_in_every_run(in_memory: bool, tmp_path: Path):
    (tmp_path / "drawn.py").write_text(
        "from torch import nn\n\ndef net(classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    drawn = (
        InMemory("drawn", lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3))) if in_memory else f"{tmp_path}/drawn.py:net"
    )
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        found.append(open_trained(drawn, DATA, device=CPU).sha256)
        assert torch.equal(torch.get_rng_state(), state)
    assert found[0] == found[1]


def test_user_code_may_load_its_own_weights(tmp_path: Path):
    (tmp_path / "nets.py").write_text(
        "import torch\nfrom torch import nn\n\ndef ready(classes):\n"
        "    net = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
        "    nn.init.constant_(net[1].weight, 0.5)\n    nn.init.zeros_(net[1].bias)\n    return net\n"
    )
    found = open_trained(f"{tmp_path}/nets.py:ready", DATA, device=CPU)
    assert torch.allclose(found.model(X), 0.5 * X.sum((1, 2, 3))[:, None].expand(6, 3))
    assert "taken as trained" in found.notes[0] and not found.model.training


def test_weights_may_have_more_outputs_than_the_data_has_classes(tmp_path: Path):
    many = digits_net.build(1, (8, 8), 7).eval()
    save_weights(tmp_path / "w.safetensors", many, {})
    found = open_trained(str(tmp_path / "w.safetensors"), DATA, arch="digits-net", device=CPU)
    assert torch.equal(found.model(X), many(X))
    save_weights(tmp_path / "w.safetensors", digits_net.build(1, (8, 8), 2), {})
    with pytest.raises(InputError, match="has 2 outputs, but labels go up to 2"):
        open_trained(str(tmp_path / "w.safetensors"), DATA, arch="digits-net", device=CPU)


@pytest.mark.parametrize(
    ("spec", "options", "kind", "message"),
    [
        ("run", {"arch": "digits-net"}, UsageError, "names its own network"),
        ("w.safetensors", {}, UsageError, "which network"),
        ("absent.pt", {"arch": "digits-net"}, InputError, "absent.pt: no such file"),
        ("absent", {}, InputError, "no such run directory"),
        ("w.safetensors", {"arch": "lenet"}, InputError, "lenet needs images of at least"),
        ("w.safetensors", {"arch": "digits-nett"}, UsageError, "no model is called"),
    ],
)
def test_specs_and_files_that_do_not_fit_are_errors(
    tmp_path: Path, model: nn.Module, spec: str, options: dict[str, str], kind: type, message: str
):
    save_run(tmp_path / "run", model, DATA.classes)
    save_weights(tmp_path / "w.safetensors", model, {})
    with pytest.raises(kind) as caught:
        open_trained(str(tmp_path / spec), DATA, device=CPU, **options)
    assert message in caught.value.message and "\n" not in caught.value.message


def test_the_error_for_images_of_another_shape_names_the_spec(tmp_path: Path, model: nn.Module):
    run = save_run(tmp_path / "run", model, DATA.classes)
    wide = replace(DATA, x_train=torch.rand(6, 1, 12, 12), x_test=torch.rand(6, 1, 12, 12))
    with pytest.raises(InputError) as caught:
        open_trained(run, wide, device=CPU)
    assert caught.value.message.startswith(f"{run}: the model fails on images of shape 1x12x12")


def test_classes_are_matched_to_outputs_by_name(tmp_path: Path, model: nn.Module):
    found = open_trained(save_run(tmp_path, model, ("cat", "dog", "ant")), replace(DATA, classes=("ant", "cat")), device=CPU)
    outputs, names = map_classes(found, replace(DATA, classes=("ant", "cat")))
    assert outputs.tolist() == [2, 0] and names == ("cat", "dog", "ant")
    with pytest.raises(InputError, match=r"was not trained on class bee"):
        map_classes(found, DATA)
    assert map_classes(replace(found, classes=None), DATA)[0].tolist() == [0, 1, 2]
    cranes = replace(DATA, classes=("crane", "bee", "crane"))
    assert map_classes(replace(found, classes=cranes.classes), cranes)[0].tolist() == [0, 1, 2]


def test_classes_that_are_numbers_are_indices_of_outputs(tmp_path: Path):
    torch.manual_seed(0)
    ten = digits_net.build(1, (8, 8), 10)
    save_weights(tmp_path / "ten.safetensors", ten, {})
    some = replace(DATA, classes=("3", "5", "9"))
    found = open_trained(str(tmp_path / "ten.safetensors"), some, arch="digits-net", device=CPU)
    assert map_classes(found, some)[0].tolist() == [3, 5, 9]
    assert found.notes[0] == "the network has more outputs than insects.npz has classes: 7 of 10 stand for no class of it"
    assert found.warnings == found.notes[1:] and "with gaps between them: 3 is output 3, 5 is output 5" in found.warnings[0]
    plain = open_trained(
        str(tmp_path / "ten.safetensors"), replace(DATA, classes=("0", "1", "2")), arch="digits-net", device=CPU
    )
    assert not plain.warnings
    with pytest.raises(InputError, match=r"has 10 outputs, but labels go up to 12"):
        open_trained(str(tmp_path / "ten.safetensors"), replace(DATA, classes=("3", "12")), arch="digits-net", device=CPU)


def test_folders_called_by_numbers_warn_of_the_order_of_imagefolder(tmp_path: Path):
    save_weights(tmp_path / "w.safetensors", digits_net.build(1, (8, 8), 12), {})
    x, y = torch.rand(12, 1, 8, 8), torch.arange(12)
    files = {"test": {"file": np.array([f"{k}/a.png" for k in range(12)], dtype=object)}}
    numbers = tuple(map(str, range(12)))
    folders = ImageData(x, y, x, y, numbers, "photos", metadata=files)
    found = open_trained(str(tmp_path / "w.safetensors"), folders, arch="digits-net", device=CPU)
    assert "10 is output 10; torchvision's ImageFolder numbers them in alphabetical order (10 is 2)" in found.warnings[0]
    assert map_classes(found, folders)[0].tolist() == list(range(12))
    for quiet in (replace(folders, metadata={}), replace(folders, classes=tuple(f"{k:02}" for k in range(12)))):
        assert not open_trained(str(tmp_path / "w.safetensors"), quiet, arch="digits-net", device=CPU).warnings


@pytest.mark.parametrize("classes", [("ant", "bee", "cat"), ("03", "5", "9")])
def test_unknown_class_names_use_the_first_outputs_with_a_note(tmp_path: Path, classes: tuple[str, ...]):
    save_weights(tmp_path / "ten.safetensors", digits_net.build(1, (8, 8), 10), {})
    some = replace(DATA, classes=classes)
    found = open_trained(str(tmp_path / "ten.safetensors"), some, arch="digits-net", device=CPU)
    assert map_classes(found, some)[0].tolist() == [0, 1, 2]
    assert any(f"{classes[0]} is output 0" in note for note in found.notes)


def test_normalisation_is_inside_the_model_and_keys_do_not_change():
    inner = nn.Sequential(nn.Conv2d(3, 2, 1))
    wrapped = normalised(inner, "imagenet")
    assert list(wrapped.state_dict()) == list(inner.state_dict())
    x = torch.rand(2, 3, 4, 4)
    by_hand = torch.stack([(x[:, k] - mean) / std for k, (mean, std) in enumerate(IMAGENET)], 1)
    assert torch.allclose(wrapped(x), inner(by_hand))
    other = normalised(nn.Sequential(nn.Conv2d(3, 2, 1)), "imagenet")
    other.load_state_dict(wrapped.state_dict())
    assert torch.equal(other(x), wrapped(x)) and weights_sha256(other) == weights_sha256(inner)


def test_clips_are_normalised_frame_by_frame():
    model, clips = normalised(nn.Identity(), "imagenet"), torch.rand(2, 3, 4, 5, 5)
    assert torch.equal(model(clips), torch.stack([model(frame) for frame in clips.unbind(2)], 2))
