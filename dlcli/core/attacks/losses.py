"""The losses that attacks raise: of logits (n, classes), labels (n,) and, if an attack aims, the class aimed at (n,)."""

import torch
from torch import Tensor
from torch.nn import functional

# Logits so close that their spread is below this have no order to speak of; it keeps the ratio finite.
_LEAST_SPREAD = 1e-12


def cross_entropy(logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
    """The cross-entropy of the label, or minus that of the class aimed at; (n,)."""
    if aim is None:
        return functional.cross_entropy(logits, label, reduction="none")
    return -functional.cross_entropy(logits, aim, reduction="none")


def difference_of_logits_ratio(logits: Tensor, label: Tensor) -> Tensor:
    """-(z_y - max of the others) / (z_(1) - z_(3)), with z_(k) the k-th largest logit; (n,), above 0 if misclassified.

    Neither the scale of the logits nor a shift changes it (Croce & Hein 2020, arXiv 2003.01690, equation 6). It needs
    three classes.
    """
    top = logits.topk(3, dim=1)
    other = torch.where(top.indices[:, 0] == label, top.values[:, 1], top.values[:, 0])
    return (other - _of(logits, label)) / (top.values[:, 0] - top.values[:, 2]).clamp_min(_LEAST_SPREAD)


def targeted_difference_of_logits_ratio(logits: Tensor, label: Tensor, aim: Tensor) -> Tensor:
    """-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2), with t the class aimed at; (n,) (the same, equation 8).

    It needs four classes.
    """
    top = logits.topk(4, dim=1).values
    spread = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
    return (_of(logits, aim) - _of(logits, label)) / spread.clamp_min(_LEAST_SPREAD)


def _of(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None])[:, 0]
