"""A network for video as a program of torch.export, which runs without the code that it was made of."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import torch
from torch import nn

from dlcli.core.compute.forward import in_mode
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError


def export(model: nn.Module, path: Path, shape: Sequence[int]) -> None:
    """Write the program for clips of exactly `shape` (n, c, t, h, w) to `path`, as `torch.export.load` reads it.

    Raises InputError if torch cannot export the network, and OSError if it cannot be written.
    """
    like = next(model.parameters())
    with in_mode(model), torch.no_grad():
        try:
            program = torch.export.export(model, (torch.zeros(*shape, dtype=like.dtype, device=like.device),))
        except Exception as error:  # torch raises many kinds for what it cannot trace
            first = (str(error).strip() or type(error).__name__).partition("\n")[0]
            raise InputError(f"torch cannot export the network: {first}", hint="omit `export`") from error
        whole = BytesIO()  # where the disk is full, torch's own writer of files ends the process
        torch.export.save(program, whole)
        with atomic_path(path) as temporary:
            temporary.write_bytes(whole.getbuffer())
