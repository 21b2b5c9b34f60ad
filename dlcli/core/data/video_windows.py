"""Windows of a long video, decoded in one pass: the frames of each as a file with nothing but the window would give them."""

import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.frame_times import frames_at_rate, uniform_frames
from dlcli.core.data.truncation import describe_truncation
from dlcli.core.data.videos import OPEN_OPTIONS, Videos, frame_index, frames_of, pyav
from dlcli.support.errors import InputError
from dlcli.support.plural import count


class Window(NamedTuple):
    """A window.

    Attributes:
        begin: Seconds from the first frame on.
        end: The same, of its end.
        pixels: Its pixels, (3, clips * frames, rows, columns).
        left: Seconds of the video behind its end, 0 for less than two frames.
    """

    begin: float
    end: float
    pixels: NDArray[np.uint8]
    left: float = 0.0


@dataclass(frozen=True)
class _Span:
    begin: Fraction
    end: Fraction
    wanted: list[int]
    left: Fraction


def video_windows(path: Path, videos: Videos, every: float, length: float) -> Iterator[Window]:
    """The windows of a video, one after the other; of its frames only those that windows still need are in memory.

    A window holds the frames that begin within it. The last one ends with the video; one that would reach beyond is not made,
    unless the video is shorter than a window.

    Args:
        path: The file.
        videos: How frames are chosen within a window and prepared.
        every: Seconds from the begin of one window to that of the next, above 0.
        length: Seconds of a window, above 0.

    Raises:
        InputError: If it cannot be decoded, or a window has fewer than two frames.
        MissingExtraError: Without PyAV.
    """
    if truncated := describe_truncation(path):
        raise InputError(f"{path}: {truncated}", hint="copy it again")
    try:
        with pyav().open(os.path.abspath(path), options=OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise InputError(f"{path}: has no video stream")
            stream = container.streams.video[0]
            index = frame_index(container, stream)
            times = [time * index.tick for time in index.times]
            spans = _spans(times, index.tick, videos, Fraction(str(every)), Fraction(str(length)), path)
            needed = sorted({number for span in spans for number in span.wanted})
            yield from _decoded(frames_of(container, stream, index, needed), spans, videos)
    except pyav().error.FFmpegError as error:
        raise InputError(f"{path}: cannot be decoded: {error}", hint="check that it plays, or convert it") from None


def _spans(times: list[Fraction], tick: Fraction, videos: Videos, every: Fraction, length: Fraction, path: Path) -> list[_Span]:
    """The windows and the frames that each takes."""
    if len(times) < 2:
        raise InputError(f"{path}: has fewer than two frames", hint="name a video")
    first, step = times[0], (times[-1] - times[0]) / (len(times) - 1)
    whole = times[-1] + step - first
    windows = max(1, (whole - length + tick) // every + 1)
    found = []
    for k in range(int(windows)):
        begin, end = k * every, min(k * every + length, whole)
        low, high = (bisect_left(times, first + one - tick / 2) for one in (begin, end))
        if high - low < 2:
            message = (
                f"{path}: the window from {float(begin):g} s on holds {count(high - low, 'frame')}; a clip needs at least two"
            )
            raise InputError(message, hint="choose a longer `window`")
        left = whole - end if 2 * (whole - end) > 3 * step else Fraction()
        found.append(_Span(begin, end, [low + number for number in _chosen(times[low:high], tick, videos)], left))
    return found


def _chosen(times: list[Fraction], tick: Fraction, videos: Videos) -> list[int]:
    (clips, frames), fps = videos.sampling.shape, videos.sampling.fps
    return uniform_frames(len(times), frames, clips) if fps is None else frames_at_rate(times, tick, fps, frames, clips)


def _decoded(shown: Iterator[tuple[int, object]], spans: list[_Span], videos: Videos) -> Iterator[Window]:
    """Each window once its last frame is decoded."""
    kept: dict[int, NDArray[np.uint8]] = {}
    needed = {number for span in spans for number in span.wanted}
    waiting = iter(spans)
    span = next(waiting, None)
    for number, frame in shown:
        if number in needed:
            kept[number] = videos.pixels(frame)
        while span is not None and max(span.wanted) in kept:
            pixels = np.stack([kept[one] for one in span.wanted], axis=1)
            yield Window(float(span.begin), float(span.end), pixels, float(span.left))
            span = next(waiting, None)
            oldest = min(span.wanted) if span is not None else number + 1
            kept = {one: pixels for one, pixels in kept.items() if one >= oldest}
