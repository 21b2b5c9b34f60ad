"""Forward passes of user-defined networks: outputs that are not logits raise the right error in one line."""

import re
from math import inf

import pytest
import torch
from torch import nn

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.support.errors import InputError, NumericError, ResourceError

IMAGES = torch.rand(5, 1, 6, 6)


class Gives(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


def fail(error):
    def make(x):
        raise error

    return make


def test_logits_are_returned_unchanged():
    found = logits_of(Gives(lambda x: x.flatten(1)), IMAGES, classes=36)
    assert torch.equal(found, IMAGES.flatten(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x, "returns 5x1x6x6 of float32 for 5 images"),
        (lambda x: (x, x), "returns a tuple, not a tensor"),
        (lambda x: x[:1].flatten(1), "returns 1x36 of float32 for 5 images"),
        (lambda x: x.flatten(1).long(), "returns 5x36 of int64"),
        (fail(RuntimeError("mat1 and mat2 shapes cannot be multiplied\nmore")), "fails on images of shape 1x6x6"),
        (fail(KeyError("missing")), "fails on images of shape 1x6x6"),
    ],
)
def test_other_outputs_are_an_input_error(make, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        logits_of(Gives(make), IMAGES)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("layers", "hint"),
    [
        ((nn.Flatten(), nn.Linear(256, 3)), "it takes images of 16x16: resize them with `size=16`"),
        ((nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, 3)), "it takes images of 32x32: resize them with `size=32`"),
        # Pooling rounds down, so that two usual sizes fit.
        ((nn.AvgPool2d(16), nn.Flatten(), nn.Linear(4, 3)), "images of 32x32 or 40x40: resize them with `size=32`"),
        (
            (nn.Conv2d(1, 2, 60), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "64x64 or 80x80 or 96x96 or more: resize them",
        ),
        ((nn.Conv2d(3, 2, 3), nn.Flatten()), "resize the images to the size it was built for"),
        ((Gives(lambda x: x.flatten(1) / (1 if x.sum() == 0 else None)),), "resize the images to the size it was built for"),
    ],
)
def test_the_sizes_that_a_network_takes_are_named(layers: tuple[nn.Module, ...], hint: str):
    model = nn.Sequential(*layers)
    with pytest.raises(InputError) as caught:
        logits_of(model, IMAGES)
    assert hint in caught.value.hint and model.training


def test_too_few_outputs():
    with pytest.raises(InputError, match="has 36 outputs, but labels go up to 36"):
        logits_of(Gives(lambda x: x.flatten(1)), IMAGES, classes=37)


def test_logits_that_are_not_finite_are_a_numeric_error():
    x = IMAGES.clone()
    x[3, 0, 0, 1] = inf
    with pytest.raises(NumericError, match="NaN or infinite for 1 of 5 images"):
        logits_of(Gives(lambda images: images.flatten(1)), x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_out_of_memory_is_a_resource_error(error):
    with pytest.raises(ResourceError, match="5 images"):
        logits_of(Gives(fail(error)), IMAGES)


def test_any_exception_of_the_network_is_an_input_error():
    with pytest.raises(InputError, match="ZeroDivisionError"):
        logits_of(Gives(fail(ZeroDivisionError())), IMAGES)


def test_no_network_is_called_on_no_images():
    lengths = []

    def make(x):
        lengths.append(len(x))
        return x.view(len(x), -1)  # ambiguous for none

    assert logits_of(Gives(make), IMAGES[:0]).shape == (0, IMAGES[0].numel())
    assert lengths == [1]


def test_a_view_of_channels_last_images_is_tried_on_contiguous_ones():
    images = torch.rand(5, 3, 4, 4)
    found = logits_of(Gives(lambda x: x.view(len(x), -1)), images.contiguous(memory_format=torch.channels_last))
    assert torch.equal(found, images.flatten(1))


@pytest.mark.parametrize("training", [False, True])
def test_modes_are_restored_even_after_an_error(training):
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2), nn.Linear(2, 2)).train()
    model[1].eval()
    with pytest.raises(KeyError), in_mode(model, training=training):
        assert all(module.training == training for module in model.modules())
        raise KeyError
    assert [module.training for module in model.modules()] == [True, True, False, True]
