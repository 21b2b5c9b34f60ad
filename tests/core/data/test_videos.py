"""Frames picked from the output of a decoder."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data import open_data
from dlcli.core.data.base import Sampling
from dlcli.core.data.videos import _LateError, _picked
from dlcli.support.errors import InputError
from tests.core.data.videos import film, films

times = st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True).map(sorted)


def _shown(when, damaged=()):
    return [(time, SimpleNamespace(is_corrupt=time in damaged, at=time)) for time in when]


@given(shown=times, wanted=times, missing=st.integers(0, 3))
def test_each_moment_has_the_frame_shown_then(shown, wanted, missing):
    """The last one that was shown by then, after the end the last of all for a while; before the first there is none."""
    targets = {time: 100 + time for time in wanted}
    if wanted[0] < shown[0]:
        with pytest.raises(_LateError, match=f"frame {100 + wanted[0]} is missing"):
            list(_picked(_shown(shown), targets, missing=missing))
    elif wanted[-1] > shown[-1] + missing:
        with pytest.raises(ValueError, match="it ends before frame"):
            list(_picked(_shown(shown), targets, missing=missing))
    else:
        found = [(number, frame.at) for number, frame in _picked(_shown(shown), targets, missing=missing)]
        assert found == [(100 + time, max(one for one in shown if one <= time)) for time in wanted]


def test_nothing_shown_is_no_frame_and_a_damaged_one_is_named():
    with pytest.raises(ValueError, match="it ends before frame 7"):
        list(_picked([], {3: 7}))
    with pytest.raises(ValueError, match="frame 8 is damaged"):
        list(_picked(_shown([0, 1, 2], damaged=(1,)), {0: 7, 2: 8}))


def test_an_extreme_aspect_ratio_is_refused(tmp_path):
    films(tmp_path, n=2)
    film(tmp_path / "left" / "wide.mkv", 2, shape=(2, 8192), pixels=[np.zeros((2, 8192, 3), np.uint8)] * 2)
    with pytest.raises(InputError, match="wide.mkv: cannot be decoded .8192x2 pixels has too extreme an aspect ratio"):
        open_data(str(tmp_path), sampling=Sampling(2), size=256, strict=True)


@pytest.mark.parametrize(
    ("ending", "codec"),
    [(".m4v", "libx264"), (".mts", "libx264"), (".m2ts", "libx264"), (".mpg", "mpeg1video"), (".MPEG", "mpeg1video")]
    + [(".wmv", "wmv2"), (".3gp", "libx264"), (".mov", "libx264")],
)
def test_videos_are_read_whatever_their_container(tmp_path, ending, codec):
    for name in ("left", "right"):
        for k in range(2):
            film(tmp_path / name / f"{k}{ending}", 12, rate=25, shape=(32, 48), codec=codec)
    data = open_data(str(tmp_path), sampling=Sampling(frames=4))
    assert data.x_train.shape[1:3] == (3, 4)
    levels = data.x_train.mean((1, 3, 4)) * 255  # each frame is lighter than the one before by 10 grey levels
    assert ((levels[:, 1:] - levels[:, :-1]) > 15).all() and ((levels[:, -1] - levels[:, 0]) < 112).all()
