"""Digits that drift: that no order-blind look at the frames can tell the class, by construction and by trial."""

import numpy as np
import pytest
import torch

from dlcli.core.data import open_data
from dlcli.core.data.base import Sampling, choose
from dlcli.support.errors import MissingInputError, UsageError


def _open(spec="moving-digits", **sampling):
    return open_data(spec, sampling=Sampling(**sampling))


def _frames(clips):
    """The frames of each clip as a multiset."""
    return [sorted(frame.tobytes() for frame in np.moveaxis(clip, 1, 0)) for clip in clips.numpy()]


def test_each_class_has_the_very_frames_of_the_other_backwards():
    data = _open()
    assert data.classes == ("left", "right")
    assert (data.frames, data.clips, data.size, data.channels) == (8, 1, (32, 32), 3)
    for split in data.splits.values():
        left, right = split.x[split.y == 0], split.x[split.y == 1]
        assert torch.equal(left.flip(2), right)
        assert _frames(left[:50]) == _frames(right[:50])
        assert not torch.equal(left, right)


@pytest.mark.parametrize(("spec", "speed"), [("moving-digits", 2), ("moving-digits-1", 1), ("moving-digits-5", 5)])
def test_the_frames_move_as_the_class_says(spec, speed):
    data = _open(spec, frames=5)
    for k, way in ((0, -1), (1, 1)):
        clips = data.x_test[data.y_test == k]
        for before, after in zip(clips.unbind(2)[:-1], clips.unbind(2)[1:], strict=True):
            assert torch.equal(before.roll(way * speed, 3), after)


def test_digits_are_whole_and_those_of_the_embedded_sets():
    data, digits = _open(), open_data("digits")
    for name in ("train", "test"):
        moving, still = data.splits[name].x, digits.splits[name].x
        assert len(moving) == 2 * len(still)
        ink = still.sum((1, 2, 3)).repeat_interleave(2)
        assert torch.equal(moving, moving[:, :1].expand(-1, 3, -1, -1, -1))
        assert torch.allclose(moving[:, 0].sum((2, 3)), ink[:, None].expand(-1, 8), atol=1e-4)


def test_places_are_uniform():
    x = _open(frames=1).x_train[::2, 0, 0]
    for axis in (1, 2):
        assert torch.allclose(x.sum((0, axis)) / x.sum(), torch.full((32,), 1 / 32), atol=0.005)


def test_a_limit_takes_those_that_it_takes_of_any_data():
    whole, some = _open(), open_data("moving-digits", sampling=Sampling(), limit=30)
    chosen = choose(whole.y_train.numpy(), 30)
    assert torch.equal(some.x_train, whole.x_train[chosen])
    assert torch.bincount(some.y_train).tolist() == [15, 15]


def test_several_clips_are_one_motion_cut_into_pieces():
    whole, pieces = _open(frames=12), _open(frames=4, clips=3)
    assert torch.equal(whole.x_train, pieces.x_train)
    assert (pieces.frames, pieces.clips) == (4, 3)


def test_a_classifier_of_single_frames_and_one_of_their_mean_are_at_chance():
    """Exactly half: it predicts the same class for a clip and for its reverse, which belongs to the other class."""
    from sklearn.linear_model import LogisticRegression

    data = _open()
    for look in (lambda x: x[:, 0, 3].flatten(1), lambda x: x.mean(2).flatten(1), lambda x: x.amax(2).flatten(1)):
        model = LogisticRegression(max_iter=1000, tol=0.01).fit(look(data.x_train).numpy(), data.y_train)
        score = model.score(look(data.x_test).numpy(), data.y_test)
        assert abs(score - 0.5) < 0.06
    order_blind = model.predict(data.x_test.amax(2).flatten(1).numpy())
    assert (order_blind[::2] == order_blind[1::2]).all()
    assert score == 0.5


@pytest.mark.parametrize("spec", ["moving-digits-16", "moving-digits-32", "moving-digits-0"])
def test_speeds_at_which_left_is_right_are_refused(spec):
    with pytest.raises(UsageError, match="left and right are the same"):
        _open(spec)


@pytest.mark.parametrize("spec", ["moving-digits-", "moving-digits-x", "moving-digits4", "moving-digits--2"])
def test_other_spellings_are_unknown(spec):
    with pytest.raises(MissingInputError, match="no such dataset, file or folder"):
        _open(spec)


def test_they_have_no_seconds_and_are_clips():
    with pytest.raises(UsageError, match="`fps`: moving-digits are generated frame by frame"):
        _open(fps=2.0)
    with pytest.raises(UsageError, match="this command takes images only"):
        open_data("moving-digits")


def test_another_size_resizes_every_frame():
    small, large = (open_data("moving-digits", sampling=Sampling(), limit=20, size=size) for size in (16, None))
    frame = torch.nn.functional.interpolate(large.x_train[:, :, 3], (16, 16), mode="bilinear", antialias=True)
    assert small.x_train.shape == (20, 3, 8, 16, 16)
    assert torch.allclose(small.x_train[:, :, 3], frame, atol=1e-6)
