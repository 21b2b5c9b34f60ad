"""Load sequences; each module of the registry `formats` claims some specs and reads them. The package imports no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlcli.support.errors import MissingInputError
from dlcli.support.registry import Registry
from dlcli.support.suggest import meant_path

if TYPE_CHECKING:
    from dlcli.core.data.base import ImageData
    from dlcli.core.data.sequences.base import SequenceOptions

__all__ = ["FORMATS", "claims_sequences", "open_sequences"]

FORMATS = Registry("format of sequences", "dlcli.core.data.sequences.formats")


def open_sequences(spec: str, options: "SequenceOptions") -> "ImageData":
    """Load the sequences that `spec` names: a file, a folder, or images, which are read row by row.

    Raises InputError if they cannot be used, naming the file and the place in it, and MissingInputError if there are none.
    """
    from dlcli.core.data.groups import check_groups
    from dlcli.core.data.resize import limit_examples
    from dlcli.core.data.sequences.base import dataset

    modules = [FORMATS.module(name) for name in FORMATS.names()]
    chosen = next(one for one in sorted(modules, key=lambda module: module.PRECEDENCE) if one.claims(spec))
    try:
        found = chosen.read(spec, options)
    except MissingInputError:
        kinds = ", ".join(module.DESCRIPTION for module in modules)
        hint = meant_path(spec) or f"expected {kinds}"
        raise MissingInputError(f"`data`: no such file, folder or dataset: '{spec}'", hint=hint) from None
    data = dataset(spec, found, options)
    if options.group is not None and not options.unlabelled:
        check_groups(data, options.group)
    return limit_examples(data, options.limit)


def claims_sequences(spec: str) -> bool:
    """Whether `spec` names a file that can hold sequences only, such as a .ts."""
    return Path(spec).suffix.lower() in (".ts", ".wav")
