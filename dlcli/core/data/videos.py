"""Videos decoded by PyAV: the frames that clips are made of, and no more than it takes to get at them."""

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import Sampling
from dlcli.core.data.decoding import Each, Problems, failure_reason
from dlcli.core.data.frame_times import frames_at_rate, uniform_frames
from dlcli.core.data.resize import crop_origin, resized_shape
from dlcli.core.data.truncation import describe_truncation
from dlcli.support.errors import MissingExtraError

_UNKNOWN = ("InvalidDataError", "is no video of a kind that can be read")
_SAFE = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
"""A playlist with the ending of a video could have other files or addresses opened; these formats hold their frames."""
_UNSTAMPED = "avi"
"""The format that does not say when a frame is shown, only in which order frames are stored."""
_LOST = 2
"""How many frames there may be fewer than packets where these are not stamped: some say only that nothing is new."""
_MOST_PIXELS = 1 << 26


@dataclass(frozen=True)
class Videos:
    """How `read_pixels` decodes videos: to RGB (3, clips * frames, size, size).

    The clips lie one after the other in time; `sampling` says which they are, and `size` how large.
    Raises MissingExtraError without PyAV.
    """

    sampling: Sampling
    size: int
    word: str = "video"
    passes: int = 1

    def __post_init__(self) -> None:
        _av()

    @property
    def place(self) -> list[Any]:
        """Which frames are taken, and the size."""
        return [*self.sampling.shape, self.sampling.fps, self.size]

    @property
    def version(self) -> str:
        """PyAV's."""
        found: str = _av().__version__
        return found

    def shape(self, root: Path, files: Sequence[Path], each: Each, problems: Problems) -> tuple[int, ...]:
        """The shape of all, which no video has a say in."""
        return 3, prod(self.sampling.shape), self.size, self.size

    def decode(self, path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """The frames of a video, or why it has none; one that is cut off has none, for it would pass as a shorter one."""
        try:
            if cut := describe_truncation(path):
                return cut
            # As an absolute path, for a name with a colon would be taken for an address.
            container = _av().open(os.path.abspath(path), options=_SAFE)
        except Exception as error:  # ffmpeg finds many things wrong with damaged files
            return failure_reason(path, error, _UNKNOWN)
        try:
            with container:
                return self._clips(container, shape)
        except Exception as error:  # as above
            return failure_reason(path, error)

    def _clips(self, container: Any, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        if not container.streams.video:
            return "has no video in it"
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # many videos are decoded side by side
        index = _index(container, stream)
        if len(index.times) < 2:
            return f"has {len(index.times) or 'no'} frame{'s' if not index.times else ''}, and a clip needs two"
        wanted = self._wanted(index)
        pixels = np.empty(shape, dtype=np.uint8)
        places: dict[int, list[int]] = {}
        for place, number in enumerate(wanted):
            places.setdefault(number, []).append(place)
        scaler = _av().video.reformatter.VideoReformatter()
        for number, frame in _frames(container, stream, index, sorted(places)):
            pixels[:, places[number]] = _square(frame, shape[-1], scaler)[:, None]
        return pixels

    def _wanted(self, index: "_Index") -> list[int]:
        (clips, frames), fps = self.sampling.shape, self.sampling.fps
        if fps is None:
            return uniform_frames(len(index.times), frames, clips)
        return frames_at_rate([time * index.tick for time in index.times], index.tick, fps, frames, clips)


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtraError("reading videos", "video") from None
    return av


@dataclass(frozen=True)
class _Index:
    """When the frames of a video are shown, rising, in ticks of so many seconds, and which times are those of key frames.

    Without `stamped` the file gives no times, and these are made of its frame rate.
    """

    times: list[int]
    keys: list[int]
    tick: Fraction
    stamped: bool


def _index(container: Any, stream: Any) -> _Index:
    """Read from the packets, of which each holds one frame, without decoding any."""
    packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
    seen = [(packet.pts, packet.is_keyframe) for packet in packets]  # without what they hold, which is the whole file
    times = sorted({pts for pts, _ in seen if pts is not None})
    if len(times) < len(seen) or container.format.name == _UNSTAMPED:
        rate = stream.average_rate or Fraction(25)
        return _Index(list(range(len(seen))), [0], 1 / rate, stamped=False)
    keys = sorted(pts for pts, is_key in seen if is_key) or times[:1]
    return _Index(times, keys, stream.time_base, stamped=True)


def _frames(container: Any, stream: Any, index: _Index, wanted: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """The frames of the numbers `wanted`, rising; raises ValueError if one cannot be had."""
    if not index.stamped:
        container.seek(container.start_time or 0)
        yield from _picked(enumerate(container.decode(stream)), {number: number for number in wanted}, lost=_LOST)
        return
    # From one key frame to the next nothing is decoded that need not be.
    for key, group in groupby(wanted, lambda number: index.keys[max(0, bisect_right(index.keys, index.times[number]) - 1)]):
        targets = {index.times[number]: number for number in group}
        container.seek(key, stream=stream)
        try:
            yield from _picked(_stamped(container, stream), targets)
        except _LateError:
            container.seek(min(index.times[0], index.keys[0]), stream=stream)
            yield from _picked(_stamped(container, stream), targets)


def _stamped(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    return ((frame.pts, frame) for frame in container.decode(stream) if frame.pts is not None)


class _LateError(ValueError):
    """The first frame to be had is later than the one that is wanted."""


def _picked(shown: Iterable[tuple[int, Any]], targets: Mapping[int, int], *, lost: int = 0) -> Iterator[tuple[int, Any]]:
    """Of frames by their times, rising, those on show at the times in `targets`, by the number that this gives them.

    Up to `lost` may be missing at the end.
    """
    left, before, time = sorted(targets, reverse=True), None, 0
    for time, frame in shown:
        if frame.is_corrupt:
            raise ValueError(f"frame {targets[left[-1]]} is damaged")
        while left and time > left[-1]:  # a packet may hold a frame that is never shown
            if before is None:
                raise _LateError(f"frame {targets[left[-1]]} is missing")
            yield targets[left.pop()], before
        if left and time == left[-1]:
            yield targets[left.pop()], frame
        if not left:
            return
        before = frame
    if before is None or left[0] > time + lost:
        raise ValueError(f"it ends before frame {targets[left[0]]}")
    yield from ((targets[late], before) for late in reversed(left))


def _square(frame: Any, size: int, scaler: Any) -> NDArray[np.uint8]:
    """The frame as it is to be shown, (3, size, size): its shorter side resized, and then the centre cropped."""
    height, width = resized_shape((frame.height, frame.width), size)
    if height * width > _MOST_PIXELS:
        raise ValueError(f"{frame.width}x{frame.height} pixels is too long for its breadth")
    top, left = crop_origin((height, width), size)
    pixels = scaler.reformat(frame, width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
    upright = np.rot90(pixels[top : top + size, left : left + size], round(frame.rotation / 90))
    return upright.transpose(2, 0, 1)
