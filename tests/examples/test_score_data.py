"""The data of scores that the examples make: photographs stay in one set, and the supply of digits is a bell."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import ROOT


def made(script: str, *words: str) -> dict[str, np.ndarray]:
    """The arrays of the file that a script writes, which is the last word."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "examples" / script), *words[:-1], "-o", words[-1]]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with np.load(words[-1]) as file:
        return dict(file)


def test_copies_of_a_photograph_differ_in_their_level_and_stay_in_one_set(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    for k in range(12):  # of one colour each, which neither blur nor compression changes by much
        Image.new("RGB", (40, 40), (20 * k, 20 * k, 20 * k)).save(tmp_path / "photos" / f"{k:02}.png")
    found = made("distorted_photos.py", str(tmp_path / "photos"), "--size", "16", "--copies", "3", str(tmp_path / "d.npz"))
    photos = {name: np.rint(found[f"x_{name}"].mean((1, 2, 3)) / 20).astype(int) for name in ("train", "test")}
    assert sorted({*photos["train"]} | {*photos["test"]}) == list(range(12))
    assert not {*photos["train"]} & {*photos["test"]} and len({*photos["test"]}) == 3
    for name, which in photos.items():
        assert all(len({*found[f"y_{name}"][which == k]}) == 3 for k in which)


def test_scores_in_the_middle_are_more_frequent_in_a_bell(tmp_path: Path):
    y = np.arange(400) % 10
    x = np.repeat(y[:, None, None].astype(np.uint8), 4, axis=1).repeat(4, axis=2)
    np.savez(tmp_path / "m.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    words = (str(tmp_path / "m.npz"), "--images", "100", "--size", "4")
    bell = made("mnist_scores.py", *words, "--bell", "1.5", str(tmp_path / "bell.npz"))
    middle = np.isin(bell["y_train"], (3, 4, 5, 6)).mean()
    assert middle > 0.6 and bell["x_train"].shape == (100, 4, 4, 3)
    assert (bell["x_test"][:, 0, 0, 0] == bell["y_test"]).all()
