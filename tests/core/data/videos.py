"""Little videos of known frames."""

from fractions import Fraction

import av
import numpy as np

STEP = 10
"""By how many grey levels each frame is lighter than the one before."""

_CODECS = {".mkv": "ffv1", ".avi": "ffv1", ".mov": "libx264rgb", ".mp4": "libx264rgb", ".webm": "libvpx-vp9"}
_LOSSLESS = {"libx264rgb": {"qp": "0"}, "libvpx-vp9": {"lossless": "1"}}


def film(path, frames=20, *, rate=10, shape=(24, 32), codec=None, times=None, pixels=None, options=None, layout=None):
    """A video whose frame k has grey level STEP * k (modulo 250) everywhere, or is `pixels[k]` (h, w, 3); without loss.

    `times` are those of the frames, in thousandths of a second; `options` are for the encoder, `layout` for the container.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = codec or _CODECS[path.suffix]
    form = {"libx264rgb": "rgb24", "libvpx-vp9": "gbrp", "ffv1": "bgr0"}.get(codec, "yuv420p")
    with av.open(str(path), "w", options=layout or {}) as container:
        stream = container.add_stream(codec, rate=rate, options={**_LOSSLESS.get(codec, {}), **(options or {})})
        stream.height, stream.width, stream.pix_fmt = *shape, form
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for k in range(frames if times is None else len(times)):
            image = np.full((*shape, 3), STEP * k % 250, np.uint8) if pixels is None else pixels[k]
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[k], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sound(path):
    """A file with a tone and no picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def films(folder, classes=("left", "right"), n=2, ending=".mkv", **settings):
    """`n` videos a class."""
    return [film(folder / name / f"{k}{ending}", **settings) for name in classes for k in range(n)]


def numbers(clip):
    """Which frame each of a clip (3, t, h, w) of floats is, seen to be the same everywhere."""
    levels = clip.mul(255).round()
    assert (levels == levels[:1, :, :1, :1]).all()
    return (levels[0, :, 0, 0] / STEP).tolist()
