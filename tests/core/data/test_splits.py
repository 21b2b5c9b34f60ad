"""A dev set of one's own, and weights of classes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.splits import class_weights, with_dev_set
from dlcli.support.errors import InputError, UsageError


def test_a_dev_set_is_a_share_of_each_class_and_nothing_is_lost():
    data = open_data("digits")
    found = with_dev_set(data, 0.25, seed=3)
    whole, left, held = (torch.bincount(y) for y in (data.y_train, found.y_train, found.extra_splits["dev"].y))
    assert torch.equal(left + held, whole)
    assert ((held / whole - 0.25).abs() <= 0.5 / whole + 1e-6).all()
    rows = [{(image.numpy().tobytes(), int(k)) for image, k in zip(x, y, strict=True)} for x, y in _pairs(data, found)]
    assert rows[1] | rows[2] == rows[0]
    assert len(rows[1]) + len(rows[2]) == len(rows[0])
    assert torch.equal(found.x_test, data.x_test)


def _pairs(data, found):
    return (
        (data.x_train, data.y_train),
        (found.x_train, found.y_train),
        (found.extra_splits["dev"].x, found.extra_splits["dev"].y),
    )


def test_the_seed_decides_and_a_set_that_is_there_stays():
    data = open_data("digits")
    first, again, other = (with_dev_set(data, 0.2, seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert with_dev_set(first, 0.5, seed=9) is first


def _small(labels):
    y = torch.tensor(labels)
    return ImageData(torch.rand(len(y), 1, 2, 2), y, torch.rand(1, 1, 2, 2), torch.zeros(1, dtype=torch.long), ("a", "b"), "f")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_of_two_one_is_taken_and_one_left(share):
    found = with_dev_set(_small([0, 0, 1, 1]), share, seed=0)
    assert sorted(found.y_train.tolist()) == sorted(found.extra_splits["dev"].y.tolist()) == [0, 1]


def test_what_cannot_be_divided():
    with pytest.raises(InputError, match="no class has two training examples"):
        with_dev_set(_small([0, 1]), 0.5, seed=0)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="above 0 and below 1"):
            with_dev_set(_small([0, 0, 1]), share, seed=0)


def test_other_sets_stay():
    data = _small([0, 0, 1, 1])
    extra = Split(data.x_train[:1], data.y_train[:1])
    found = with_dev_set(data.with_splits({**data.splits, "train-dev": extra}), 0.5, seed=0)
    assert found.extra_splits["train-dev"] is not None
    assert torch.equal(found.extra_splits["train-dev"].x, extra.x)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(5, 7))
def test_every_class_that_is_there_weighs_the_same_in_all(labels, classes):
    y = torch.tensor(labels)
    weights = class_weights(y, classes)
    total = torch.zeros(classes).index_add(0, y, weights[y])
    there = torch.bincount(y, minlength=classes) > 0
    assert total[there].allclose(total[there][0].expand(int(there.sum())))
    assert weights[there].mean().allclose(torch.tensor(1.0))
    assert (weights[~there] == 0).all()
    assert weights.dtype == torch.float32


def test_even_classes_leave_the_loss_as_it_is():
    y, logits = torch.arange(30) % 3, torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    assert F.cross_entropy(logits, y, weight=class_weights(y, 3)).allclose(F.cross_entropy(logits, y))


def test_no_labels():
    with pytest.raises(InputError, match="no labels"):
        class_weights(torch.empty(0, dtype=torch.long), 3)
