"""ELUs for ReLUs: x above 0, e^x - 1 below (Clevert et al. 2016, arXiv 1511.07289, equation 15 with alpha 1)."""

from torch import Tensor, nn
from torch.nn.functional import elu

from dlcli.core.surgery.base import ReplaceRelu, SurgeryResult, deep_copy, replace_relus
from dlcli.support.plural import count

ARGUMENT = ""


def check(argument: str) -> None:
    """There is nothing to check."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with an ELU for each ReLU, functional calls included."""
    done = deep_copy(model)
    calls = replace_relus(done, sample, lambda module: nn.ELU(inplace=module.inplace), ReplaceRelu(elu))
    return SurgeryResult(done, f"{count(calls, 'ReLU')} replaced by ELUs")
