"""The checks that every source shares, and the fixed hold-out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data.arrays import LabelledArrays, from_train_and_test, with_held_out_test
from dlcli.core.data.base import ImageData, Split, check_trainable, choose, hold_out
from dlcli.support.errors import InputError

_LABELS = np.array([0, 1, 2, 0, 1, 2])


def _images(shape=(6, 5, 4), dtype=np.float32):
    return np.random.default_rng(0).random(shape).astype(dtype)


def _given(images, labels=_LABELS, **others):
    test = LabelledArrays(others.get("x_test", images), others.get("y_test", labels), "x_test", "y_test")
    return from_train_and_test("f", LabelledArrays(images, labels, "x_train", "y_train"), test)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 5, 4), None),
        ((6, 5, 4, 1), (0, 3, 1, 2)),
        ((6, 5, 4, 3), (0, 3, 1, 2)),
        ((6, 3, 5, 4), (0, 1, 2, 3)),
        ((6, 4, 4, 4), None),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_layout_comes_out_channels_first(shape, axes, dtype):
    images = _images(shape, dtype)
    expected = images.transpose(axes) if axes else images.reshape(6, -1, *shape[-2:])
    found = _given(images).x_train
    assert (found.dtype, found.is_contiguous()) == (torch.float32, True)
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.float32))


def test_bytes_are_divided_by_255_and_the_original_is_unchanged():
    images = np.random.default_rng(0).integers(0, 256, (6, 2, 2)).astype(np.uint8)
    before = images.copy()
    np.testing.assert_allclose(_given(images).x_train[:, 0], before / 255, rtol=1e-6)
    floats = _images()
    kept = floats.copy()
    _given(floats)
    assert (images == before).all()
    assert (floats == kept).all()


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        (np.array([7, 3, 7, 5, 5, 3]), ("3", "5", "7"), [2, 0, 2, 1, 1, 0]),
        (np.array([7, 3, 7, 5, 5, 3], np.uint8)[:, None], ("3", "5", "7"), [2, 0, 2, 1, 1, 0]),
        (np.array(["cat", "ant", "cat", "ant", "bee", "bee"]), ("ant", "bee", "cat"), [2, 0, 2, 0, 1, 1]),
        (np.array([b"b", b"a", b"b", b"a", b"a", b"a"]), ("a", "b"), [1, 0, 1, 0, 0, 0]),
        (np.array([True, False] * 3), ("False", "True"), [1, 0] * 3),
    ],
)
def test_labels_become_indices_with_names(labels, classes, indices):
    data = _given(_images(), labels)
    assert data.classes == classes
    assert data.y_train.tolist() == data.y_test.tolist() == indices
    assert data.y_train.dtype == torch.int64


def test_a_test_set_may_lack_a_class():
    data = _given(_images(), x_test=_images((2, 5, 4)), y_test=np.array([2, 0]))
    assert data.y_test.tolist() == [2, 0]
    assert len(data.classes) == 3


def _with(value, index=(3, 1, 2)):
    images = _images()
    images[index] = value
    return images


@pytest.mark.parametrize(
    ("images", "message", "hint"),
    [
        (_with(np.nan), r"'x_train' has nan at \[3, 1, 2\]", ""),
        (_with(np.inf), r"'x_train' has inf at \[3, 1, 2\]", ""),
        (_with(255.0), r"from [0-9.e-]+ to 255, outside \[0, 1\]", "divide by 255"),
        (_with(-1.5), r"from -1.5 to 0.99", "normalisation"),
        (_images().astype(np.int64), "is int64; uint8", ""),
        (np.ones((6, 5, 4), np.uint8), "holds only 0 and 1", "float32"),
        (_images((6, 20)), r"has shape \(6, 20\); images are", "reshape"),
        (_images((6, 5, 4, 2)), r"has shape \(6, 5, 4, 2\); images are", ""),
        (_images((6, 3, 3, 3)), "which may be", ""),
        (_images((6, 1, 2, 3, 4)), "images are", ""),
        (np.float32(0.5), r"has shape \(\); images are", ""),
        (_images((0, 5, 4)), r"is empty: its shape is \(0, 5, 4\)", ""),
        (_images((6, 0, 4)), "is empty", ""),
    ],
)
def test_images_that_cannot_be_used(images, message, hint):
    with pytest.raises(InputError, match=message) as caught:
        _given(np.asarray(images))
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_the_index_of_a_bad_value_is_that_of_the_users_array():
    images = _images((9, 2, 3, 4))
    images[7, 1, 0, 2] = np.nan
    with pytest.raises(InputError, match=r"'x' has nan at \[7, 1, 0, 2\]"):
        with_held_out_test("f", LabelledArrays(images, np.arange(9) % 3), 0.2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(5), "'x_train' has 6 images but 'y_train' has 5 labels"),
        (np.eye(6, dtype=int), r"'y_train' has shape \(6, 6\)"),
        (np.float64(3), r"has shape \(\)"),
        (np.arange(6) / 2, "is float64; labels are integers or strings"),
        (np.full(6, 4), "all labels in 'y_train' are 4"),
    ],
)
def test_labels_that_cannot_be_used(labels, message):
    with pytest.raises(InputError, match=message):
        _given(_images(), np.asarray(labels), y_test=_LABELS)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"y_test": np.array([0, 1, 9, 0, 1, 2])}, r"label 9 at 'y_test'\[2\] is not among the labels of 'y_train'"),
        ({"y_test": np.array(["0"] * 6)}, r"label 0 at 'y_test'\[0\]"),
        ({"x_test": _images((6, 4, 4))}, r"differ in shape: \(5, 4\) and \(4, 4\)"),
        ({"x_test": _images((0, 5, 4)), "y_test": np.array([], int)}, "'x_test' is empty"),
        ({"y_test": np.array([0])}, "'x_test' has 6 images but 'y_test' has 1 label"),
    ],
)
def test_a_test_set_that_does_not_go_with_the_training_set(others, message):
    with pytest.raises(InputError, match=message):
        _given(_images(), **others)


def test_a_class_for_each_example_leaves_nothing_to_test_on():
    with pytest.raises(InputError, match="no class in 'y' has two examples"):
        with_held_out_test("f", LabelledArrays(_images(), np.arange(6)), 0.2)


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=80).map(np.array), share=st.floats(0.05, 0.5))
def test_the_hold_out_is_a_fixed_share_of_every_class(labels, share):
    held = hold_out(labels, share)
    for label in np.unique(labels):
        n, count = (labels == label).sum(), held[labels == label].sum()
        assert count == (max(1, round(n * share)) if n > 1 else 0)
    assert (hold_out(labels, share) == held).all()
    assert (hold_out(labels.astype(str), share) == held).all()


def test_the_hold_out_is_not_periodic():
    """Five shots of each scene, in order, must not put the same shot of every scene into the test set."""
    held = np.flatnonzero(hold_out(np.zeros(1000, int), 0.2)) % 5
    counts = np.bincount(held, minlength=5)
    assert counts.sum() == 200
    assert (np.abs(counts - 40) < 5 * np.sqrt(200 * 0.2 * 0.8)).all()


def test_splitting_keeps_each_image_with_its_label():
    images = np.arange(60, dtype=np.float32).reshape(60, 1, 1).repeat(2, 1) / 60
    data = with_held_out_test("f", LabelledArrays(images, np.arange(60) % 3), 0.2)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert torch.equal((x[:, 0, 0, 0] * 60).round().long() % 3, y)
    together = torch.cat([data.x_train, data.x_test])[:, 0, 0, 0]
    assert torch.equal(together.sort().values, torch.from_numpy(images[:, 0, 0]))
    assert len(data.x_test) == 12


def test_the_fingerprint_counts_everything_but_the_name():
    base = _given(_images())
    parts = vars(base).copy()

    def changed(**changes):
        return ImageData(**{**{k: v for k, v in parts.items() if k != "fingerprint"}, **changes}).fingerprint

    pixel = base.x_test.clone()
    pixel[2, 0, 1, 1] += 1e-6
    label = base.y_train.clone()
    label[0] = 2
    swapped = {"x_train": base.x_train.flip(0)}
    turned = {"x_train": base.x_train.mT.contiguous()}
    variants = [changed(), changed(x_test=pixel), changed(y_train=label), changed(classes=("a", "b", "c"))]
    variants += [changed(**swapped), changed(**turned)]
    assert len(set(variants)) == 6
    assert changed(name="other") == base.fingerprint == variants[0]
    assert (base.channels, base.size) == (1, (5, 4))
    dev, other = (Split(base.x_test[:n], base.y_test[:n]) for n in (2, 3))
    more = [
        {"dev": dev},
        {"train-dev": dev},
        {"dev": other},
        {"dev": dev, "train-dev": other},
        {"dev": other, "train-dev": dev},
    ]
    assert len({base.fingerprint, *(changed(extra_splits=sets) for sets in more)}) == 6
    assert changed(extra_splits=dict(reversed(more[3].items()))) == changed(extra_splits=more[3])


def test_data_to_test_on_only():
    base = _given(_images())
    data = base.with_splits({**base.splits, "train": Split(base.x_train[:0], base.y_train[:0])})
    assert (data.channels, data.size) == (1, (5, 4))
    assert torch.equal(data.sample(2), base.x_test[:2])
    assert data.fingerprint != base.fingerprint
    check_trainable(base)
    with pytest.raises(InputError, match="nothing to train on"):
        check_trainable(data)
    one = base.with_splits({**base.splits, "train": Split(base.x_train[:1], base.y_train[:1])})
    with pytest.raises(InputError, match="all training labels are '0'"):
        check_trainable(one)


@given(labels=st.lists(st.integers(0, 3), max_size=60).map(lambda found: np.array(found, int)), limit=st.integers(1, 70))
def test_a_choice_is_of_the_size_asked_for_and_leaves_out_no_class_it_can_hold(labels, limit):
    chosen = choose(labels, limit)
    assert len(chosen) == min(limit, len(labels)) == len(set(chosen.tolist()))
    assert sorted(chosen) == list(chosen)
    assert len(set(labels[chosen])) == min(limit, len(set(labels)))


def test_a_choice_keeps_the_shares_of_the_classes():
    labels = np.array([0] * 700 + [1] * 200 + [2] * 100)
    counts = np.bincount(labels[choose(labels, 100)])
    assert (np.abs(counts - [70, 20, 10]) <= 2).all()
