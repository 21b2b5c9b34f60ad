"""How the members of an ensemble decide together: from stacked logits (members, n, classes) to labels (n,).

Every rule gives the same labels in whatever order the members stand; what is still tied goes to the lowest label.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def mean_probability(logits: Tensor) -> Tensor:
    """The class whose softmax probability, averaged over the members, is highest."""
    return _mean_probabilities(logits).argmax(-1)


def most_confident(logits: Tensor) -> Tensor:
    """For each example, the member with the highest probability for its own class decides."""
    top, labels = logits.double().max(-1)
    others = logits.double().scatter(-1, labels.unsqueeze(-1), -torch.inf)
    # Log-odds instead of probabilities: the same order, but two members at 0.999999999 and more stay apart instead of
    # both rounding to 1.
    confidence = top - others.logsumexp(-1)
    scores = torch.full_like(others, -torch.inf).scatter(-1, labels.unsqueeze(-1), confidence.unsqueeze(-1))
    return scores.amax(0).argmax(-1)


def majority(logits: Tensor) -> Tensor:
    """The class most members choose; among classes with equally many votes, the one of highest mean probability."""
    votes = one_hot(logits.argmax(-1), logits.shape[-1]).sum(0)
    leads = votes == votes.amax(-1, keepdim=True)
    return _mean_probabilities(logits).masked_fill(~leads, -1).argmax(-1)


def _mean_probabilities(logits: Tensor) -> Tensor:
    # Added up in sorted order, since a sum of floats depends on its order and a rule must not.
    return logits.double().softmax(-1).sort(0).values.mean(0)


RULES: dict[str, Callable[[Tensor], Tensor]] = {"mean": mean_probability, "max": most_confident, "vote": majority}
"""The rules by the names they have on the command line."""
