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
    return PredictConfig(trust_code=True, model=str(tmp_path / "run"), device="cpu", top=1)


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


def rows_of(config: PredictConfig) -> list[str]:
    return [row[1] for row in predict.run(config).table.rows]


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Images of 12x12 whose bright half alternates in threes: lower, upper, upper ..."""
    x = np.full((9, 12, 12, 3), 30, np.uint8)
    for k, image in enumerate(x):
        image[6:] = 200 if k % 3 == 0 else 30
        image[:6] = 200 if k % 3 else 30
    return {"x": x, "y": np.array(["cat", "dog", "dog"] * 3)}


HALVES = ["lower", "upper", "upper"] * 3


@pytest.mark.parametrize("labels", ["none", "theirs", "one class", "broken", "numbers"])
def test_every_image_of_an_archive_is_predicted(run: PredictConfig, tmp_path: Path, arrays: dict[str, np.ndarray], labels: str):
    y = {
        "theirs": arrays["y"],
        "one class": np.zeros(9, int),
        "broken": np.ones(4),
        "numbers": np.arange(9),
    }
    np.savez(tmp_path / "some.npz", x=arrays["x"], **({"y": y[labels]} if labels in y else {}))
    result = predict.run(replace(run, data=str(tmp_path / "some.npz")))
    assert [row[1] for row in result.table.rows] == HALVES and result.split == ""
    np.savez(tmp_path / "one.npz", x=arrays["x"][:1], **({"y": y[labels][:1]} if labels in y else {}))
    assert rows_of(replace(run, data=str(tmp_path / "one.npz"))) == ["lower"]


def test_all_sets_of_an_archive_are_predicted_unless_one_is_asked_for(
    run: PredictConfig, tmp_path: Path, arrays: dict[str, np.ndarray]
):
    x, y = arrays["x"], arrays["y"]
    path = str(tmp_path / "sets.npz")
    np.savez(path, x_train=x[:4], y_train=y[:4], x_test=x[4:6], y_test=y[4:6], x_dev=x[6:])
    result = predict.run(replace(run, data=path))
    assert [row[1] for row in result.table.rows] == HALVES
    for name, rows in (("train", slice(4)), ("test", slice(4, 6))):
        asked = predict.run(replace(run, data=path, split=name))
        assert [row[1] for row in asked.table.rows] == HALVES[rows] and asked.split == name
    alone = str(tmp_path / "unlabelled.npz")
    np.savez(alone, x_test=x[4:6], x_dev=x[6:])
    assert rows_of(replace(run, data=alone, split="dev")) == HALVES[6:]
    with pytest.raises(InputError, match="has no split 'train'"):
        predict.run(replace(run, data=alone, split="train"))


def test_one_array_of_any_name_is_enough(run: PredictConfig, tmp_path: Path, arrays: dict[str, np.ndarray]):
    np.save(tmp_path / "images.npy", arrays["x"])
    np.savez(tmp_path / "images.npz", arrays["x"], times=np.arange(9))
    for name in ("images.npy", "images.npz"):
        assert rows_of(replace(run, data=str(tmp_path / name))) == HALVES
    np.savez(tmp_path / "two.npz", a=arrays["x"], b=arrays["x"])
    with pytest.raises(InputError, match=r"has a, b; images are looked for in x, x_train"):
        predict.run(replace(run, data=str(tmp_path / "two.npz")))
    with pytest.raises(InputError, match="is a single array"):
        train.run(TrainConfig(trust_code=True, data=str(tmp_path / "images.npy")))


def test_a_fifth_of_an_unsplit_archive_is_its_test_set_only_when_asked(
    run: PredictConfig, tmp_path: Path, arrays: dict[str, np.ndarray]
):
    np.savez(tmp_path / "some.npz", **arrays)
    found = {name: len(rows_of(replace(run, data=str(tmp_path / "some.npz"), split=name))) for name in ("train", "test")}
    assert sum(found.values()) == 9 and 0 < found["test"] < found["train"]
