"""A network with shuffled weights: it has the structure of the trained one, and nothing of what was learned."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dlcli.core.compute.rng import generator


def has_weights(model: nn.Module) -> bool:
    """Whether `model` has weights to shuffle; a program has none."""
    return any(parameter.dim() > 1 for parameter in model.parameters())


@contextmanager
def shuffled_weights(model: nn.Module, seed: int) -> Iterator[None]:
    """Inside the block each weight tensor of `model` holds its values in a random order; afterwards all are as before.

    Biases, scales and statistics of normalisation, which are vectors, stay. That keeps the scale of activations.
    """
    draws = generator(seed)
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    before = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight, values in zip(weights, before, strict=True):
                order = torch.randperm(values.numel(), generator=draws).to(values.device)
                weight.copy_(values.flatten()[order].view_as(values))
        yield
    finally:
        with torch.no_grad():
            for weight, values in zip(weights, before, strict=True):
                weight.copy_(values)
