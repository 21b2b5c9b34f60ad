"""Videos that are cut off, at any byte, and whole ones of every make, which must never be taken for such."""

import io
import re

import av
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dlcli.core.data import open_data, truncation
from dlcli.core.data.base import Sampling
from dlcli.core.data.truncation import describe_truncation
from dlcli.support.errors import InputError
from tests.core.data.videos import film, films, numbers

_MAKES = {
    "mkv": {},
    "webm": {},
    "mov": {},
    "mp4": {},
    "avi": {},
    "index first.mp4": {"layout": {"movflags": "faststart"}},
    "fragments.mp4": {"layout": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "4"}},
    "uneven.mkv": {"times": [0, 100, 200, 300, 1000, 2000]},
    "mpeg4.avi": {"codec": "mpeg4"},
    "h264.mkv": {"codec": "libx264", "options": {"g": "9", "bf": "2"}},
}
"""A file of each container, and what makes it another one than the usual."""


@pytest.fixture(scope="module", params=_MAKES)
def whole(request, tmp_path_factory):
    name = request.param if "." in request.param else f"film.{request.param}"
    return film(tmp_path_factory.mktemp("whole") / name, **_MAKES[request.param])


def test_a_whole_video_is_not_cut_off(whole):
    assert describe_truncation(whole) == ""


def test_wherever_it_is_cut_off_it_is_said(whole, tmp_path):
    """But for the last bytes of an AVI, which not all programs count alike, and for cuts between two fragments of an MP4."""
    content, part = whole.read_bytes(), tmp_path / whole.name
    heads = [place.start() - 4 for place in re.finditer(b"moof|mdat|mfra", content)] if "fragments" in whole.name else []
    for end in {int(k) for k in np.linspace(40, len(content) - 9, 197)}:
        if not any(0 <= end - head < 8 for head in heads):
            part.write_bytes(content[:end])
            assert describe_truncation(part).startswith(f"is truncated: it has {end:,} bytes of at least "), end


@pytest.mark.parametrize("ending", ["mkv", "mov", "mp4", "avi"])
def test_what_stands_behind_the_end_does_not_count(tmp_path, ending):
    path = film(tmp_path / f"a.{ending}")
    for more in (b"\0" * 100, b"a trailer of some program", bytes(range(255, 0, -1))):
        part = tmp_path / f"b.{ending}"
        part.write_bytes(path.read_bytes() + more)
        assert describe_truncation(part) == ""


class _Pipe(io.RawIOBase):
    """A file in which nothing can be written again, as a pipe is."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def _streamed(form):
    pipe = _Pipe()
    with av.open(pipe, "w", format=form) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 24, 32, "yuv420p"
        for level in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), level, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return pipe.content


def test_a_stream_without_a_length_is_whole_and_its_last_part_tells(tmp_path):
    content, path = _streamed("matroska"), tmp_path / "a.mkv"
    for more in (b"", b"a trailer of some program"):  # whose first letter is not an element of Matroska
        path.write_bytes(content + more)
        assert describe_truncation(path) == ""
    path.write_bytes(content[: len(content) // 2])
    assert describe_truncation(path).startswith("is truncated")


def test_an_avi_that_was_never_finished_tells_nothing(tmp_path):
    content, path = film(tmp_path / "a.avi").read_bytes(), tmp_path / "b.avi"
    for length in (0, 2**32 - 1):
        path.write_bytes(content[:4] + length.to_bytes(4, "little") + content[8:-100])
        assert describe_truncation(path) == ""


@given(content=st.binary(max_size=64))
def test_what_is_no_video_is_not_called_cut_off(tmp_path_factory, content):
    assume(content[:4] not in truncation._BOXES)
    path = tmp_path_factory.mktemp("any") / "a.mp4"
    path.write_bytes(b"text" + content)
    assert describe_truncation(path) == ""


@pytest.mark.parametrize("ending", ["mkv", "avi", "mp4", "mov", "webm"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_truncated_video_is_skipped_or_refused(tmp_path, listener, ending, share):
    films(tmp_path, n=3, ending=f".{ending}", frames=24)
    path = tmp_path / "left" / f"0.{ending}"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    data = open_data(str(tmp_path), sampling=Sampling(24), size=8, report=listener)
    assert sum(len(split.y) for split in data.splits.values()) == 5
    assert all(numbers(clip) == list(range(24)) for split in data.splits.values() for clip in split.x)
    (told,) = listener.warnings
    assert told.startswith(f"{path}: is truncated: it has ")
    assert told.endswith("; skipped")
    with pytest.raises(InputError, match="is truncated: it has"):
        open_data(str(tmp_path), sampling=Sampling(24), size=8, strict=True)
