"""What a network was made for, by its card."""

import pytest
import torch
from torch import nn

from dlcli.core.model_io.ensemble_dir import member_folder, save_ensemble_metadata
from dlcli.core.model_io.input_shape import InputShape, input_shape
from dlcli.core.model_io.run_dir import save_model
from dlcli.engines import convert_2d_to_3d
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig


def save(folder, size=(20, 20), frames=None):
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save_model(folder, model=nn.Linear(2, 2), spec="net", surgery=(), channels=1, size=size, classes=("a", "b"), frames=frames)


@pytest.mark.parametrize(
    ("size", "frames", "expected"),
    [
        ((20, 20), None, InputShape(False, None, 20, 1)),
        ((20, 30), None, InputShape(False, None, None, 1)),
        ((20, 20), 5, InputShape(True, 5, 20, 1)),
    ],
)
def test_runs_and_ensembles(size, frames, expected, tmp_path):
    save(tmp_path / "run", size, frames)
    assert input_shape(str(tmp_path / "run")) == expected
    save(member_folder(tmp_path / "team", 0), size, frames)
    save_ensemble_metadata(tmp_path / "team", 1, "mean")
    assert input_shape(str(tmp_path / "team")) == expected


def test_converted_networks(tmp_path):
    file = tmp_path / "video.safetensors"
    convert_2d_to_3d.run(Convert2DTo3DConfig(model="cifar-resnet-8", size=40, classes=3, frames=2, output=file))
    assert input_shape(str(file)) == InputShape(True, None, 40, 3)


@pytest.mark.parametrize("spec", [None, "resnet18", "net.py:Net", "there/is/nothing", "."])
def test_what_has_no_card(spec):
    assert input_shape(spec) is None
