"""Figures of a record that its table does not decide: it has equal probabilities where the network has different ones."""

from collections.abc import Mapping

import numpy as np

from dlcli.core.evaluation.positive_class import positive_of
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.tied_ranks import Ends, area_ends, top_k_ends
from dlcli.specs.abstention import Abstention

_NEAR = 1e-9
TIED = "the table has equal probabilities that decide"
"""Why a figure is not checked."""


def tied_figures(predictions: Predictions) -> dict[str, Ends]:
    """Between which ends the figures of a ranking lie, by the names of a record: `top-5`, `macro-ap`, `cat auc` of a class.

    Args:
        predictions: Those of the table.

    Returns:
        The ends of all figures that probabilities of all classes give; nothing without these.
    """
    log_p, y = predictions.log_p, predictions.y
    if log_p is None:
        return {}
    found = {"top-5": top_k_ends(log_p, y, 5)}
    areas = {
        name: area_ends(log_p[:, k], y == k)
        for k, name in enumerate(predictions.outputs)
        if (y == k).any() and not (y == k).all()
    }
    for place, figure in enumerate(("auc", "ap")):
        ends = {name: both[place] for name, both in areas.items()}
        found |= {f"{name} {figure}": one for name, one in ends.items()}
        if ends:
            found[f"macro-{figure}"] = Ends(*np.mean(list(ends.values()), axis=0).tolist())
            found[figure] = list(ends.values())[positive_of(list(ends))] if len(ends) == 2 else found[f"macro-{figure}"]
    return found


def undecided(claimed: Mapping[str, object], ends: Ends | None) -> bool:
    """Whether equal probabilities may give the figure that is claimed, and others as well."""
    value = claimed.get("value")
    if ends is None or ends.high - ends.low <= _NEAR or not isinstance(value, int | float):
        return False
    return ends.low - _NEAR <= value <= ends.high + _NEAR


def undecided_threshold(claimed: Mapping[str, object], found: Abstention, predictions: Predictions) -> bool:
    """Whether a threshold of `abstain` and its figures may be those of confidences that the table rounds to equal ones.

    Args:
        claimed: The abstention of the record.
        found: That of the table.
        predictions: Those of the table.
    """
    sure, at = predictions.confidence, claimed.get("threshold")
    if sure is None or len(np.unique(sure)) == len(sure):
        return False
    if not isinstance(at, int | float):
        return found.threshold is not None
    near = [sure > at + _NEAR, sure >= at - _NEAR]  # the answered, at least and at most
    answers = [int(inside.sum()) for inside in near]
    wrong = [int((inside & ~predictions.correct).sum()) for inside in near]
    answered, errors = (claimed.get(name) for name in ("answered", "errors"))
    if not isinstance(answered, Mapping) or not isinstance(errors, Mapping):
        return False
    hits, misses = answered["value"] * len(sure), errors["value"] * errors["n"]
    inside = answers[0] - _NEAR <= hits <= answers[1] + _NEAR, wrong[0] - _NEAR <= misses <= wrong[1] + _NEAR
    return all(inside)
