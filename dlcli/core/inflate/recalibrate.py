"""Statistics of batch normalisation recomputed from data, after a network has changed."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData
from dlcli.support.errors import InputError

_BATCH = 8


@torch.no_grad()
def recalibrate(model: nn.Module, data: ImageData, *, frames: int) -> int:
    """Give the batch normalisations of `model`, in place, the mean statistics over batches of the examples of `data`.

    They are those of the training set or, if it has none, of the test set. Images are shown as still clips of `frames`. All
    else is as in evaluation. Returns how many examples were seen. Raises InputError if there is nothing to normalise, and what
    `logits_of` raises.
    """
    norms = batchnorms_of(model)
    momenta = [norm.momentum for norm in norms]
    examples = data.x_train if len(data.x_train) else data.x_test
    like = next(model.parameters())
    with in_mode(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over batches
            norm.train()
        for batch in torch.split(examples, _BATCH):
            logits_of(model, _clips(to_float(batch), frames).to(like))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return len(examples)


def batchnorms_of(model: nn.Module) -> list[_BatchNorm]:
    """The batch normalisations of `model` that keep statistics; raises InputError if there is none."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        raise InputError("`recalibrate_bn`: the network has no batch normalisation", hint="omit `recalibrate_bn`")
    return norms


def _clips(x: Tensor, frames: int) -> Tensor:
    return x if x.dim() == 5 else x.unsqueeze(2).expand(-1, -1, frames, -1, -1)
