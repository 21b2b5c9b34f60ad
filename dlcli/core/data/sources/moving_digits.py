"""Synthetic clips whose class is only in the order of the frames: a digit that moves to the left or to the right.

Every clip exists twice, forwards and backwards, so both classes have exactly the same frames. A model that looks at single
frames, or at all of them regardless of their order, is right on exactly half of the clips.
"""

import torch
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions, Split, choose, data_from_splits
from dlcli.core.data.sources import digits
from dlcli.support.errors import UsageError
from dlcli.support.seeds import derive

NAME = "moving-digits"
DESCRIPTION = f"{NAME}[-PIXELS]"

SIDE = 32
"""Height and width of a frame; a digit that leaves on one side enters on the other."""

_SPEED = 2


def claims(spec: str) -> bool:
    """Whether `spec` is `moving-digits`, or that with a speed in pixels per frame, as in `moving-digits-4`."""
    speed = spec.removeprefix(NAME).removeprefix("-")
    return spec == NAME or (spec == f"{NAME}-{speed}" and speed.isascii() and speed.isdecimal())


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load grey clips (n, 3, clips * frames, 32, 32) of the classes left and right, by default at 2 pixels per frame.

    Each of the 1,797 digits gives one clip per class; the training digits of `digits` give the training set, the others the
    test set. Raises UsageError for a speed at which left and right are the same, or if `options.sampling` has `fps`.
    """
    sampling = options.require_sampling(spec)
    if sampling.fps is not None:
        raise UsageError(f"`fps`: {spec} are generated frame by frame and have no time axis", hint=f"{NAME}-4 is faster")
    speed = int(spec.removeprefix(NAME).removeprefix("-") or _SPEED)
    if 2 * speed % SIDE == 0:
        raise UsageError(
            f"`{options.option}`: {spec}: at {speed} pixels per frame left and right are the same", hint=f"{NAME}-4"
        )
    clips, frames = sampling.shape
    still = digits.load("digits")
    sets = {name: _moved(split.x, name, speed, clips * frames, options.limit) for name, split in still.splits.items()}
    data = data_from_splits(sets, ("left", "right"), spec)
    return ImageData(**{**vars(data), "clips": clips})


def _moved(x: Tensor, name: str, speed: int, frames: int, limit: int | None) -> Split:
    """Turn digits (n, 1, h, w) into clips (2 n, 3, frames, SIDE, SIDE), for each digit first the one to the left.

    At most `limit` of them are made, those that `choose` selects.
    """
    source = generator(derive(0, NAME, name))
    down, right = torch.randint(SIDE, (2, len(x), 1), generator=source)
    rows = (torch.arange(SIDE) - down) % SIDE
    columns = (torch.arange(SIDE) - right[:, None] - speed * torch.arange(frames)[:, None]) % SIDE
    canvas = torch.zeros(len(x), SIDE, SIDE)
    canvas[:, : x.shape[2], : x.shape[3]] = x[:, 0]
    y = torch.arange(2).repeat(len(x))
    chosen = torch.from_numpy(choose(y.numpy(), limit))
    n, y = chosen // 2, y[chosen]
    to_the_right = canvas[n[:, None, None, None], rows[n][:, None, :, None], columns[n][:, :, None, :]]
    clips = torch.where(y[:, None, None, None].bool(), to_the_right, to_the_right.flip(1))
    return Split(clips[:, None].repeat(1, 3, 1, 1, 1), y)
