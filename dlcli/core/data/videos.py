"""Decode the frames of clips with PyAV, and no more frames than it takes to reach them.

Video is compressed as key frames, which are complete, and the differences that follow each. So a frame can only be decoded
from the last key frame before it on. A first pass over the packets, which decodes nothing, finds out when each frame is shown
and which are key frames; then each group of wanted frames is reached by one seek to its key frame.
"""

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
from dlcli.core.data.cache import Remark
from dlcli.core.data.decoding import ParallelMap, Problems
from dlcli.core.data.failures import failure_reason
from dlcli.core.data.frame_times import frames_at_rate, uniform_frames
from dlcli.core.data.preparation import Preparation
from dlcli.core.data.stored_images import ImageFile
from dlcli.core.data.truncation import describe_truncation
from dlcli.support.errors import MissingExtraError

_UNKNOWN = ("InvalidDataError", "not a video in a supported format")
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg"
OPEN_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""Only formats that contain their frames: a playlist named like a video could make ffmpeg open other files or addresses."""
_UNSTAMPED = "avi"
"""The format without timestamps of frames: it stores only their order."""
_MAX_MISSING = 2
"""How many frames fewer than packets a file without timestamps may have: some packets only repeat the frame before."""
_MAX_PIXELS = 1 << 26


@dataclass(frozen=True)
class Videos:
    """Decodes videos for `read_pixels` to RGB (3, clips * frames, size, size), clip after clip.

    With `preparation` its frames are prepared as pictures are; `size` is then its crop. Raises MissingExtraError without PyAV.
    """

    sampling: Sampling
    size: int
    preparation: Preparation | None = None
    word: str = "video"
    passes: int = 1

    def __post_init__(self) -> None:
        pyav()

    @property
    def cache_options(self) -> list[Any]:
        """Sampling and size, and the preparation if there is one."""
        how = [] if self.preparation is None else [self.preparation.to_json()]
        return [*self.sampling.shape, self.sampling.fps, self.size, *how]

    @property
    def version(self) -> str:
        """Version of PyAV."""
        found: str = pyav().__version__
        return found

    def shape(self, root: Path, files: Sequence[ImageFile], parallel_map: ParallelMap, problems: Problems) -> tuple[int, ...]:
        """The shape of all examples, which depends only on the options.

        Args:
            root: Not used.
            files: Not used.
            parallel_map: Not used.
            problems: Not used.

        Returns:
            Channels, frames of all clips, height and width.
        """
        return 3, prod(self.sampling.shape), self.size, self.size

    def guess(self, files: Sequence[ImageFile]) -> None:
        """None: `shape` opens no file, so there is nothing to gain."""

    def decode_alike(self, path: ImageFile, shape: tuple[int, ...]) -> None:
        """Not called, since `guess` gives no shape."""

    def remarks(self) -> list[Remark]:
        """Nothing: there is nothing to say about videos that can be read."""
        return []

    def take_seen(self) -> None:
        """None: FFmpeg decodes outside of the interpreter lock, so that threads suffice."""

    def add_seen(self, seen: Any) -> None:
        """Nothing is added."""

    def decode(self, path: ImageFile, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        """Decode the frames of a video, or say why it cannot be decoded; a truncated one would pass as a shorter video."""
        if not isinstance(path, Path):
            return "is a video inside another file"
        try:
            if truncated := describe_truncation(path):
                return truncated
            # The absolute path: ffmpeg would take a name with a colon for an address.
            container = pyav().open(os.path.abspath(path), options=OPEN_OPTIONS)
        except Exception as error:  # ffmpeg raises many types for damaged files
            return failure_reason(path, error, _UNKNOWN)
        try:
            with container:
                return self._clips(container, shape)
        except Exception as error:  # as above
            return failure_reason(path, error)

    def _clips(self, container: Any, shape: tuple[int, ...]) -> NDArray[np.uint8] | str:
        if not container.streams.video:
            return "has no video stream"
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # many videos are decoded in parallel
        index = frame_index(container, stream)
        if len(index.times) < 2:
            return f"has {len(index.times) or 'no'} frame{'s' if not index.times else ''}; a clip needs at least two"
        wanted = self._wanted(index)
        pixels = np.empty(shape, dtype=np.uint8)
        positions: dict[int, list[int]] = {}
        for position, number in enumerate(wanted):
            positions.setdefault(number, []).append(position)
        scaler = pyav().video.reformatter.VideoReformatter()
        for number, frame in frames_of(container, stream, index, sorted(positions)):
            pixels[:, positions[number]] = self.pixels(frame, scaler)[:, None]
        return pixels

    def pixels(self, frame: Any, scaler: Any = None) -> NDArray[np.uint8]:
        """A frame of PyAV as RGB (3, size, size); `scaler` is the reformatter of its video, if one is kept."""
        if self.preparation is not None:
            return _prepared(frame, self.preparation)
        return _square(frame, self.size, scaler or pyav().video.reformatter.VideoReformatter())

    def _wanted(self, index: "_Index") -> list[int]:
        (clips, frames), fps = self.sampling.shape, self.sampling.fps
        if fps is None:
            return uniform_frames(len(index.times), frames, clips)
        return frames_at_rate([time * index.tick for time in index.times], index.tick, fps, frames, clips)


def pyav() -> Any:
    """The package PyAV; raises MissingExtraError without it."""
    try:
        import av
    except ImportError:
        raise MissingExtraError("reading videos", "video") from None
    return av


@dataclass(frozen=True)
class _Index:
    """When the frames of a video are shown.

    Attributes:
        times: Start of each frame in ticks, increasing.
        keys: Those of `times` that belong to key frames.
        tick: Seconds per tick.
        stamped: False if the file has no timestamps, and `times` are numbers of frames at its frame rate.
    """

    times: list[int]
    keys: list[int]
    tick: Fraction
    stamped: bool


def frame_index(container: Any, stream: Any) -> _Index:
    """Read the index from the packets, one per frame, without decoding any."""
    packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
    seen = [(packet.pts, packet.is_keyframe) for packet in packets]  # packets are dropped: together they are the whole file
    times = sorted({pts for pts, _ in seen if pts is not None})
    if len(times) < len(seen) or container.format.name == _UNSTAMPED:
        rate = stream.average_rate or Fraction(25)
        return _Index(list(range(len(seen))), [0], 1 / rate, stamped=False)
    keys = sorted(pts for pts, is_key in seen if is_key) or times[:1]
    return _Index(times, keys, stream.time_base, stamped=True)


def frames_of(container: Any, stream: Any, index: _Index, wanted: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Yield the frames with the indices `wanted`.

    Args:
        container: The open file.
        stream: Its video.
        index: When its frames are shown.
        wanted: Indices of frames, increasing.

    Returns:
        Pairs of an index and a frame of PyAV.

    Raises:
        ValueError: If one cannot be decoded.
    """
    if not index.stamped:
        # Without timestamps there is nothing to seek to: frames are counted from the start.
        container.seek(container.start_time or 0)
        yield from _picked(enumerate(container.decode(stream)), {number: number for number in wanted}, missing=_MAX_MISSING)
        return
    # Frames that depend on the same key frame are decoded together, after one seek to it.
    for key, group in groupby(wanted, lambda number: index.keys[max(0, bisect_right(index.keys, index.times[number]) - 1)]):
        targets = {index.times[number]: number for number in group}
        container.seek(key, stream=stream)
        try:
            yield from _picked(_stamped(container, stream), targets)
        except _LateError:
            # Some files have wrong seek tables and land after the wanted frame, MPEG transport streams even after the first:
            # decode from before the beginning instead.
            container.seek(min(0, index.times[0], index.keys[0]), stream=stream)
            yield from _picked(_stamped(container, stream), targets)


