"""Programs of torch.export (`.pt2`): differentiable, so that attacks by gradients work on them."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.passes import move_to_device_pass

from dlcli.core.compute.forward import in_mode, type_of
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
from dlcli.core.model_io.programs.safe_program import check_program
from dlcli.support.errors import InputError


class ExportedNetwork(ProgramNetwork):
    """A program of torch.export as a module."""

    def __init__(self, program: ExportedProgram, *, batch: int | None, channels_last: bool) -> None:
        super().__init__(batch=batch, channels_last=channels_last)
        self.program = program.module()

    def call(self, x: Tensor) -> Tensor:
        """Run the program; of several outputs the first one counts."""
        found = self.program(x)
        first: Tensor = found[0] if isinstance(found, Sequence) else found
        return first


def read(path: Path, device: torch.device) -> Program:
    """Open a program, as `read_program` does."""
    extra, content = {RECORD: ""}, path.read_bytes()
    check_program(path, content)
    try:
        with warnings.catch_warnings(action="ignore"):
            program = torch.export.load(io.BytesIO(content), extra_files=extra)
    except Exception as error:  # torch raises many kinds for damaged files
        why = str(error).strip().partition("\n")[0]
        message = f"{path}: not a whole program of torch.export ({why})"
        raise InputError(message, hint="save it with torch.export.save") from error
    inputs = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
        raise not_one(path, len(inputs), len(program.graph_signature.user_outputs))
    takes = signature_of(path, inputs[0].shape, type_of(inputs[0]))
    network = ExportedNetwork(move_to_device_pass(program, str(device)), batch=takes.batch, channels_last=takes.channels_last)
    names = list(program.graph_signature.user_outputs)
    notes = several_outputs(names, names[0]) if names else ()
    return Program(network.eval(), takes, classes_of(path, extra[RECORD]), notes)


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
    program, fixed = export(model, x)
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={RECORD: record(classes)})
    return fixed


def export(model: nn.Module, x: Tensor) -> tuple[ExportedProgram, bool]:
    """The program of a network in evaluation mode, for any batch size or else for one example.

    Args:
        model: The network.
        x: Two examples.

    Returns:
        The program, and whether it takes only one example.

    Raises:
        InputError: If the network cannot be exported.
    """
    device = next(model.parameters(), x).device
    with in_mode(model), torch.no_grad(), warnings.catch_warnings(action="ignore"):
        two = x[:1].expand(2, *x.shape[1:]).to(device).contiguous()
        try:
            return torch.export.export(model, (two,), dynamic_shapes=({0: Dim("batch", min=1)},)), False
        except Exception:  # some networks compute with the batch size
            return _export_one(model, two[:1]), True


def _export_one(model: nn.Module, x: Tensor) -> ExportedProgram:
    try:
        return torch.export.export(model, (x,))
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = "its forward() may branch on values, or call code other than torch"
        raise InputError(f"the network cannot be exported: {why}", hint=hint) from error
