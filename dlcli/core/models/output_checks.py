"""What is noticeable about the outputs of a network of the user's own code, seen on a few images before it is used."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.compute.foreign import foreign_calls
from dlcli.core.compute.forward import has_gradients, logits_of
from dlcli.core.compute.rng import preserved
from dlcli.support.plural import count

TOLERANCE = 1e-4
"""Within which sums are 1, and logits of two calls the same."""

OTHER_BATCH = "other logits in another batch, as under batch normalisation without running statistics"
"""What a network gives whose logits change with the other examples of a batch."""

_VIEWS = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Alias", "Cat", "Slice", "Select", "Clone", "Transpose")
_DEPTH = 8
_MANY = 16
"""The number of outputs between 0 and 1 that are taken for probabilities of a network that cannot be differentiated."""


class OutputCheck(NamedTuple):
    """How the outputs of a network are read, and what about them makes figures wrong or unsteady."""

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    random: bool = False


def check_outputs(model: nn.Module, x: Tensor, logits: Tensor) -> OutputCheck:
    """Look at what a network returns for a few images; of networks that are not of the user's own code there is nothing to see.

    Args:
        model: In evaluation mode.
        x: Images or clips (n, ...).
        logits: What it gave for them, (n, outputs).
    """
    calls = foreign_calls(model)
    if not calls:
        return OutputCheck()
    # Of the images, since the network may have no parameters that a gradient would be followed to.
    traced = x.clone().requires_grad_(x.is_floating_point() and has_gradients(model))
    with preserved(), torch.enable_grad():
        again = logits_of(model, traced)
    one_logit = any(call.one_logit for call in calls)
    random = _other_answers(logits, again.detach())
    mixed = "" if random else _others_matter(model, x, logits)
    warnings = [_probabilities(logits[:, 1:] if one_logit else logits, again), random, mixed]
    return OutputCheck(
        tuple(dict.fromkeys(note for call in calls for note in call.notes())),
        tuple(warning for warning in warnings if warning),
        bool(random),
    )


def unused_outputs(outputs: int, classes: int) -> tuple[str, ...]:
    """A note if a network has more outputs than there are classes to train on."""
    if outputs <= classes:
        return ()
    return (
        f"the network has {count(outputs, 'output')} for {count(classes, 'class', 'classes')}: {outputs - classes:,} stand "
        f"for none and are not used",
    )


def sums_to_1(logits: Tensor) -> bool:
    """Whether the outputs (n, classes) of each example are probabilities by their values."""
    return bool(((logits.sum(1) - 1).abs() < TOLERANCE).all()) and bool((logits >= 0).all())


def _all_shares(outputs: Tensor) -> bool:
    """Whether enough outputs (n, k), all of them between 0 and 1, leave no doubt that they are probabilities."""
    return outputs.numel() >= _MANY and bool(((outputs >= 0) & (outputs <= 1)).all())


def differing(first: Tensor, second: Tensor) -> int:
    """How many examples have other logits (n, classes) in a second call."""
    return int((~torch.isclose(first, second, rtol=TOLERANCE, atol=TOLERANCE).all(1)).sum())


def sees_batch(first: Tensor, repeated: Tensor) -> bool:
    """Whether the logits of an example change with the others in its batch.

    Args:
        first: The logits of a batch (n, classes).
        repeated: Those of a batch of n copies of its first example, so that batches of both have one size.

    Returns:
        Whether the logits of the first example differ.
    """
    return differing(first[:1], repeated[:1]) > 0


def _probabilities(logits: Tensor, traced: Tensor) -> str:
    unknown = not traced.requires_grad
    sigmoid = _all_shares(logits) if unknown else _last_operation(traced) == "Sigmoid"
    found = "softmax" if sums_to_1(logits) else "sigmoid" if sigmoid else ""
    if not found:
        return ""
    wrong = "which are taken as logits, so probabilities, losses and gradients are wrong"
    return f"the network returns probabilities, {wrong}: remove its {found}"


def _other_answers(logits: Tensor, again: Tensor) -> str:
    different = differing(logits, again)
    if not different:
        return ""
    images = f"{different} of {count(len(logits), 'example')}"
    return f"the network is random: two calls give other logits for {images}, so figures differ from run to run of the network"


def _others_matter(model: nn.Module, x: Tensor, logits: Tensor) -> str:
    with preserved(), torch.no_grad():
        repeated = logits_of(model, x[[0] * len(x)])
    if not sees_batch(logits, repeated):
        return ""
    return f"the network gives an example {OTHER_BATCH}, so figures differ with the examples and their order"


def _last_operation(traced: Tensor) -> str:
    """The operation that made the outputs, but for views of it; empty if it is not known."""
    node = traced.grad_fn
    for _ in range(_DEPTH):
        if node is None:
            return ""
        name = node.name().partition("Backward")[0]
        if name not in _VIEWS:
            return name
        node = next((before for before, _ in node.next_functions if before is not None), None)
    return ""
