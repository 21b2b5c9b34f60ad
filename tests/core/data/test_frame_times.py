"""Which frames are taken, against closed forms and a search through all frames."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data.frame_times import frames_at_rate, uniform_frames

few = st.integers(1, 12)


@given(st.integers(1, 500), few, few)
def test_uniform_takes_the_frame_in_the_middle_of_each_equal_part(n, frames, clips):
    parts = frames * clips
    middle = [next(k for k in range(n) if k <= Fraction(2 * part + 1, 2 * parts) * n < k + 1) for part in range(parts)]
    assert uniform_frames(n, frames, clips) == [middle[clips * k + clip] for clip in range(clips) for k in range(frames)]


def test_uniform_over_eight_of_eight_frames_takes_each_once():
    assert uniform_frames(8, 8, 1) == list(range(8))
    assert uniform_frames(8, 4, 2) == [0, 2, 4, 6, 1, 3, 5, 7]
    assert uniform_frames(2, 4, 1) == [0, 0, 1, 1]


@given(st.integers(2, 80), st.integers(1, 4), few, st.integers(1, 60))
def test_a_rate_that_divides_the_frame_rate_takes_every_kth_frame(n, every, frames, rate):
    times = [Fraction(k, rate) for k in range(n)]
    span = every * (frames - 1)
    found = frames_at_rate(times, Fraction(1, 90_000), float(rate) / every, frames, 1)
    start = max(0, n - 1 - span) // 2  # a run in the middle, or from the first frame
    assert found == [min(n - 1, start + every * k) for k in range(frames)]


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
    few,
    st.integers(1, 4),
    st.sampled_from([0.5, 2.0, 7.5, 24.0]),
)
def test_a_rate_takes_what_is_on_show_at_each_moment(gaps, frames, clips, fps):
    stamps = [sum(gaps[:k]) for k in range(len(gaps) + 1)]
    times, end = [Fraction(stamp, 1000) for stamp in stamps], Fraction(stamps[-1], 1000)
    run = (frames - 1) / Fraction(fps)
    found = frames_at_rate(times, Fraction(1, 1000), fps, frames, clips)
    assert len(found) == frames * clips
    for clip in range(clips):
        start = (end - run) * Fraction(2 * clip + 1, 2 * clips) if run < end else Fraction(0)
        for k in range(frames):
            moment = start + k / Fraction(fps) + Fraction(1, 2000)
            assert found[clip * frames + k] == max(j for j, time in enumerate(times) if time <= moment)


def test_frames_at_thirty_a_second_are_found_though_the_file_rounds_their_times():
    times = [Fraction(round(1000 * k / 30), 1000) for k in range(31)]
    assert frames_at_rate(times, Fraction(1, 1000), 30.0, 31, 1) == list(range(31))
