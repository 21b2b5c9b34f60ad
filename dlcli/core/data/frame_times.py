"""Which frames of a video make its clips."""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction

_LATE = Fraction(1, 2000)


def uniform_frames(n: int, frames: int, clips: int) -> list[int]:
    """The numbers, of `n` frames, of those that make `clips` clips of `frames` each, clip after clip.

    The video is cut into clips * frames equal parts, and the middle frame of each is taken; clip j has every clips-th of
    these, from the j-th on. So each clip spans the whole video (Wang et al. 2016, Temporal Segment Networks, arXiv 1608.00859,
    section 3.1). A video of fewer frames gives some more than once.
    """
    parts = clips * frames
    middle = [(2 * part + 1) * n // (2 * parts) for part in range(parts)]
    return [middle[part] for clip in range(clips) for part in range(clip, parts, clips)]


def frames_at_rate(times: Sequence[Fraction], tick: Fraction, fps: float, frames: int, clips: int) -> list[int]:
    """The numbers of the frames that are on show at `fps` moments a second in `clips` runs of `frames` moments each.

    `times` are those, in seconds and rising, from which on each frame is on show, in steps of `tick`. The runs lie in the
    middle of as many equal parts of the video, as far as it is longer than a run; after its end the last frame stays on show.
    """
    step = 1 / Fraction(fps)
    room = max(Fraction(0), times[-1] - times[0] - step * (frames - 1))
    starts = [times[0] + room * (2 * clip + 1) / (2 * clips) for clip in range(clips)]
    # Files round the times of frames to ticks, as a rule of a thousandth: one that begins up to half of it late has begun.
    late = min(tick / 2, _LATE)
    return [bisect_right(times, start + step * k + late) - 1 for start in starts for k in range(frames)]
