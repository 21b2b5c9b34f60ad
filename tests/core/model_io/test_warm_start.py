"""Weights to start from: which are loaded, which are reinitialised, and which are errors."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from dlcli.core.data.base import ImageData
from dlcli.core.layers.normalise import Normalised
from dlcli.core.model_io.checkpoint import save_weights, weights_sha256
from dlcli.core.model_io.untrained import find_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.support.errors import InputError


def _data(classes=4, frames=None):
    x = torch.rand(4, 3, *(() if frames is None else (frames,)), 32, 32)
    y = torch.arange(4) % classes
    return ImageData(x, y, x, y, tuple(map(str, range(classes))), "made up")


def _arch(spec, classes=4, frames=None):
    return find_model(spec, _data(classes, frames))


def _saved(path, spec, classes=4):
    torch.manual_seed(7)
    model = _arch(spec, classes).build().eval()
    save_weights(path, model, {})
    return model


def test_a_network_starts_from_exactly_the_given_weights(tmp_path):
    model = _saved(tmp_path / "w.safetensors", "cifar-resnet")
    arch = warm_started(_arch("cifar-resnet"), tmp_path / "w.safetensors", 4)
    assert weights_sha256(arch.build()) == weights_sha256(model)
    assert arch.notes == ()
    assert arch.source_sha256 != _arch("cifar-resnet").source_sha256


@pytest.mark.parametrize("wrapped", [False, True])
def test_other_classes_reinitialise_only_the_last_layer(tmp_path, wrapped):
    model = _saved(tmp_path / "w.safetensors", "resnet18", classes=9)
    state = {("module." if wrapped else "") + key: value for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    arch = warm_started(_arch("resnet18"), tmp_path / "w.pt", 4)
    built = arch.build().inner
    torch.manual_seed(0)
    once = arch.build().inner
    assert once.fc.weight.shape == (4, 512) and not torch.equal(once.fc.weight, built.fc.weight)
    kept = {key for key, value in built.state_dict().items() if torch.equal(value, model.state_dict()[key])}
    assert set(model.state_dict()) - kept == {"fc.weight", "fc.bias"}
    assert "so the last layer of resnet18 is reinitialised" in arch.notes[-2]


@pytest.mark.parametrize("kept", ["whole", "headless"])
def test_a_backbone_loads_weights_with_or_without_a_last_layer(tmp_path, kept):
    whole = _saved(tmp_path / "w.safetensors", "mobilenet_v2", classes=1000)
    state = {key: value for key, value in whole.state_dict().items() if kept == "whole" or not key.startswith("classifier")}
    torch.save(state, tmp_path / "w.pth")
    arch = warm_started(_arch("frame-mlp:mobilenet_v2", frames=2), tmp_path / "w.pth", 4)
    model = arch.build().eval()
    assert isinstance(model, Normalised)
    assert arch.notes == (
        "frame-mlp:mobilenet_v2: images are normalised as for its published weights (imagenet); `normalise=HOW` changes that",
    )
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    whole.classifier[1], frames = nn.Identity(), _data(frames=2).x_test
    features = sum(whole((frame - mean) / std) for frame in frames.unbind(2)) / 2
    assert torch.allclose(model(frames), model.inner.mlp(features), atol=1e-4)


def test_only_networks_with_published_weights_are_normalised(tmp_path):
    _saved(tmp_path / "w.safetensors", "mobilenet_v2", classes=7)
    fine_tuned = warm_started(_arch("mobilenet_v2"), tmp_path / "w.safetensors", 4).build()
    assert isinstance(fine_tuned, Normalised) and fine_tuned.how.name == "imagenet"
    assert not isinstance(warm_started(_arch("mobilenet_v2"), tmp_path / "w.safetensors", 4, "none").build(), Normalised)
    _saved(tmp_path / "own.safetensors", "cifar-resnet", classes=1000)
    assert not isinstance(warm_started(_arch("cifar-resnet"), tmp_path / "own.safetensors", 4).build(), Normalised)


def test_the_error_for_weights_that_do_not_fit_names_the_keys(tmp_path):
    _saved(tmp_path / "w.safetensors", "resnet18")
    for spec, frames in (("resnet34", None), ("frame-mlp:cifar-resnet", 2), ("besnet18", 2)):
        with pytest.raises(InputError, match=f"w.safetensors: the weights do not fit {spec}: m"):
            warm_started(_arch(spec, frames=frames), tmp_path / "w.safetensors", 4)
    with pytest.raises(InputError, match="no such file"):
        warm_started(_arch("resnet18"), tmp_path / "none.pt", 4)


def test_other_weights_change_the_source_digest(tmp_path):
    model = _saved(tmp_path / "a.safetensors", "cifar-resnet")
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    save_weights(tmp_path / "b.safetensors", model, {})
    arch = replace(_arch("cifar-resnet"), notes=("an earlier note",))
    both = [warm_started(arch, tmp_path / f"{name}.safetensors", 4) for name in "ab"]
    assert both[0].source_sha256 != both[1].source_sha256
    assert both[0].notes == ("an earlier note",)
