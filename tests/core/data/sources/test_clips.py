"""Folders of videos: which frames are taken, which files are skipped, and what is cached."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from dlcli.core.data import decoding, open_data
from dlcli.core.data import videos as _videos
from dlcli.core.data.base import Sampling
from dlcli.core.data.frame_times import uniform_frames
from dlcli.support.errors import InputError, MissingExtraError, UsageError
from tests.core.data.pictures import fill
from tests.core.data.videos import STEP, film, films, numbers, sound


def _open(root, report=None, strict=False, size=8, **sampling):
    more = {} if report is None else {"report": report}
    return open_data(str(root), sampling=Sampling(**sampling), size=size, strict=strict, **more)


@pytest.mark.parametrize("ending", [".mkv", ".avi", ".mov", ".mp4", ".webm"])
@pytest.mark.parametrize(("frames", "clips"), [(8, 1), (3, 2), (30, 1)])
def test_the_frames_are_those_of_the_closed_form(tmp_path, ending, frames, clips):
    films(tmp_path, ending=ending)
    data = _open(tmp_path, frames=frames, clips=clips)
    assert data.x_train.shape == (2, 3, frames * clips, 8, 8)
    assert (data.frames, data.clips, data.size, data.channels) == (frames, clips, (8, 8), 3)
    assert data.classes == ("left", "right")
    for clip in torch.cat([data.x_train, data.x_test]):
        assert numbers(clip) == uniform_frames(20, frames, clips)


@pytest.mark.parametrize("ending", [".mkv", ".avi", ".mp4", ".webm"])
def test_a_rate_gives_every_second_frame_and_then_the_last_again(tmp_path, ending):
    films(tmp_path, ending=ending, rate=10)
    assert numbers(_open(tmp_path, frames=4, fps=5.0).x_test[0]) == [6, 8, 10, 12]
    assert numbers(_open(tmp_path, frames=12, fps=5.0).x_test[0]) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 19, 19]


def test_uneven_times_count_where_a_rate_is_asked_for(tmp_path):
    for name in ("a/0", "a/1", "b/0"):
        film(tmp_path / f"{name}.mkv", times=[0, 100, 200, 300, 1000, 2000])
    assert numbers(_open(tmp_path, frames=5, fps=2.0).x_test[0]) == [0, 3, 4, 4, 5]
    assert numbers(_open(tmp_path, frames=6).x_test[0]) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("codec", [("libx264", ".mp4"), ("mpeg4", ".avi"), ("mpeg4", ".mp4"), ("libvpx", ".webm")])
def test_frames_that_are_stored_out_of_order_are_found(tmp_path, codec):
    """Frames made of later ones, and key frames few: all the same as when everything is decoded from the start."""
    films(
        tmp_path,
        codec=codec[0],
        ending=codec[1],
        frames=24,
        options={"g": "9", "bf": "2"} if codec[0] != "libvpx" else {"g": "9"},
    )
    for sampling in ({"frames": 24}, {"frames": 4}, {"frames": 3, "fps": 1.5}):
        levels = _open(tmp_path, **sampling).x_test[0].mul(255).mean((0, 2, 3)) / STEP
        expected = {24: range(24), 4: uniform_frames(24, 4, 1)}.get(sampling["frames"], [4, 11, 18])
        assert (levels - torch.tensor(list(expected), dtype=torch.float32)).abs().max() < 0.9


def test_only_what_is_needed_is_decoded(tmp_path, monkeypatch):
    films(tmp_path, ending=".mp4", codec="libx264", frames=100, options={"g": "10"})
    seen, plain = [0], _videos._stamped

    def counted(container, stream):
        for pair in plain(container, stream):
            seen[0] += 1
            yield pair

    monkeypatch.setattr(_videos, "_stamped", counted)
    _open(tmp_path, frames=2)  # frames 25 and 75, the sixth of their groups of ten
    assert seen[0] <= 4 * 2 * 7


def test_the_shorter_side_is_resized_and_the_centre_cropped(tmp_path):
    """Left half black, right half white: the middle is where one becomes the other, and rows are all the same."""
    image = np.zeros((16, 48, 3), np.uint8)
    image[:, 24:] = 255
    for name in ("a/0", "a/1", "b/0"):
        film(tmp_path / f"{name}.mkv", shape=(16, 48), pixels=[image] * 3, frames=3)
    clip = _open(tmp_path, frames=3, size=8).x_test[0]
    assert clip[..., :3].max() < 0.02
    assert clip[..., 5:].min() > 0.98


def test_colours_are_red_green_and_blue(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 200, 100, 50
    for name in ("a/0", "a/1", "b/0"):
        film(tmp_path / f"{name}.mp4", shape=(16, 16), pixels=[image] * 3, frames=3)
    assert _open(tmp_path).x_test[0, :, 0, 3, 3].mul(255).round().tolist() == [200, 100, 50]


_MATRICES = {
    90: (0, 1, 0, -1, 0, 0),
    180: (-1, 0, 0, 0, -1, 0),
    270: (0, -1, 0, 1, 0, 0),
}
"""The first two columns of what the ISO base media format multiplies (x, y, 1) by, for a clockwise turn; y points down."""


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_video_is_turned_as_its_metadata_says(tmp_path, degrees):
    scene = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    for name in ("a/0", "a/1", "b/0"):
        path = film(tmp_path / f"{name}.mp4", shape=(16, 16), pixels=[scene] * 3, frames=3)
        content = bytearray(path.read_bytes())
        start = content.index(b"tkhd") + 4 + 40
        a, b, _, c, d, _ = _MATRICES[degrees]
        numbers = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        content[start : start + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
        path.write_bytes(content)
    shown = _open(tmp_path, size=16).x_test[0, :, 0].mul(255).round().numpy().astype(np.uint8)
    np.testing.assert_array_equal(shown, np.rot90(scene, -degrees // 90).transpose(2, 0, 1))


def _spoiled(root):
    """Good videos, and one of each kind that is not."""
    films(root, n=4)
    (root / "left" / "empty.mp4").touch()
    (root / "left" / "text.mp4").write_text("not a video\n" * 100)
    (root / "left" / "playlist.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.mkv\n#EXT-X-ENDLIST\n")
    film(root / "right" / "one.mkv", 1)
    sound(root / "right" / "sound.mp4")
    damaged = film(root / "right" / "zz.mp4", 60, codec="libx264")
    content = bytearray(damaged.read_bytes())
    first, last = content.index(b"mdat") + 4 + len(content) // 3, content.index(b"moov") - 4
    for k in range(first, last):
        content[k] ^= 0x5A
    damaged.write_bytes(content)


_WHY = {
    "empty.mp4": "is empty",
    "text.mp4": "not a video in a supported format",
    "playlist.mp4": "not a video in a supported format",
    "one.mkv": "has 1 frame; a clip needs at least two",
    "sound.mp4": "has no video stream",
    "zz.mp4": "cannot be decoded",
}


def test_videos_that_cannot_be_decoded_are_named_and_skipped(tmp_path, listener, monkeypatch):
    _spoiled(tmp_path)
    monkeypatch.setattr(decoding, "_MAX_WARNINGS", 99)
    data = _open(tmp_path, listener)
    assert sum(len(split.y) for split in data.splits.values()) == 8
    told = {line.split(": ")[0].rpartition("/")[2]: line for line in listener.warnings}
    assert set(told) == set(_WHY)
    for name, why in _WHY.items():
        assert f"{name}: {why}" in told[name]
        assert told[name].endswith("; skipped")
    assert {numbers(clip)[0] for clip in torch.cat([data.x_train, data.x_test])} == {1.0}


def test_strict_refuses_the_first_of_them(tmp_path):
    _spoiled(tmp_path)
    with pytest.raises(InputError, match="empty.mp4: is empty"):
        _open(tmp_path, strict=True)


def test_videos_that_are_all_bad(tmp_path):
    for name in ("a/0.mp4", "a/1.mp4", "b/0.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for _ in range(2):  # the second time from the cache
        with pytest.raises(InputError, match="none of its 3 videos can be read, for example .*0.mp4: is empty"):
            _open(tmp_path)


def test_pictures_and_videos_are_not_mixed(tmp_path):
    films(tmp_path / "a")
    fill(tmp_path / "a", ("left",), n=1)
    fill(tmp_path / "b", ("ant", "bee"), n=2)
    film(tmp_path / "b" / "bee" / "zz.mp4")
    with pytest.raises(InputError, match="00.png: is a picture by its name|0.mkv: is a video by its name"):
        _open(tmp_path / "a")
    with pytest.raises(InputError, match="zz.mp4: is a video by its name, and .* holds images"):
        _open(tmp_path / "b")


def test_clips_need_a_sampling(tmp_path):
    films(tmp_path)
    with pytest.raises(UsageError, match="holds clips of video, and this command takes images only"):
        open_data(str(tmp_path))


@pytest.mark.parametrize("asked", [{"frames": 3}, {"clips": 2}, {"fps": 5.0}])
def test_images_have_no_frames_to_choose(asked):
    with pytest.raises(UsageError, match=f"`{next(iter(asked))}`: digits holds images, not videos"):
        open_data("digits", sampling=Sampling(**asked))


def test_without_the_library_the_hint_installs_it(tmp_path, monkeypatch):
    films(tmp_path)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="reading videos needs the extra 'video'"):
        _open(tmp_path)


def test_a_second_opening_decodes_nothing_and_gives_the_same(tmp_path, monkeypatch, listener):
    films(tmp_path)
    first = _open(tmp_path, listener)
    with monkeypatch.context() as context:
        context.setattr(decoding, "_decode", lambda *rest: pytest.fail("decoded"))
        again = _open(tmp_path, listener)
    assert torch.equal(first.x_train, again.x_train)
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != _open(tmp_path, frames=4).fingerprint
    assert _open(tmp_path, frames=4, clips=2).fingerprint != _open(tmp_path, frames=8).fingerprint


def test_clips_that_do_not_fit_into_memory_are_streamed_and_the_same(tmp_path, monkeypatch, cache, listener):
    films(tmp_path, n=10)
    whole = _open(tmp_path)
    for kept in (cache / "images").iterdir():
        kept.unlink()
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: 1000)
    streamed = _open(tmp_path, listener)
    assert streamed.x_train.dtype == torch.uint8
    assert streamed.memory_bytes == 0
    assert torch.equal(streamed.x_train.float().div_(255), whole.x_train)
    assert (streamed.frames, streamed.sample(2).shape) == (8, (2, 3, 8, 8, 8))
    assert any("videos need" in note for note in listener.notes)
    assert list((cache / "images").glob("*.bytes"))


@pytest.mark.slow
def test_a_long_video_is_never_in_memory_as_a_whole(tmp_path):
    """Uncompressed frames of half a megabyte: only some of them are in memory at a time, not the whole video."""
    image = np.random.default_rng(0).integers(0, 256, (540, 640, 3)).astype(np.uint8)
    for name in ("a/0", "a/1", "b/0"):
        film(tmp_path / f"{name}.mkv", 200, shape=(540, 640), pixels=[image] * 200, codec="rawvideo")
    code = """
import resource, sys
from dlcli.core.data import open_data
from dlcli.core.data.base import Sampling
import av
next(av.open(sys.argv[1] + "/a/0.mkv").decode(video=0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open_data(sys.argv[1], sampling=Sampling(2), size=8)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    one_film = (tmp_path / "a" / "0.mkv").stat().st_size // 2**20
    assert one_film > 90
    assert int(found.stdout) < one_film // 2