def _stamped(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    return ((frame.pts, frame) for frame in container.decode(stream) if frame.pts is not None)


class _LateError(ValueError):
    """The first decoded frame is later than the wanted one, or there is none."""


def _picked(shown: Iterable[tuple[int, Any]], targets: Mapping[int, int], *, missing: int = 0) -> Iterator[tuple[int, Any]]:
    """Pick the frames shown at the times in `targets`, a map from time to index of frame.

    `shown` are times and frames, increasing. Up to `missing` frames may be missing at the end; the last frame stands in.
    """
    left, before, time = sorted(targets, reverse=True), None, 0
    for time, frame in shown:
        if frame.is_corrupt:
            raise ValueError(f"frame {targets[left[-1]]} is damaged")
        while left and time > left[-1]:  # a packet may contain a frame that is never shown; the frame before it is on screen
            if before is None:
                raise _LateError(f"frame {targets[left[-1]]} is missing")
            yield targets[left.pop()], before
        if left and time == left[-1]:
            yield targets[left.pop()], frame
        if not left:
            return
        before = frame
    if before is None or left[0] > time + missing:
        raise (_LateError if before is None else ValueError)(f"it ends before frame {targets[left[0]]}")
    yield from ((targets[late], before) for late in reversed(left))


def _square(frame: Any, size: int, scaler: Any) -> NDArray[np.uint8]:
    """Convert a frame to RGB (3, size, size): resize the shorter side, crop the centre, turn upright."""
    how = Preparation(size, size)
    height, width = how.resized((frame.height, frame.width))
    if height * width > _MAX_PIXELS:
        raise ValueError(f"{frame.width}x{frame.height} pixels has too extreme an aspect ratio")
    top, left = how.corner((height, width))
    pixels = scaler.reformat(frame, width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
    upright: NDArray[np.uint8] = np.rot90(pixels[top : top + size, left : left + size], round(frame.rotation / 90))
    return upright.transpose(2, 0, 1)


def _prepared(frame: Any, how: Preparation) -> NDArray[np.uint8]:
    """A frame as RGB (3, crop, crop), resized by Pillow as pictures are."""
    from PIL import Image

    upright = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    pixels: NDArray[np.uint8] = np.asarray(how.picture(Image.fromarray(np.ascontiguousarray(upright))))
    return pixels.transpose(2, 0, 1)
