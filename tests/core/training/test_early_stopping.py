"""Early stopping against its definition, applied to the whole history."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.training.early_stopping import METRICS, EarlyStopping

VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=12)


@given(values=VALUES, patience=st.integers(1, 4), metric=st.sampled_from(sorted(METRICS)))
def test_it_stops_after_patience_epochs_and_keeps_the_best_weights(values, patience, metric):
    early, weight, seen = EarlyStopping(metric, patience), torch.zeros(1), 0
    for seen, value in enumerate(values, 1):
        weight.fill_(seen)  # changed in place, as training does
        early.see(seen, value, {"w": weight})
        if early.due:
            break
    course = values[:seen]
    better = [k for k, v in enumerate(course) if k == 0 or all(_better(metric, v, w) for w in course[:k])]
    assert early.epoch == better[-1] + 1
    assert early.weights["w"].item() == early.epoch
    assert early.due == (seen - early.epoch >= patience)
    assert all(k - max(b for b in better if b < k + 1) < patience for k in range(seen - 1))  # and not later than due


def _better(metric: str, value: float, than: float) -> bool:
    return value < than if metric == "loss" else value > than


def test_it_is_not_due_before_the_first_epoch():
    assert not EarlyStopping("loss", 1).due


def test_a_first_value_of_nan_is_never_improved_upon():
    early = EarlyStopping("loss", 2)
    for epoch in (1, 2, 3):
        early.see(epoch, math.nan, {})
    assert early.due


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 2), ("loss", 1)])
def test_accuracy_is_maximised_and_loss_minimised(metric, best):
    early = EarlyStopping(metric, 5)
    for epoch, value in enumerate((0.1, 0.9), 1):
        early.see(epoch, value, {})
    assert early.epoch == best
