"""`dlcli eval --explain` and `dlcli predict --explain` on digits, and the files that they write."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run


def opened(folder, name):
    """The maps of one image, after a look at its picture."""
    with Image.open(folder / f"{name}.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    # Three panels side by side, and colours on the second and the third of them.
    height, width = pixels.shape[:2]
    assert width > 2 * height
    colourful = np.abs(pixels[..., 0] - pixels[..., 2]).max(0) > 30
    thirds = [part.any() for part in np.array_split(colourful, 3)]
    assert thirds == [False, True, True]
    return np.load(folder / f"{name}.npy"), np.load(folder / f"{name}-signed.npy")


@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients"])
def test_eval_writes_maps_that_are_faithful(dlcli: Run, tmp_path, method):
    done = dlcli("eval", "--explain", method, "-o", "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["explanation"]
    assert found["method"] == method
    assert len(found["names"]) == 16
    for name in found["names"]:
        strength, signed = opened(tmp_path / "out" / "explain", name)
        assert strength.shape == signed.shape == (8, 8)
        assert (strength >= np.abs(signed) - 1e-6).all()
    check = found["faithfulness"]
    assert 0 < check["minus_elsewhere"]["low"] < check["minus_elsewhere"]["value"] < check["change"]
    assert check["minus_elsewhere"]["n"] == 16


def test_predict_writes_maps_of_a_picture(dlcli: Run, tmp_path):
    Image.fromarray(np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))).save(tmp_path / "ramp.png")
    done = dlcli("train", "--epochs", "1", "--device", "cpu", "-o", "run", "-q")
    assert done.returncode == 0, done.stderr
    done = dlcli("predict", "run", "ramp.png", "--explain", "grad-cam", "--maps", ".", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"index,file,label,")
    assert b"wrote ramp-grad-cam-signed.npy, ramp-grad-cam.npy, ramp-grad-cam.png" in done.stderr
    strength, signed = opened(tmp_path, "ramp-grad-cam")
    assert np.array_equal(strength, np.abs(signed))
    with Image.open(tmp_path / "ramp.png") as own:
        assert own.size == (16, 16)


def test_a_method_that_does_not_fit_is_status_3(dlcli: Run):
    done = dlcli("eval", "torchvision:vit_b_16", "--explain", "grad-cam")
    assert done.returncode == 2
    done = dlcli("train", "--model", "mlp", "--epochs", "1", "--device", "cpu", "-o", "run", "-q")
    assert done.returncode == 0, done.stderr
    done = dlcli("eval", "run", "--explain", "grad-cam", "-o", "out", "--device", "cpu")
    assert done.returncode == 3
    assert b"no spatial feature map" in done.stderr
