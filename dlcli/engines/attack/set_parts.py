"""The parts in which the images of a set are made, one after another or in several processes.

They depend on the images and the device alone, so the result is the same however many processes make them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlcli.core.attacks.base import BATCH_SIZE, Attack
from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.core.compute.batches import parts_apart
from dlcli.engines.attack.resume import PartialResult


class SetPart(NamedTuple):
    """Some of the images that are attacked.

    Attributes:
        images: Which.
        name: Is added to the name of the set; empty if these are all images.
    """

    images: slice
    name: str


def parts_of(attack: Attack, x: Tensor, device: torch.device) -> list[SetPart]:
    """The parts of the images `x` (n, ...) that `attack` is to change on `device`, whole batches but for the last one."""
    # Images that were saved are checked against all clean ones.
    saved = isinstance(attack, Transfer) and attack.saved is not None
    parts = [slice(0, len(x))] if saved else parts_apart(x, BATCH_SIZE, device)
    of = len(parts)
    return [SetPart(part, "" if of == 1 else f" part {k} of {of}") for k, part in enumerate(parts, 1)]


def joined(parts: Sequence[PartialResult]) -> PartialResult:
    """The result of all images from those of the parts."""
    if len(parts) == 1:
        return parts[0]
    queries = np.average([one.queries for one in parts], weights=[len(one.tensor) for one in parts])
    return PartialResult(torch.cat([one.tensor for one in parts]), float(queries), sum(one.seconds for one in parts))
