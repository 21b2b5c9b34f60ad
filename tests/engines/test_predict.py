"""`dlcli predict` on files as people keep them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import predict, train
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError
from tests.core.data.pictures import picture

NETS = '''
import torch
from torch import nn


class Halves(nn.Module):
    """Whether the upper or the lower half is brighter; `classes` outputs, all but two of which never win."""

    def __init__(self, classes=3):
        super().__init__()
        self.classes, self.sharpness = classes, nn.Parameter(torch.tensor(20.0))

    def forward(self, x):
        half = x.shape[-2] // 2
        difference = (x[..., :half, :].mean((1, 2, 3)) - x[..., half:, :].mean((1, 2, 3))) * self.sharpness
        return torch.stack([-difference, difference, *[difference - 99] * (self.classes - 2)], 1)


def needy(classes):
    return Halves(classes)
'''


def halves(folder, names=("lower", "upper"), n=3):
    """Pictures with a bright half, in two folders; by their path the half."""
    found = {}
    for half, name in enumerate(names):
        for k in range(n):
            pixels = np.full((12, 12, 3), 30, np.uint8)
            pixels[6 - 6 * half : 12 - 6 * half] = 200 + k
            found[str(picture(folder / name / f"{k}.png", pixels).relative_to(folder))] = ("lower", "upper")[half]
    return found


@pytest.fixture
def run(tmp_path: Path) -> PredictConfig:
    (tmp_path / "nets.py").write_text(NETS)
    halves(tmp_path / "photos")
    train.run(
        TrainConfig(
            data=str(tmp_path / "photos"), model=f"{tmp_path}/nets.py:Halves", epochs=1, output=tmp_path / "run", device="cpu"
        )
    )
    return PredictConfig(model=str(tmp_path / "run"), device="cpu", top=1)


def labels(config):
    table = predict.run(config).table
    columns = [table.columns.index(name) for name in ("file", "label")]
    return {row[columns[0]]: row[columns[1]] for row in table.rows}


@pytest.mark.parametrize("names", [("lower", "upper"), ("2026-11-01", "2026-11-02"), ("train", "test"), ("x/y/z", "x/y/w")])
def test_every_picture_below_the_folder_has_its_row(run, tmp_path, names):
    inbox = halves(tmp_path / "inbox", names)
    config = replace(run, data=str(tmp_path / "inbox"))
    assert labels(config) == inbox
    result = predict.run(config)
    assert (result.n_images, result.split) == (len(inbox), "")
    assert f"{len(inbox)} test images" in predict.plan(config)[0]


def test_a_set_is_predicted_where_it_is_asked_for(run, tmp_path):
    inbox = halves(tmp_path / "inbox", ("Training/old", "Testing/unknown"))
    assert labels(replace(run, data=str(tmp_path / "inbox"), split="test")) == {
        name: label for name, label in inbox.items() if name.startswith("Testing")
    }
    kept = labels(replace(run, data=str(tmp_path / "photos"), split="test"))
    assert set(kept.values()) == {"lower", "upper"}
    assert len(kept) == 2


def test_the_network_decides_between_pictures_and_videos(run, tmp_path):
    inbox = halves(tmp_path / "inbox")
    (tmp_path / "inbox" / "a.mp4").write_bytes(b"a video comes first")
    assert labels(replace(run, data=str(tmp_path / "inbox"))) == inbox


def test_code_is_built_with_its_own_classes(run, tmp_path):
    halves(tmp_path / "inbox", ("a", "b"))
    own = replace(run, model=f"{tmp_path}/nets.py:Halves", data=str(tmp_path / "inbox"), top=9)
    assert predict.run(own).table.columns[-2:] == ["label_3", "probability_3"]
    assert set(labels(own).values()) == {"0", "1"}
    needy = replace(own, model=f"{tmp_path}/nets.py:needy")
    with pytest.raises(InputError, match="missing 1 required positional argument: 'classes'"):
        predict.run(needy)
    assert set(labels(replace(needy, split="test")).values()) == {"a", "b"}
