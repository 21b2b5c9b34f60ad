"""A network behind a normalisation gets what a caller would compute by hand."""

import pytest
import torch
from torch import nn

from dlcli.core.layers.normalise import Normalised, normalisation_of, normalised, without_normalisation
from dlcli.support.errors import InputError, UsageError

X = torch.rand(3, 3, 5, 4)


def by_hand(name):
    """The images as the network gets them."""
    numbers = {
        "imagenet": lambda x: (
            (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        ),
        "0-255": lambda x: 255 * x,
        "0.5/0.25": lambda x: (x - 0.5) / 0.25,
        "none:bgr": lambda x: x[:, [2, 1, 0]],
        "104,117,123/1:bgr": lambda x: 255 * x[:, [2, 1, 0]] - torch.tensor([104.0, 117, 123]).view(3, 1, 1),
    }
    return numbers[name](X)


@pytest.mark.parametrize("name", ["imagenet", "0-255", "0.5/0.25", "none:bgr", "104,117,123/1:bgr"])
def test_it_equals_the_computation_by_hand(name):
    model = normalised(nn.Identity(), name, 3)
    assert torch.equal(model(X), by_hand(name)) and normalisation_of(model) == name


def test_another_normalisation_takes_the_place_of_the_first():
    net = nn.Conv2d(3, 2, 1)
    twice = normalised(normalised(net, "imagenet"), "0.5/0.5")
    assert torch.equal(twice(X), net((X - 0.5) / 0.5))
    assert normalised(twice, "none") is net and without_normalisation(net) is net and normalisation_of(net) == "none"


def test_clips_are_normalised_frame_by_frame_in_every_spelling():
    model, clip = normalised(nn.Identity(), "imagenet:bgr"), torch.rand(2, 3, 4, 5, 5)
    assert torch.equal(model(clip), torch.stack([model(frame) for frame in clip.unbind(2)], 2))


def test_modes_of_layers_are_left_alone():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout()).train()
    net[0].eval()
    assert [module.training for module in normalised(net, "imagenet").modules()] == [True, True, False, True]


def test_colours_are_refused_for_grey_images():
    with pytest.raises(InputError, match="imagenet is for images of 3 channels; these have 1 channel"):
        normalised(nn.Identity(), "imagenet", 1)
    assert isinstance(normalised(nn.Identity(), "mnist", 1), Normalised)
    with pytest.raises(UsageError, match="is not one of"):
        normalised(nn.Identity(), "imagenette")
