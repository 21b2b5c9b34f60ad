"""Figures of masks: as scikit-learn has them, boundaries as brute force has them, intervals that hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, jaccard_score, recall_score

from dlcli.core.evaluation.mask_counts import MaskCounts, confusion_of, edge_counts
from dlcli.core.evaluation.mask_figures import class_masks, mask_metrics, picture_mious, pseudo_values, set_miou
from dlcli.specs.estimates import Estimate, PointEstimate


def counts_of(predicted: np.ndarray, truth: np.ndarray, k: int) -> MaskCounts:
    confusion = np.stack([confusion_of(p, t, k) for p, t in zip(predicted, truth, strict=True)])
    pairs = zip(torch.from_numpy(predicted), torch.from_numpy(truth), strict=True)
    return MaskCounts(confusion, np.stack([edge_counts(p, t, k) for p, t in pairs]))


def masks(seed: int, n: int, k: int, *, void: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    truth = source.integers(0, k, (n, 9, 11)).astype(np.uint8)
    predicted = np.where(source.random(truth.shape) < 0.5, truth, source.integers(0, k, truth.shape)).astype(np.uint8)
    truth[source.random(truth.shape) < void] = 255
    return predicted, truth


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_iou_and_accuracies_are_those_of_scikit_learn(seed: int, k: int):
    predicted, truth = masks(seed, 12, k)
    counted = truth != 255
    y, p = truth[counted], predicted[counted]
    counts = counts_of(predicted, truth, k)
    found = {one.name: one.estimate.value for one in mask_metrics(counts, None, seed=0)}
    assert found["miou"] == pytest.approx(jaccard_score(y, p, average="macro"), abs=1e-12)
    assert found["pixel-accuracy"] == pytest.approx(accuracy_score(y, p), abs=1e-12)
    assert found["class-accuracy"] == pytest.approx(recall_score(y, p, average="macro"), abs=1e-12)
    each = jaccard_score(y, p, average=None, labels=list(range(k)))
    classes = class_masks(counts, tuple(map(str, range(k))), None, seed=0)
    assert [one.iou.value for one in classes if one.iou] == pytest.approx(each.tolist(), abs=1e-12)
    one = [jaccard_score(t[t != 255], q[t != 255], average="macro") for q, t in zip(predicted, truth, strict=True)]
    assert picture_mious(counts) == pytest.approx(one, abs=1e-12)
    assert found["mean-miou"] == pytest.approx(np.mean(one), abs=1e-12)


def test_a_class_that_is_not_there_has_no_figure_and_does_not_count():
    predicted, truth = masks(0, 12, 3)
    without = class_masks(counts_of(predicted, truth, 5), tuple("abcde"), None, seed=0)
    assert [(one.iou is None, one.accuracy is None, one.boundary_f is None) for one in without[3:]] == [(True,) * 3] * 2
    assert set_miou(counts_of(predicted, truth, 5)) == pytest.approx(set_miou(counts_of(predicted, truth, 3)), abs=1e-12)
    predicted[0, 0, 0] = 4
    truth[0, 0, 0] = 0
    (found,) = [one for one in class_masks(counts_of(predicted, truth, 5), tuple("abcde"), None, seed=0) if one.name == "e"]
    assert found.iou is not None and found.iou.value == 0.0 and found.accuracy is None and found.pixels == 0


def _slow_edges(labels: np.ndarray, counted: np.ndarray, k: int) -> set[tuple[int, int]]:
    found = set()
    for (row, column), label in np.ndenumerate(labels):
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            other = (row + down, column + right)
            inside = 0 <= other[0] < labels.shape[0] and 0 <= other[1] < labels.shape[1]
            if inside and counted[row, column] and counted[other] and labels[other] != label and label == k:
                found.add((row, column))
    return found


@pytest.mark.parametrize("shape", [(9, 11), (300, 400)])
def test_boundaries_are_those_of_brute_force(shape: tuple[int, int]):
    source = np.random.default_rng(3)
    truth = np.zeros(shape, dtype=np.uint8)
    truth[shape[0] // 3 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = 1
    predicted = np.roll(truth, (2, -3), (0, 1))
    truth[-2:, -3:] = 255
    if shape[0] < 100:
        predicted = source.integers(0, 2, shape).astype(np.uint8)
    radius = max(1.0, 0.0075 * np.hypot(*shape))
    counted = truth != 255
    found = edge_counts(torch.from_numpy(predicted), torch.from_numpy(truth), 2)
    for label in (0, 1):
        ours, theirs = (np.array(sorted(_slow_edges(one, counted, label))) for one in (predicted, truth))
        apart = np.hypot(*(ours[:, None] - theirs[None]).transpose(2, 0, 1))
        near = [int((apart.min(axis) <= radius).sum()) for axis in (1, 0)]
        assert found[label].tolist() == [near[0], len(ours), near[1], len(theirs)]


def test_the_mean_of_pseudo_values_is_the_jackknife_estimate():
    predicted, truth = masks(5, 20, 3)
    counts, group = counts_of(predicted, truth, 3), np.arange(20) // 4
    without = [set_miou(counts.take(group != one)) for one in range(5)]
    expected = 5 * set_miou(counts) - 4 * np.mean(without)
    assert pseudo_values(counts, group).mean() == pytest.approx(expected, abs=1e-12)
    uneven = np.array([0] * 3 + [1] * 9 + [2] * 2 + [3] * 6)
    own = 4 * set_miou(counts) - 3 * np.array([set_miou(counts.take(uneven != one)) for one in range(4)])
    found = pseudo_values(counts, uneven)
    assert found.mean() == pytest.approx(own.mean(), abs=1e-12)
    moved = np.bincount(uneven, found - found.mean())
    variance = (moved**2).sum() * 4 / 3 / 20**2  # of a mean over pictures that come in groups
    assert variance == pytest.approx(own.var(ddof=1) / 4, abs=1e-15)
    alike = MaskCounts(np.repeat(counts.confusion[:1], 6, 0), np.repeat(counts.edges[:1], 6, 0))
    assert pseudo_values(alike, None) == pytest.approx([set_miou(alike)] * 6, abs=1e-12)


def test_few_pictures_and_equal_ones_have_no_interval():
    predicted, truth = masks(1, 4, 3)
    found = mask_metrics(counts_of(predicted, truth, 3), None, seed=0)[0].estimate
    assert isinstance(found, PointEstimate) and found.why == "4 pictures"
    alike = counts_of(np.repeat(predicted[:1], 12, 0), np.repeat(truth[:1], 12, 0), 3)
    assert isinstance(mask_metrics(alike, None, seed=0)[0].estimate, PointEstimate)


def test_intervals_by_block_hold_where_those_by_picture_do_not():
    """Of 120 sets of 12 blocks of 15 pictures that share a difficulty."""
    source, k, held = np.random.default_rng(11), 3, {"block": 0, "picture": 0}
    share = 0.6
    for _ in range(120):
        hard = np.repeat(source.normal(0, 0.15, 12), 15)
        right = source.binomial(400, np.clip(share + hard, 0.02, 0.98))
        confusion = np.zeros((180, k, k), dtype=np.int64)
        confusion[:, 0, 0], confusion[:, 0, 1], confusion[:, 1, 1] = right, 400 - right, right
        confusion[:, 1, 0] = 400 - right
        counts = MaskCounts(confusion, np.zeros((180, k, 4), dtype=np.int64))
        truth = share / (2 - share)
        for name, group in (("block", np.arange(180) // 15), ("picture", None)):
            one = mask_metrics(counts, group, seed=0)[0].estimate
            assert isinstance(one, Estimate)
            held[name] += one.low <= truth <= one.high
    assert held["block"] >= 120 * 0.88
    assert held["picture"] < 120 * 0.65


def test_blocks_that_are_like_the_next_one_have_wider_intervals_than_the_same_in_another_order():
    """Frames of a drive that gets harder, in twelve blocks, and the same blocks in disorder."""
    random = np.random.default_rng(0)
    share = np.repeat(np.linspace(0.5, 0.95, 12), 10)
    right = random.binomial(1000, share)
    confusion = np.zeros((120, 2, 2), dtype=np.int64)
    confusion[:, 0, 0], confusion[:, 0, 1], confusion[:, 1, 1] = right, 1000 - right, 500
    block = np.arange(120) // 10
    mixed = np.argsort(random.permutation(12)[block], kind="stable")
    widths = []
    for order in (np.arange(120), mixed):
        counts = MaskCounts(confusion[order], np.zeros((120, 2, 4), dtype=np.int64))
        named = {one.name: one.estimate for one in mask_metrics(counts, block[order], seed=0)}
        widths.append(named["miou"].high - named["miou"].low)
    assert widths[0] > 1.2 * widths[1]
