"""Surgery: changes to a network, `NAME` or `NAME=ARGUMENT` on the command line; each operation is a module of `operations`.

A module has `ARGUMENT`, what may follow the equals sign ("" for nothing), `check(argument)`, which raises UsageError, and
`apply(model, argument, sample) -> SurgeryResult`, which returns a changed copy. It takes any nn.Module; `sample` (1, c, h, w)
is an example of its input. The copy keeps the names in the state dict, the device, types and modes, unless the operation
documents otherwise. New weights come from torch's global generator. An operation raises InputError, naming the module, for a
network that it cannot change.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dlcli.support.errors import UsageError, error_context
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["SURGERY", "ChangedNetwork", "apply_surgery", "check_surgery"]

SURGERY = Registry("surgery", "dlcli.core.surgery.operations")


class ChangedNetwork(NamedTuple):
    """A changed copy of a network, and a note on each change."""

    model: "nn.Module"
    notes: tuple[str, ...]


def apply_surgery(model: "nn.Module", specs: Sequence[str], sample: "Tensor", *, option: str = "surgery") -> ChangedNetwork:
    """Copy a network and change the copy by several operations in turn.

    Args:
        model: The network; it is left unchanged.
        specs: Operations, each NAME or NAME=ARGUMENT.
        sample: An example of its input, (1, c, h, w).
        option: Field of the configuration that names them, for messages.

    Returns:
        The copy and the notes.

    Raises:
        UsageError: For an unknown name or a wrong argument.
        InputError: For a network that an operation cannot change.
    """
    for spec in specs:
        check_surgery(spec, option=option)
    notes = []
    for spec in specs:
        name, argument = _parsed(spec)
        with error_context(f"`{option}={spec}`"):
            done = SURGERY.module(name).apply(model, argument, sample)
        model = done.model
        notes.append(f"{spec}: {done.note}")
    return ChangedNetwork(model, tuple(notes))


def check_surgery(spec: str, *, option: str = "surgery") -> None:
    """Raise UsageError if `spec`, NAME or NAME=ARGUMENT or NAME:ARGUMENT, names no surgery or gives it a wrong argument."""
    name, argument = _parsed(spec)
    entry = SURGERY.module(name)
    with error_context(f"`{option}={spec}`"):
        if argument and not entry.ARGUMENT:
            raise UsageError(f"{name} takes no argument", hint=f"`{option}={name}`")
        entry.check(argument)


def _parsed(spec: str) -> tuple[str, str]:
    at = min((spec.find(mark) for mark in "=:" if mark in spec), default=len(spec))
    return spec[:at].strip(), spec[at + 1 :].strip()
