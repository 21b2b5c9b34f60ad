"""Querying the network without gradients, and deciding whether its answer makes an image adversarial."""

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.compute.device import send
from dlcli.core.compute.forward import logits_of


def query_logits(problem: Problem, images: Tensor, layout: torch.memory_format = torch.preserve_format) -> Tensor:
    """The logits (n, classes) of the images (n, ...), n at least 1, on the network's device, in parts that fit in memory."""

    def of(begin: int, end: int) -> Tensor:
        return logits_of(problem.model, send(images[begin:end], problem.device, layout))

    with torch.no_grad():
        return torch.cat(list(problem.parts.map(of, len(images))))


def is_adversarial(logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
    """Where the attack succeeded, a mask (n,): the target class is predicted, or without one any class but the label."""
    decision = logits.argmax(1)
    return decision != label if target_class is None else decision == target_class


def already_adversarial(problem: Problem) -> Tensor:
    """Which clean images are adversarial already, a mask (n,) on the CPU."""
    target_class = None if problem.targets is None else problem.targets.cpu()
    return is_adversarial(query_logits(problem, problem.x).cpu(), problem.y.cpu(), target_class)
