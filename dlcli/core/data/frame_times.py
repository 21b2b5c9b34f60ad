"""Choose the frames of a video that make up its clips."""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

_MAX_LATE_S = Fraction(1, 2000)
"""Largest lateness of a frame, in seconds, that still counts as rounding."""


def uniform_frames(n: int, frames: int, clips: int) -> list[int]:
    """Choose frames spread over the whole video.

    The video is cut into clips * frames equal parts, and the middle frame of each is taken; clip j has every clips-th of
    these, from the j-th on. So each clip spans the whole video (Wang et al. 2016, Temporal Segment Networks, arXiv 1608.00859,
    section 3.1). A video with fewer frames repeats some.

    Args:
        n: Number of frames of the video.
        frames: Frames per clip.
        clips: Clips per video.

    Returns:
        Indices of frames, clip after clip.
    """
    parts = clips * frames
    middle = [(2 * part + 1) * n // (2 * parts) for part in range(parts)]
    return [middle[part] for clip in range(clips) for part in range(clip, parts, clips)]


def frames_at_rate(times: Sequence[Fraction], tick: Fraction, fps: float, frames: int, clips: int) -> list[int]:
    """Choose the frames shown at `fps` moments per second.

    The clips lie in the middle of equal parts of the video as far as it is longer than a clip. After its end the last frame
    is repeated.

    Args:
        times: When each frame is first shown, in seconds, increasing.
        tick: Resolution of `times`, in seconds.
        fps: Moments per second.
        frames: Moments per clip.
        clips: Clips per video.

    Returns:
        Indices of frames, clip after clip.
    """
    step = 1 / Fraction(fps)
    slack = max(Fraction(0), times[-1] - times[0] - step * (frames - 1))
    starts = [times[0] + slack * (2 * clip + 1) / (2 * clips) for clip in range(clips)]
    # Files round frame times to ticks, typically 1 ms. Without this tolerance a frame whose time was rounded up by half a tick
    # would count as not shown yet, and the frame before it would be taken twice.
    late = min(tick / 2, _MAX_LATE_S)
    return [bisect_right(times, start + step * k + late) - 1 for start in starts for k in range(frames)]
