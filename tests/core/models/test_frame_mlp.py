"""Features of frames, averaged: the outputs of the image network before its last layer, whatever the order of frames."""

import pytest
import torch
from torch import nn

from dlcli.core.compute.rng import generator
from dlcli.core.data.base import ImageData
from dlcli.core.graph.last_hidden import hidden_features
from dlcli.core.model_io.checkpoint import save_weights
from dlcli.core.model_io.untrained import find_model, open_model
from dlcli.core.model_io.warm_start import warm_started
from dlcli.support.errors import InputError, UsageError

CPU = torch.device("cpu")


def _data(frames=5, size=(32, 32), channels=3, classes=4):
    x = torch.rand(6, channels, frames, *size, generator=generator(0))
    y = torch.arange(6) % classes
    return ImageData(x, y, x, y, tuple(map(str, range(classes))), "made up")


@pytest.mark.parametrize("flat", ["cifar-resnet", "resnet18", "squeezenet1_1", "mobilenet_v2"])
def test_features_are_the_last_hidden_layer_of_each_frame(flat):
    """The peer is `hidden_features`, which hooks the whole network instead of taking its last layer off."""
    data = _data(frames=2)
    torch.manual_seed(0)
    model = open_model(f"frame-mlp:{flat}", data).build().eval()
    torch.manual_seed(0)
    whole = find_model(flat, data.frame_template()).build().eval()
    frames = [hidden_features(whole, frame, device=CPU) for frame in data.x_test.unbind(2)]
    model.mlp = nn.Identity()
    found = model(data.x_test)
    assert found.shape == frames[0].shape
    assert torch.allclose(found, torch.tensor(sum(frames) / 2), atol=1e-5)


def test_logits_depend_on_neither_order_nor_number_of_frames():
    data = _data()
    model = open_model("frame-mlp:cifar-resnet", data).build().eval()
    logits = model(data.x_test)
    assert logits.shape == (6, 4)
    assert torch.allclose(model(data.x_test.flip(2)), logits, atol=1e-6)
    assert torch.allclose(model(data.x_test.repeat(1, 1, 3, 1, 1)), logits, atol=1e-6)
    assert torch.allclose(model(data.x_test[:, :, 0]), model(data.x_test[:, :, :1]))


def test_training_does_not_change_the_backbone():
    model = open_model("frame-mlp:cifar-resnet", _data()).build().train()
    assert model.mlp.training and not any(module.training for module in model.backbone.modules())
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    model(_data().x_test).sum().backward()
    assert all(torch.equal(before[key], value) for key, value in model.backbone.state_dict().items())
    assert {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None} == {"mlp"}


def test_a_note_warns_of_random_features_until_weights_are_given(tmp_path):
    found = open_model("frame-mlp:cifar-resnet-8", _data())
    assert "cifar-resnet-8 has random weights" in "".join(found.notes)
    save_weights(tmp_path / "w.safetensors", find_model("cifar-resnet-8", _data().frame_template()).build(), {})
    assert warm_started(found, tmp_path / "w.safetensors", 4).notes == ()


def test_a_network_without_a_removable_last_layer_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="frame-mlp needs the network for images") as caught:
        find_model("frame-mlp", _data())
    assert "model=frame-mlp:squeezenet1_1" in caught.value.hint
    with pytest.raises(UsageError, match="no model is called 'squeezenet9'"):
        find_model("frame-mlp:squeezenet9", _data())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(
        "from torch import nn\nclass Ends(nn.Module):\n    def forward(self, x):\n        return x.mean((2, 3))\n"
    )
    with pytest.raises(InputError, match="has no last layer that can be removed"):
        find_model("frame-mlp:nets.py:Ends", _data()).build()
