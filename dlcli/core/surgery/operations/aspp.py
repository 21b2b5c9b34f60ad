"""Atrous spatial pyramid pooling as the head of a network for masks: branches that look at the last map at several rates."""

import re

import torch
from torch import Tensor, nn

from dlcli.core.layers.dense_network import PyramidHead, dense_part
from dlcli.core.surgery.base import SurgeryResult, deep_copy
from dlcli.support.errors import InputError, UsageError

ARGUMENT = "RATES of the branches, such as 6-12-18 (default)"
_DEFAULT = "6-12-18"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is whole numbers above 0 with hyphens between them, or empty."""
    if argument and not re.fullmatch(r"[1-9]\d{0,2}(-[1-9]\d{0,2}){0,7}", argument):
        raise UsageError(f"'{argument}' is not a list of rates", hint="`surgery=aspp=6-12-18`")


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy whose 1x1 head is replaced; raises InputError for a network that has none."""
    check(argument)
    done = deep_copy(model)
    dense = dense_part(done)
    if dense is None:
        raise InputError("aspp fits classifiers that are turned dense", hint="`task=segment` turns them")
    if not isinstance(dense.head, nn.Conv2d):
        raise InputError("the network has another head than a 1x1 convolution already")
    rates = tuple(map(int, (argument or _DEFAULT).split("-")))
    with torch.no_grad():
        height, width = dense.features(sample.to(next(done.parameters()))).shape[-2:]
    head = PyramidHead(dense.head.in_channels, dense.head.out_channels, rates)
    dense.head = head.to(next(done.parameters())).train(dense.head.training)
    wide = [rate for rate in rates if rate >= max(height, width)]
    beyond = f"; at rate {wide[0]} and above only the centre of a {height}x{width} map is seen" if wide else ""
    return SurgeryResult(done, f"head of rates {', '.join(map(str, rates))}{beyond}")
