"""Attacks on networks with an answer for each place of an image, or for sequences that differ in length."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack
from dlcli.core.compute.padding import lengths_of
from dlcli.core.data.mask_labels import sizes_of
from dlcli.core.layers.normalise import Normalised
from dlcli.support.reporter import Task

_ANY = (-torch.inf, torch.inf)
"""The bounds of values that have none."""


class PlacesInARow(nn.Module):
    """`inner`, a network with logits (n, k, ...) for each place, as one with logits (n, k x places)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to logits (n, k x places)."""
        found: Tensor = self.inner(x)
        return found.flatten(1)


def attacked_pictures(
    attack: Attack, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, norm: str, seed: int, places: Tensor, task: Task
) -> Tensor:
    """Pictures that an attack has changed to raise the sum of the cross-entropy over their labelled pixels.

    Args:
        attack: One that `raises_cross_entropy`, or one that uses nothing of the network.
        model: Network with logits (n, classes, h, w).
        x: Pictures (n, c, h, w) in [0, 1].
        y: Their masks (n, h, w), uint8, OUTSIDE beside pictures that are smaller; other labels that are no class do not count.
        eps: The largest change of a picture in `norm`.
        norm: A norm of the attack.
        seed: Of all random numbers.
        places: Where the pictures stand in the whole set, (n,).
        task: Is advanced by one per picture.

    Returns:
        The pictures, in the shape of `x`; what lies beside smaller ones is as it was.
    """
    found, inner = x.clone(), PlacesInARow(model)
    for which, (height, width) in _alike(sizes_of(y.numpy())):
        there = slice(None, height), slice(None, width)
        pictures, masks = x[which][:, :, *there].contiguous(), y[which][:, *there].long()
        made = attack(inner, pictures, masks, eps=eps, norm=norm, full=True, seed=seed, first=places[which], task=task)
        found[which, :, :height, :width] = made
    return found


def attacked_sequences(
    attack: Attack, model: nn.Module, x: Tensor, y: Tensor, *, eps: float, norm: str, seed: int, places: Tensor, task: Task
) -> Tensor:
    """Sequences that an attack has changed within `eps`, in standard deviations of each channel where the network has these.

    Sequences of one length are attacked together, without padding, which is therefore left as it is. Values have no bounds.

    Args:
        attack: One that `raises_cross_entropy`, or one that uses nothing of the network.
        model: Network of sequences, perhaps behind a standardisation.
        x: Padded sequences (n, channels, t).
        y: Their labels (n,).
        eps: The largest change of a sequence in `norm`.
        norm: A norm of the attack.
        seed: Of all random numbers.
        places: Where the sequences stand in the whole set, (n,).
        task: Is advanced by one per sequence.

    Returns:
        The sequences, in the shape of `x` and in its units.
    """
    inner, mean, deviation = units_of(model, x.shape[1])
    found = x.clone()
    with torch.backends.cudnn.flags(enabled=False):  # its recurrent layers have no backward pass in evaluation mode
        for which, (steps,) in _alike(lengths_of(x).numpy()[:, None]):
            values = (x[which][:, :, :steps] - mean) / deviation
            made = attack(inner, values, y[which], eps=eps, norm=norm, bounds=_ANY, seed=seed, first=places[which], task=task)
            changed = (made != values).flatten(1).any(1)[:, None, None]  # those that are left alone keep every bit
            found[which, :, :steps] = torch.where(changed, made * deviation + mean, x[which][:, :, :steps])
    return found


def units_of(model: nn.Module, channels: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of sequences and the units of its inputs.

    Args:
        model: The network, perhaps behind a standardisation.
        channels: Of its sequences.

    Returns:
        The network of standardised sequences, and the mean and the standard deviation of each channel, (1, channels, 1): those
        of the standardisation, or 0 and 1 without one.
    """
    if not isinstance(model, Normalised):
        return model, torch.zeros(1, channels, 1), torch.ones(1, channels, 1)
    mean, deviation = (part.detach().cpu().reshape(1, -1, 1).expand(1, channels, 1) for part in (model.mean, model.std))
    return model.inner, mean, deviation


def _alike(sizes: NDArray[np.int64]) -> Iterator[tuple[Tensor, list[int]]]:
    """The indices (m,) of examples of one size, and that size, by ascending size."""
    for size in np.unique(sizes, axis=0):
        yield torch.from_numpy(np.flatnonzero((sizes == size).all(1))), size.tolist()
