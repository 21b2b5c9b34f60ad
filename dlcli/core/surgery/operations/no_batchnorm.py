"""Take out every batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167); its keys leave the state dict with it."""

from torch import Tensor, nn

from dlcli.core.surgery.base import SurgeryResult, deep_copy
from dlcli.core.surgery.batchnorms import remove_batchnorms
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = ""


def check(argument: str) -> None:
    """There is nothing to check."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy in which each batch normalisation is the identity; raises InputError if there is none."""
    done = deep_copy(model)
    paths = remove_batchnorms(done, sample)
    if not paths:
        raise InputError("the network has no batch normalisation")
    return SurgeryResult(done, f"{count(len(paths), 'batch normalisation')} taken out")
