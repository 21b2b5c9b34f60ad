"""ELUs for other activations: x above 0, e^x - 1 below (Clevert et al. 2016, arXiv 1511.07289, equation 15 with alpha 1)."""

from torch import Tensor, nn
from torch.nn.functional import elu

from dlcli.core.surgery.activations import ReplaceActivation, kinds_of, replace_activations
from dlcli.core.surgery.base import SurgeryResult, deep_copy

ARGUMENT = ""


def check(argument: str) -> None:
    """There is nothing to check."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with an ELU for each pointwise activation, functional calls included."""
    done = deep_copy(model)
    edit = ReplaceActivation(elu, stays=(nn.ELU,), keeps=frozenset({"elu", "elu_"}))
    calls = replace_activations(done, sample, _elu, edit)
    return SurgeryResult(done, f"{kinds_of(calls)} replaced by ELUs")


class InPlaceELU(nn.ELU):
    """An ELU that writes over its input and keeps a copy, so that other operations in place may follow."""

    def forward(self, x: Tensor) -> Tensor:
        """In the shape of `x`."""
        return x.copy_(elu(x.clone()))


def _elu(module: nn.Module) -> nn.Module:
    in_place = bool(getattr(module, "inplace", False))
    # torch's ELU in place differentiates by its output, as ReLU does; SiLU and Hardswish do so by their input.
    return InPlaceELU() if in_place and not isinstance(module, (nn.ReLU, nn.ReLU6)) else nn.ELU(inplace=in_place)
