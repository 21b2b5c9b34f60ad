"""Programs in ONNX, run by ONNX Runtime on the CPU: outputs only, no gradients."""

import contextlib
import io
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.foreign import LOGITS
from dlcli.core.model_io.programs.base import (
    RECORD,
    Program,
    ProgramNetwork,
    classes_of,
    not_one,
    record,
    several_outputs,
    signature_of,
)
from dlcli.core.model_io.programs.exported import export
from dlcli.support.errors import InputError, MissingExtraError, UsageError

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(uint8)": "uint8"}
_NO_GRADIENT = "attacks that use scores or labels work: square, genetic, hopskipjump; or export it as .pt2"


class OnnxNetwork(ProgramNetwork):
    """A session of ONNX Runtime as a module."""

    has_gradients = False

    def __init__(self, session: Any, *, batch: int | None, channels_last: bool) -> None:
        super().__init__(batch=batch, channels_last=channels_last)
        self.session, self.input = session, session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        self.output = next((name for name in LOGITS if name in names), names[0])

    def call(self, x: Tensor) -> Tensor:
        """Run the session; raises UsageError where a gradient is asked for."""
        if torch.is_grad_enabled() and x.requires_grad:
            raise UsageError("a network in ONNX has no gradients", hint=_NO_GRADIENT)
        found = self.session.run([self.output], {self.input: x.detach().cpu().numpy()})[0]
        return torch.from_numpy(found).to(x.device)


def read(path: Path, device: torch.device) -> Program:
    """Open a program, as `read_program` does; it runs on the CPU whatever the device."""
    _require("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class
        why = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: not an ONNX network that can be run ({why})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise not_one(path, len(inputs), len(outputs))
    takes = signature_of(path, inputs[0].shape, _TYPES.get(inputs[0].type, inputs[0].type))
    network = OnnxNetwork(session, batch=takes.batch, channels_last=takes.channels_last)
    classes = classes_of(path, session.get_modelmeta().custom_metadata_map.get(RECORD))
    notes = several_outputs([output.name for output in outputs], network.output)
    return Program(network.eval(), takes, classes, notes)


def write(path: Path, model: nn.Module, x: Tensor, classes: tuple[str, ...]) -> bool:
    """Save a network, as `write_program` does, without a check.

    Args:
        path: The file.
        model: The network.
        x: Two examples.
        classes: Names of the outputs.

    Returns:
        Whether the program takes only one example at a time.

    Raises:
        InputError: If the network cannot be exported.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        _require(package)
    exported, fixed = export(model, x)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            program: Any = torch.onnx.export(
                exported, (), dynamo=True, input_names=["images"], output_names=["logits"], verbose=False
            )
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the network cannot be exported to ONNX: {why}", hint="export it as .pt2") from error
    finally:
        logger.setLevel(level)
    program.model.metadata_props[RECORD] = record(classes)
    program.save(path, external_data=False)
    return fixed


def _require(package: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError("a network in ONNX", "onnx")
