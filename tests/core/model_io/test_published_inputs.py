"""Weights in a file are fed as the published weights of the same network, or as their run records it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlcli.core.data.base import ImageData
from dlcli.core.layers.normalise import normalisation_of, normalised
from dlcli.core.model_io.checkpoint import save_weights
from dlcli.core.model_io.published_inputs import preparation_of_mixed, published_inputs
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.model_io.trained import open_trained

CPU = torch.device("cpu")
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def images(classes=3, side=32, n=8):
    torch.manual_seed(1)
    x, y = torch.rand(n, 3, side, side), torch.arange(n) % classes
    return ImageData(x, y, x, y, tuple("abcdefgh"[:classes]), "made up")


def opened(path, arch, data, **more):
    return open_trained(str(path), data, arch=arch, device=CPU, **more)


@pytest.mark.parametrize("outputs", [3, 1000])
@pytest.mark.parametrize("arch", ["shufflenet_v2_x0_5", "torchvision:shufflenet_v2_x0_5"])
def test_weights_of_torchvision_are_fed_as_published_whatever_their_outputs(arch, outputs, tmp_path):
    import torchvision

    torch.manual_seed(0)
    model, data = torchvision.models.shufflenet_v2_x0_5(num_classes=outputs).eval(), images()
    torch.save(model.state_dict(), tmp_path / "tuned.pth")
    found = opened(tmp_path / "tuned.pth", arch, data)
    assert torch.allclose(found.model(data.x_test), model((data.x_test - MEAN) / STD), atol=1e-5)
    assert any("as for its published weights (imagenet)" in note for note in found.notes)


def test_weights_of_timm_are_fed_as_the_default_of_the_architecture(tmp_path):
    timm = pytest.importorskip("timm")
    name = "resnet10t"
    torch.manual_seed(0)
    model, data = timm.create_model(name, num_classes=3).eval(), images()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "tuned.pth.tar")
    config = timm.models.get_pretrained_cfg(name)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    found = opened(tmp_path / "tuned.pth.tar", f"timm:{name}", data)
    assert torch.allclose(found.model(data.x_test), model((data.x_test - mean) / std), atol=1e-5)
    how = preparation_of_mixed(str(tmp_path / "tuned.pth.tar"), f"timm:{name}")
    assert how.crop == config.input_size[1] and how.interpolation == config.interpolation


def test_published_values_for_colour_are_not_those_of_grey_images(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=3, in_chans=1).eval()
    torch.save(model.state_dict(), tmp_path / "grey.pth")
    grey = images()
    grey = ImageData(grey.x_train[:, :1], grey.y_train, grey.x_test[:, :1], grey.y_test, grey.classes, "grey")
    found = opened(tmp_path / "grey.pth", "timm:resnet10t", grey)
    assert normalisation_of(found.model) == "none"
    assert torch.allclose(found.model(grey.x_test), model(grey.x_test), atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_transform_their_input_are_fed_as_with_that_layer(name, tmp_path):
    import torchvision

    build = getattr(torchvision.models, name)
    torch.manual_seed(0)
    model, data = build(num_classes=3, transform_input=True, aux_logits=False, init_weights=False).eval(), images(side=96, n=2)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    expected = model((data.x_test - MEAN) / STD)
    for arch in (name, f"torchvision:{name}"):
        found = opened(tmp_path / "w.pth", arch, data, look=False)
        assert torch.allclose(found.model(data.x_test), expected, atol=1e-4), arch


def test_weights_of_a_run_are_fed_as_the_run_records_it(tmp_path):
    import torchvision

    data = images()
    for how in ("none", "0.3/0.4"):
        torch.manual_seed(0)
        model = normalised(torchvision.models.shufflenet_v2_x0_5(num_classes=3).eval(), how)
        card = {"spec": "shufflenet_v2_x0_5", "surgery": [], "channels": 3, "size": (32, 32), "classes": data.classes}
        save_model(tmp_path / how[0], model=model, **card)
        found = opened(tmp_path / how[0] / "weights.safetensors", "shufflenet_v2_x0_5", data)
        assert torch.allclose(found.model(data.x_test), model(data.x_test), atol=1e-5)
        other = torchvision.models.shufflenet_v2_x0_5(num_classes=3).eval()
        save_weights(tmp_path / how[0] / "other.safetensors", other, {})  # not those of the run
        assert normalisation_of(opened(tmp_path / how[0] / "other.safetensors", "shufflenet_v2_x0_5", data).model) == "imagenet"


def trained_on(how, x):
    """A network of torchvision whose batch normalisations saw images `x` behind a normalisation."""
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        normalised(model, how).train()(x)
    return model.eval()


def test_statistics_of_training_confirm_what_is_published_or_name_something_else(tmp_path):
    torch.manual_seed(2)
    x = F.interpolate(torch.rand(64, 3, 6, 6) * torch.tensor([1.0, 0.7, 0.4]).view(3, 1, 1), 48, mode="bicubic").clamp(0, 1)
    data = ImageData(x, torch.arange(64) % 3, x, torch.arange(64) % 3, ("a", "b", "c"), "made up")
    torch.save(trained_on("imagenet", x).state_dict(), tmp_path / "usual.pth")
    found = opened(tmp_path / "usual.pth", "resnet18", data)
    assert not found.warnings and any("batch normalisations confirm `normalise=imagenet`" in note for note in found.notes)
    torch.save(trained_on("none", x).state_dict(), tmp_path / "plain.pth")
    found = opened(tmp_path / "plain.pth", "resnet18", data)
    assert "pass `normalise=none`" in found.warnings[0] and not any("confirm" in note for note in found.notes)


def test_nothing_is_published_for_built_in_networks_code_and_unknown_names(tmp_path):
    for name in (None, "digits-net", "plain-24", "nets.py:net", "no_such_network", "timm:no_such_network"):
        assert published_inputs(name) is None
    (tmp_path / "w.pth").write_bytes(b"")
    assert preparation_of_mixed(str(tmp_path / "w.pth"), None) is None
    assert preparation_of_mixed("resnet18", None) is None
    assert preparation_of_mixed("inception_v3", None, tmp_path / "w.pth").crop == 299
