"""Digits as scores: a .npz of some images of MNIST, with as many of each digit as there are or a bell-shaped supply.

python examples/mnist_scores.py mnist.npz --bell 1.8 -o mnist_bell.npz
"""

import argparse
from pathlib import Path

import numpy as np
from _page import run_script

from dlcli.core.compute.loader import to_float
from dlcli.core.data import open_data


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a .npz of MNIST, or mnist, which is downloaded")
    parser.add_argument("--bell", type=float, metavar="SD", help="standard deviation of a normal supply about 4.5")
    parser.add_argument("--images", type=int, default=1000, help="images in each set (default: 1000)")
    parser.add_argument("--size", type=int, default=24, help="height and width in pixels (default: 24)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    options = parser.parse_args()
    digits = open_data(options.data, size=options.size)
    random, arrays = np.random.default_rng(options.seed), {}
    for name, images, labels in (("train", digits.x_train, digits.y_train), ("test", digits.x_test, digits.y_test)):
        y = labels.numpy()
        weights = np.ones(len(y)) if options.bell is None else np.exp(-((y - 4.5) ** 2) / 2 / options.bell**2)
        picked = random.choice(len(y), options.images, replace=False, p=weights / weights.sum())
        x = np.rint(255 * to_float(images[picked]).numpy()).astype(np.uint8)
        arrays |= {f"x_{name}": np.repeat(x.transpose(0, 2, 3, 1), 3, axis=3), f"y_{name}": y[picked].astype(np.float32)}
    with options.output.open("wb") as file:
        np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    run_script(main)
