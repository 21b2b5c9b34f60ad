"""The losses that attacks increase, of logits (n, classes), labels (n,) and perhaps target classes (n,)."""

import torch
from torch import Tensor
from torch.nn import functional

# A smaller spread of the logits counts as this, so that the ratio stays finite.
_MIN_SPREAD = 1e-12
_NO_CLASS = -100


def cross_entropy(logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
    """The cross-entropy of the label, or minus that of the target class; (n,).

    Of labels (n, ...) of places, such as pixels, and logits (n, classes x places), see `PlacesInARow`, it is the sum over the
    places; labels that are no class do not count.
    """
    if label.dim() > 1:
        return _over_places(logits, label)
    if target_class is None:
        return functional.cross_entropy(logits, label, reduction="none")
    return -functional.cross_entropy(logits, target_class, reduction="none")


def _over_places(logits: Tensor, label: Tensor) -> Tensor:
    places = label.flatten(1)
    by_place = logits.unflatten(1, (-1, places.shape[1]))
    counted = places.masked_fill(places >= by_place.shape[1], _NO_CLASS)
    return functional.cross_entropy(by_place, counted, reduction="none", ignore_index=_NO_CLASS).sum(1)


def difference_of_logits_ratio(logits: Tensor, label: Tensor) -> Tensor:
    """-(z_y - max of the others) / (z_(1) - z_(3)), with z_(k) the k-th largest logit; (n,), above 0 if misclassified.

    It is invariant to shift and scale of the logits (Croce & Hein 2020, arXiv 2003.01690, equation 6). It needs three
    classes.
    """
    top = logits.topk(3, dim=1)
    other = torch.where(top.indices[:, 0] == label, top.values[:, 1], top.values[:, 0])
    return (other - _logit_of(logits, label)) / (top.values[:, 0] - top.values[:, 2]).clamp_min(_MIN_SPREAD)


def targeted_difference_of_logits_ratio(logits: Tensor, label: Tensor, target_class: Tensor) -> Tensor:
    """-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2), with t the target class; (n,) (the same paper, equation 8).

    It needs four classes.
    """
    top = logits.topk(4, dim=1).values
    spread = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
    return (_logit_of(logits, target_class) - _logit_of(logits, label)) / spread.clamp_min(_MIN_SPREAD)


def _logit_of(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None])[:, 0]
