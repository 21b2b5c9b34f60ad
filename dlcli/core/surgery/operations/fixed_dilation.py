"""One dilation along time in place of the several that a network for video draws from: what does the drawing add?"""

from torch import Tensor, nn

from dlcli.core.layers.temporal import TemporalConv
from dlcli.core.surgery.base import SurgeryResult, deep_copy, parse_whole
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = "FRAMES from 1 up, such as 1 for no dilation"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a whole number from 1 up."""
    parse_whole(argument, low=1)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy whose temporal layers have this dilation only; raises InputError for a network that has none."""
    dilation, done = parse_whole(argument, low=1), deep_copy(model)
    layers = [module for module in done.modules() if isinstance(module, TemporalConv)]
    if not layers:
        message = "the network has no layers along time that draw a dilation"
        raise InputError(message, hint="use besnet18, or a file that dlcli convert-2d-to-3d wrote")
    for layer in layers:
        layer.dilations = (dilation,)
    return SurgeryResult(done, f"{count(len(layers), 'layer')} along time with dilation {dilation}")
