"""A context module on the scores of a network for masks: dilated convolutions that see further and start as the identity."""

import torch
from torch import Tensor, nn

from dlcli.core.layers.dense_network import ContextModule, dense_part
from dlcli.core.surgery.base import SurgeryResult, deep_copy
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = ""


def check(argument: str) -> None:
    """Accept any argument: there is none."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with a context module (Yu and Koltun 2016, arXiv 1511.07122) before the upsampling.

    Its probabilities are those of `model`. Raises InputError for a network whose scores are not those of a 1x1 head.
    """
    done = deep_copy(model)
    dense = dense_part(done)
    if dense is None:
        raise InputError("context fits classifiers that are turned dense", hint="`task=segment` turns them")
    if not isinstance(dense.context, nn.Identity):
        raise InputError("the network has a context module already")
    with torch.no_grad():
        classes = dense.scores(sample.to(next(done.parameters()))).shape[1]
    dense.context = ContextModule(classes).to(next(done.parameters()))
    layers = len(ContextModule.DILATIONS)
    return SurgeryResult(done, f"{count(layers, 'layer')} of dilations {', '.join(map(str, ContextModule.DILATIONS))} added")
