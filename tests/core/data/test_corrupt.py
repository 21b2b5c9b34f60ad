"""Corrupted data: closed forms and invariants."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, kstest

from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.corrupt import FORMS, corrupt
from dlcli.support.errors import UsageError


def _data(n=4000, classes=5, channels=3, size=(4, 6)):
    source = torch.Generator().manual_seed(0)
    x = torch.rand(n, channels, *size, generator=source) * torch.linspace(0.2, 1, channels)[:, None, None]
    y = torch.randint(classes, (n,), generator=source)
    more = {"dev": Split(x[:7].clone(), y[:7].clone())}
    return ImageData(x, y, x[:50].flip(0), y[:50].flip(0), tuple("abcdefgh"[:classes]), "made up", more)


DATA = _data()


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_labels_agree_as_often_as_the_formula_says(probability, classes):
    data = _data(classes=classes)
    found = corrupt(data, f"labels={probability}", seed=1)
    agree = int((found.y_train == data.y_train).sum())
    expected = 1 - probability + probability / classes
    assert binomtest(agree, len(data.y_train), expected).pvalue > 1e-4
    assert found.x_train is data.x_train
    assert torch.equal(found.y_test, data.y_test)
    assert torch.equal(found.extra_splits["dev"].y, data.extra_splits["dev"].y)


def test_wrong_labels_are_uniform_over_the_other_classes():
    found = corrupt(DATA, "labels=1", seed=2).y_train
    table = np.zeros((5, 5))
    np.add.at(table, (DATA.y_train.numpy(), found.numpy()), 1)
    expected = table.sum(1, keepdims=True) / 5
    chi2 = ((table - expected) ** 2 / expected).sum()
    assert chi2 < 20 + 5 * np.sqrt(2 * 20)  # 5 * 4 degrees of freedom


def test_a_larger_probability_only_adds_wrong_labels():
    few, many, true = (corrupt(DATA, f"labels={p}", seed=3).y_train for p in (0.2, 0.6, 0))
    assert torch.equal(few[few != true], many[few != true])


def test_shuffled_pixels_are_one_permutation_that_can_be_undone():
    found = corrupt(DATA, "shuffled-pixels", seed=4)
    order = torch.empty(24, dtype=torch.long)
    before, after = DATA.x_train.flatten(2), found.x_train.flatten(2)
    for position in range(24):
        (order[position],) = (before == after[:, :, position, None]).all((0, 1)).nonzero()[:, 0]
    assert sorted(order.tolist()) == list(range(24))
    assert order.tolist() != list(range(24))
    back = torch.argsort(order)
    for name, split in DATA.splits.items():
        assert torch.equal(found.splits[name].x.flatten(2)[:, :, back].view_as(split.x), split.x)
        assert torch.equal(found.splits[name].y, split.y)


def test_random_pixels_are_another_permutation_for_each_image():
    found = corrupt(DATA, "random-pixels", seed=5)
    orders = set()
    for before, after in zip(DATA.x_train[:200].flatten(2), found.x_train[:200].flatten(2), strict=True):
        order = (before[:, :, None] == after[:, None, :]).all(0).nonzero()
        assert sorted(order[:, 1].tolist()) == list(range(24))  # channels stayed together
        orders.add(tuple(order[:, 1].tolist()))
    assert len(orders) == 200
    assert not torch.equal(found.x_test, corrupt(DATA, "shuffled-pixels", seed=5).x_test)


def test_gaussian_has_the_moments_of_each_channel_and_the_shape_of_a_normal():
    found = corrupt(DATA, "gaussian", seed=6)
    for channel in range(3):
        true, noise = DATA.x_train[:, channel].double(), found.x_train[:, channel].double()
        n, std = noise.numel(), true.std(correction=0)
        assert abs(noise.mean() - true.mean()) < 5 * std / n**0.5
        assert abs(noise.var() / true.var() - 1) < 5 * (2 / n) ** 0.5
        assert kstest(noise.flatten()[:2000].numpy(), "norm", (float(true.mean()), float(std))).pvalue > 1e-4
        odd, even = noise[0::2].flatten(), noise[1::2].flatten()
        assert torch.corrcoef(torch.stack([odd, even]))[0, 1].abs() < 5 / len(odd) ** 0.5
    assert not torch.equal(found.x_train[:7], found.extra_splits["dev"].x)


@pytest.mark.parametrize("spec", ["labels=0.5", "shuffled-pixels", "random-pixels", "gaussian"])
def test_a_seed_fixes_everything_and_the_original_is_left_alone(spec):
    data = _data(60)
    before, state = data.fingerprint, torch.get_rng_state()
    same = [corrupt(data, spec, seed=7).fingerprint for _ in range(2)]
    assert same[0] == same[1] != corrupt(data, spec, seed=8).fingerprint
    assert _data(60).fingerprint == before
    assert torch.equal(torch.get_rng_state(), state)
    found = corrupt(data, spec, seed=7)
    assert found.name == f"made up, {spec}"
    assert {name: split.x.shape for name, split in found.splits.items()} == {k: s.x.shape for k, s in data.splits.items()}


@pytest.mark.parametrize("spec", ["labels=1.5", "labels=-0.1", "labels=nan", "labels=", "labels", "labels=many"])
def test_invalid_probabilities(spec):
    with pytest.raises(UsageError, match="from 0 to 1"):
        corrupt(DATA, spec, seed=0)


@pytest.mark.parametrize("spec", ["", "pixels", "gaussian=2", "Labels=1", "shuffled_pixels"])
def test_an_unknown_corruption_lists_the_choices(spec):
    with pytest.raises(UsageError, match="unknown corruption") as caught:
        corrupt(DATA, spec, seed=0)
    assert all(form in caught.value.hint for form in FORMS)


def test_a_test_set_alone_can_be_shuffled_but_has_no_moments():
    alone = DATA.with_splits({**DATA.splits, "train": Split(DATA.x_train[:0], DATA.y_train[:0])})
    assert corrupt(alone, "random-pixels", seed=0).x_train.shape == (0, 3, 4, 6)
    with pytest.raises(UsageError, match="there are none"):
        corrupt(alone, "gaussian", seed=0)


@pytest.mark.parametrize("spec", ["shuffled-pixels", "random-pixels"])
def test_the_frames_of_a_clip_keep_their_places_to_each_other(spec):
    """Frames that are each other's negative still are: one permutation for all of a clip."""
    x = torch.rand(20, 3, 1, 4, 6)
    clips = torch.cat([x, 1 - x], 2)
    y = torch.arange(20) % 2
    found = corrupt(ImageData(clips, y, clips[:4], y[:4], ("a", "b"), "clips"), spec, 0).x_train
    assert not torch.equal(found, clips)
    assert torch.equal(found[:, :, 1], 1 - found[:, :, 0])
    assert torch.equal(found[:, :, 0].flatten(2).sort().values, x[:, :, 0].flatten(2).sort().values)


def test_noise_has_the_moments_of_each_channel_of_clips_too():
    clips = torch.rand(400, 2, 3, 4, 6) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)
    y = torch.arange(400) % 2
    found = corrupt(ImageData(clips, y, clips[:4], y[:4], ("a", "b"), "clips"), "gaussian", 0).x_train
    for channel in range(2):
        ours, theirs = found[:, channel], clips[:, channel]
        assert abs(float(ours.mean() - theirs.mean())) < 0.02
        assert abs(float(ours.std() / theirs.std()) - 1) < 0.05
