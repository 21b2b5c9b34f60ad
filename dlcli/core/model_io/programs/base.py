"""What all programs have in common: a module that cannot be changed, its examples, and a record of its classes."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.compute.forward import OpaqueNetwork
from dlcli.support.errors import InputError
from dlcli.support.plural import count

RECORD = "dlcli"
"""The key under which a program that dlcli wrote holds the names of its classes, as JSON."""

_COLOURS = (1, 3)
_HINT = "export a network of one input (n, c, h, w) and one output (n, classes), both float32"


class ProgramNetwork(OpaqueNetwork, ABC):
    """A program as a module: no layers, no training mode, and batches of any size also where it takes one size only.

    Args:
        batch: The batch size that the program takes; None for any.
        channels_last: Whether it takes (n, h, w, c).
    """

    def __init__(self, *, batch: int | None, channels_last: bool) -> None:
        super().__init__()
        self.batch, self.channels_last = batch, channels_last

    @override
    def train(self, mode: bool = True) -> "ProgramNetwork":
        """Programs are saved in evaluation mode and stay there."""
        self.training = False
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Images or clips (n, c, ...) to logits (n, classes)."""
        x = (x.movedim(1, -1) if self.channels_last else x).contiguous()
        if self.batch is None:
            return self.call(x)
        # Each example is computed by itself, so what fills the last batch does not matter.
        missing = -len(x) % self.batch
        full = torch.cat([x, x[:1].expand(missing, *x.shape[1:])]) if missing else x
        return torch.cat([self.call(part) for part in full.split(self.batch)])[: len(x)]

    @abstractmethod
    def call(self, x: Tensor) -> Tensor:
        """Run the program on a batch of the size that it takes."""


@dataclass(frozen=True)
class Signature:
    """What a program takes.

    Attributes:
        batch: Its batch size; None for any.
        shape: Shape of an example, channels first; None where any size will do.
        channels_last: Whether it takes channels last.
    """

    batch: int | None
    shape: tuple[int | None, ...]
    channels_last: bool


@dataclass(frozen=True)
class Program:
    """A program that was opened: the network, what it takes, the names of its classes where dlcli wrote it, and notes."""

    model: ProgramNetwork
    signature: Signature
    classes: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def signature_of(path: Path, shape: Sequence[object], dtype: str) -> Signature:
    """The signature of a program, by its only input.

    Args:
        path: The file, for messages.
        shape: Shape of the input, batch first; no number where any size will do.
        dtype: Its type.

    Returns:
        The signature.

    Raises:
        InputError: If that is no batch of images or clips in float32.
    """
    sides = [side if isinstance(side, int) else None for side in shape]
    if dtype != "float32" or len(sides) not in (4, 5):
        wanted = "x".join("?" if side is None else str(side) for side in sides)
        raise InputError(f"{path}: takes {wanted} of {dtype}, no images or clips", hint=_HINT)
    batch, *example = sides
    last = example[0] not in _COLOURS and example[-1] in _COLOURS
    return Signature(batch, (example[-1], *example[:-1]) if last else tuple(example), last)


def not_one(path: Path, inputs: int, outputs: int) -> InputError:
    """The error for a program with more than one input, or without an output.

    Args:
        path: The file.
        inputs: How many it has.
        outputs: How many it has.

    Returns:
        The error, to be raised.
    """
    return InputError(f"{path}: has {count(inputs, 'input')} and {count(outputs, 'output')}", hint=_HINT)


def several_outputs(names: Sequence[str], chosen: str) -> tuple[str, ...]:
    """A note on which output counts, if there are several."""
    if len(names) < 2:
        return ()
    return (f"the network has {count(len(names), 'output')} ({', '.join(names)}), of which '{chosen}' is taken as the logits",)


def record(classes: tuple[str, ...]) -> str:
    """What a program holds under `RECORD`."""
    return json.dumps({"classes": list(classes)})


def classes_of(path: Path, written: str | None) -> tuple[str, ...] | None:
    """The names of the outputs in a record.

    Args:
        path: The file, for messages.
        written: What it holds under `RECORD`; None or "" if nothing.

    Returns:
        The names, None without a record.

    Raises:
        InputError: If the record is damaged.
    """
    if not written:
        return None
    try:
        classes = json.loads(written)["classes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        classes = None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise InputError(f"{path}: its record of classes is damaged", hint="export it again")
    return tuple(classes)
