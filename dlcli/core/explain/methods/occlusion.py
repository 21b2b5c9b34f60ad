"""Occlusion: what changes when a window of the image is hidden (Zeiler and Fergus 2014, arXiv 1311.2901, section 4.2)."""

import torch
from torch import Tensor, nn

from dlcli.core.explain.base import ExplainSettings, Maps, Target, check_images, evaluated, target_values
from dlcli.core.explain.baselines import baseline


def explain(model: nn.Module, x: Tensor, target: Target, settings: ExplainSettings) -> Maps:
    """A pixel has the mean change of the target over all windows that cover it.

    Windows lie half a window apart; those at the right and lower edge are cut off, so that every pixel is covered. The signed
    map averages how much the target falls, the strength how much it changes.

    Args:
        model: The network; it runs in evaluation mode.
        x: Images (n, c, h, w) in [0, 1], on the CPU.
        target: The number that is explained.
        settings: `window`, `baseline` and `device` are used.

    Returns:
        The maps.

    Raises:
        InputError: If the network fails on the images, or they are clips of video.
        ResourceError: If memory does not suffice for one image.
    """
    check_images(x)
    windows = window_masks((x.shape[2], x.shape[3]), settings.window)
    hidden = baseline(x, settings.baseline)
    images = torch.arange(len(x)).repeat_interleave(len(windows))

    def occluded(numbers: Tensor) -> Tensor:
        mask = windows[numbers % len(windows)][:, None]
        return torch.where(mask, hidden[images[numbers]], x[images[numbers]])

    with evaluated(model):
        before = target_values(model, lambda numbers: x[numbers], torch.arange(len(x)), target, settings.device)
        after = target_values(model, occluded, images, target, settings.device)
    falls = before[:, None] - after.view(len(x), len(windows))
    return Maps(_averaged(falls, windows), _averaged(falls.abs(), windows))


def window_side(size: tuple[int, int], window: int | None) -> int:
    """The side of a window for images of a height and width; None is a quarter of the shorter side."""
    return min(max(1, min(size) // 4) if window is None else window, max(size))


def window_masks(size: tuple[int, int], window: int | None) -> Tensor:
    """Which pixels each window covers, (windows, h, w) bool; None is a quarter of the shorter side."""
    side = window_side(size, window)
    rows, columns = (_intervals(length, min(side, length)) for length in size)
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)


def _intervals(length: int, side: int) -> Tensor:
    """Intervals of `side` pixels, half of it apart, that cover an axis: (intervals, length) bool."""
    stride = max(1, side // 2)
    starts = torch.arange(0, length - side + stride, stride)[:, None]
    at = torch.arange(length)
    return (at >= starts) & (at < starts + side)


def _averaged(changes: Tensor, windows: Tensor) -> Tensor:
    """From changes (n, windows) to their mean over the windows of each pixel, (n, h, w)."""
    weight = windows.flatten(1).double()
    return (changes @ weight / weight.sum(0)).view(len(changes), *windows.shape[1:]).float()
