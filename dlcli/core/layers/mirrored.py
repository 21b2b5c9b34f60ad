"""Weights that make ReLUs look linear (Balduzzi et al. 2017, arXiv 1702.08591, section 4)."""

import torch
from torch import Tensor, nn


def mirrored(shape: torch.Size, *, inputs: bool, outputs: bool) -> Tensor:
    """Fresh weights (out, in, ...) of float32: [[M, -M], [-M, M]] with M orthogonal, drawn from torch's global generator.

    If the inputs are mirrored pairs (relu(h), relu(-h)), [M, -M] gives M h back; if the outputs must be pairs before their
    ReLU, their second half is the negative of the first. Those two numbers must be even then.
    """
    out, into = shape[0] // (1 + outputs), shape[1] // (1 + inputs)
    weight = torch.empty(out, into, *shape[2:])
    nn.init.orthogonal_(weight)
    weight = torch.cat([weight, -weight], dim=1) if inputs else weight
    return torch.cat([weight, -weight], dim=0) if outputs else weight
