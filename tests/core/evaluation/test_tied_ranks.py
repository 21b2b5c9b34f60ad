"""Ends of figures of rankings: those of all orders of equal scores, by brute force."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from dlcli.core.evaluation.metrics import top_k
from dlcli.core.evaluation.tied_ranks import area_ends, top_k_ends


@pytest.mark.parametrize("seed", range(12))
def test_ends_of_areas_are_those_of_all_orders(seed: int):
    source = np.random.default_rng(seed)
    scores, positive = source.integers(0, 3, 7).astype(float), np.append(source.random(5) < 0.5, [True, False])
    area, precision = area_ends(scores, positive)
    orders = [scores - 1e-6 * np.array(order) for order in permutations(range(7))]
    areas = [roc_auc_score(positive, one) for one in orders]
    precisions = [average_precision_score(positive, one) for one in orders]
    assert area == pytest.approx((min(areas), max(areas)), abs=1e-12)
    assert precision.low == pytest.approx(min(precisions), abs=1e-12)
    assert precision.high >= max(precisions) - 1e-12  # orders in which some are still equal count as well
    tied = average_precision_score(positive, scores)
    assert precision.low - 1e-12 <= tied <= precision.high + 1e-12
    assert area.low - 1e-12 <= roc_auc_score(positive, scores) <= area.high + 1e-12


def test_without_ties_both_ends_are_the_figure():
    source = np.random.default_rng(0)
    scores, positive = source.random(50), source.random(50) < 0.4
    for ends, figure in zip(area_ends(scores, positive), (roc_auc_score, average_precision_score), strict=True):
        assert ends == pytest.approx((figure(positive, scores),) * 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_ends_of_top_k_are_those_of_all_orders(seed: int):
    source = np.random.default_rng(seed)
    scores, y = source.integers(0, 3, (4, 5)).astype(float), source.integers(0, 5, 4)
    inside = []
    for row, label in zip(scores, y, strict=True):
        orders = [row - 1e-6 * np.array(order) for order in permutations(range(5))]
        inside.append([np.argsort(-one)[:2].tolist().count(label) for one in orders])
    ends = top_k_ends(scores, y, 2)
    assert ends == pytest.approx((np.mean([min(one) for one in inside]), np.mean([max(one) for one in inside])))
    assert ends.low <= top_k(scores, y, 2).value <= ends.high
