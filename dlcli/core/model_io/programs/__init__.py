"""Networks saved as programs, which need no code to be opened: ONNX (`.onnx`) and torch.export (`.pt2`).

A program holds no layers that could be looked at or trained, only what it computes from a batch. A module here per format has
`read` and `write`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import has_gradients, predict_logits
from dlcli.core.model_io.programs.base import Program
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.plural import count

_FORMATS = {".onnx": "onnx", ".pt2": "exported"}
_TOLERANCE = 1e-4
"""Largest difference of logits, as a share of the largest one, that other kernels for the same sums make in float32."""


def is_program(path: Path) -> bool:
    """Whether `path` is named as a program is, and no directory."""
    return path.suffix.lower() in _FORMATS and not path.is_dir()


def _format(path: Path) -> Any:
    return import_module(f"{__name__}.{_FORMATS[path.suffix.lower()]}")


def read_program(path: Path, device: torch.device) -> Program:
    """Open a program; one of torch.export may run code while it is loaded, as a file of Python does.

    Raises:
        InputError: If the file is missing, damaged or no program of one batch of images to one of logits.
        MissingExtraError: If ONNX Runtime is not installed.
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file")
    found: Program = _format(path).read(path, device)
    return found


def check_program_name(path: Path) -> None:
    """Raise UsageError unless a program can be written to a file of that name."""
    if path.is_dir():
        raise UsageError(f"`export`: {path} is a directory", hint="name a file that ends in .onnx or .pt2")
    if not is_program(path):
        endings = " nor ".join(_FORMATS)
        raise UsageError(f"`export`: '{path}' ends in neither {endings}", hint="for example `export=network.onnx`")


def write_program(path: Path, model: nn.Module, x: Tensor, classes: tuple[str, ...], device: torch.device) -> str:
    """Save a network as a program and compare the logits of both.

    Args:
        path: The file.
        model: The network, on `device`.
        x: Images or clips to compare on, (n, ...), n at least 1.
        classes: Names of the outputs, written beside the program.
        device: Where both are run.

    Returns:
        How far their logits differ, as a sentence.

    Raises:
        InputError: If the network cannot be exported, or the program gives other logits; then no file is written. Also if the
            network runs in ONNX already.
        MissingExtraError: If the packages for ONNX are not installed.
    """
    if not has_gradients(model):
        raise InputError("a network in ONNX cannot be exported again", hint="export the network that it was made of")
    with atomic_path(path) as temporary:
        fixed: bool = _format(path).write(temporary, model, x[:2], classes)
        found = predict_logits(_format(path).read(temporary, device).model, x, device=device)
        expected, again = (predict_logits(model, x, device=device) for _ in range(2))
        off, largest = float((found - expected).abs().max()), float(expected.abs().max())
        if not float((again - expected).abs().max()) <= _TOLERANCE * max(1.0, largest):
            raise InputError(f"{path}: the network gives other logits each time", hint="a program cannot be compared with it")
        if not off <= _TOLERANCE * max(1.0, largest):
            hint = "its outputs may depend on the batch, or on random numbers"
            raise InputError(f"{path}: the exported network gives other logits, by up to {off:.2g}", hint=hint)
    one = ", one example at a time" if fixed else ""
    return f"Exported to {path}: its logits differ by at most {off:.1e} on {count(len(x), 'example')}{one}."
