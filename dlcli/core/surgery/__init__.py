"""Surgery: changes to a network, one module an entry, `NAME` or `NAME=ARGUMENT` on the command line.

An entry has `ARGUMENT`, what may stand after the equals sign ("" for nothing), `check(argument)`, which raises UsageError,
and `apply(model, argument, sample) -> Operated`, which gives a changed copy. It takes any nn.Module; `sample` (1, c, h, w)
is an image such as the network takes. The copy keeps the names in the state dict, device, types and modes, unless the entry
says otherwise. Fresh weights come from torch's global generator. Raises InputError, naming the module, for what it cannot do.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlcli.support.errors import UsageError, error_context
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

SURGERY = Registry("surgery", "dlcli.core.surgery.operations")


def apply_surgery(model: "nn.Module", specs: Sequence[str], sample: "Tensor") -> tuple["nn.Module", tuple[str, ...]]:
    """A copy of `model` changed by each of `specs` in turn, and a note on each.

    Raises UsageError for an unknown name or a wrong argument, InputError for a network that cannot be changed so.
    """
    for spec in specs:
        check_surgery(spec)
    notes = []
    for spec in specs:
        name, argument = _parsed(spec)
        with error_context(f"`surgery={spec}`"):
            done = SURGERY.module(name).apply(model, argument, sample)
        model = done.model
        notes.append(f"{spec}: {done.note}")
    return model, tuple(notes)


def check_surgery(spec: str) -> None:
    """Raise UsageError if `spec`, NAME or NAME=ARGUMENT or NAME:ARGUMENT, names no surgery or gives it a wrong argument."""
    name, argument = _parsed(spec)
    entry = SURGERY.module(name)
    with error_context(f"`surgery={spec}`"):
        if argument and not entry.ARGUMENT:
            raise UsageError(f"{name} takes no argument", hint=f"`surgery={name}`")
        entry.check(argument)


def _parsed(spec: str) -> tuple[str, str]:
    at = min((spec.find(mark) for mark in "=:" if mark in spec), default=len(spec))
    return spec[:at].strip(), spec[at + 1 :].strip()
