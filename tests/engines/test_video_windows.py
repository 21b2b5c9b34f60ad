"""Windows of a long video are predicted as files with nothing but the window are."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dlcli.cli.commands.predict import COMMAND
from dlcli.core.data.base import Sampling
from dlcli.core.data.video_windows import video_windows
from dlcli.core.data.videos import Videos
from dlcli.engines import predict, train
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.video_windows import Duration, is_duration
from dlcli.support.errors import InputError, UsageError
from dlcli.support.tables import Table
from tests.core.data.videos import film

pytest.importorskip("av")
RATE, FRAMES = 10, 47
NET = """
from torch import nn

def net(channels, classes, frames):
    layers = [nn.Conv3d(channels, 4, (frames, 3, 3), stride=(frames, 2, 2)), nn.ReLU(), nn.AdaptiveAvgPool3d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, classes))
"""


def frames(n: int) -> np.ndarray:
    drawn = np.random.default_rng(0)
    return drawn.integers(0, 256, (n, 24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", [".mkv", ".avi"])
@pytest.mark.parametrize(("every", "length"), [(1.0, 1.0), (0.5, 2.0), (1.5, 0.4), (10.0, 10.0)])
@pytest.mark.parametrize("sampling", [Sampling(frames=3), Sampling(frames=2, clips=2), Sampling(frames=3, fps=5)])
def test_windows_are_those_that_are_cut_out(
    tmp_path: Path, ending: str, every: float, length: float, sampling: Sampling
) -> None:
    pixels = frames(FRAMES)
    videos = Videos(sampling, 16)
    whole = film(tmp_path / f"whole{ending}", FRAMES, rate=RATE, pixels=pixels)
    found = list(video_windows(whole, videos, every, length))
    starts = np.arange(0, max(FRAMES / RATE - length, 0) + 1e-9, every)
    assert [one.begin for one in found] == pytest.approx(starts.tolist())
    behind = FRAMES / RATE - min(starts[-1] + length, FRAMES / RATE)
    assert found[-1].left == pytest.approx(behind if behind > 1.5 / RATE else 0)
    for k, (window, start) in enumerate(zip(found, starts, strict=True)):
        first = round(start * RATE)
        last = min(FRAMES, round((start + length) * RATE))
        assert window.end == pytest.approx(min(start + length, FRAMES / RATE))
        part = film(tmp_path / f"{k}{ending}", last - first, rate=RATE, pixels=pixels[first:last])
        cut = videos.decode(part, (3, len(window.pixels[0]), 16, 16))
        assert isinstance(cut, np.ndarray)
        assert np.array_equal(cut, window.pixels)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of clips of dark and light videos, and its data."""
    folder = tmp_path_factory.mktemp("clips")
    for name, lighter in (("dark", 0), ("light", 120)):
        for part, n in (("train", 4), ("test", 2)):
            for k in range(n):
                grey = np.full((8, 24, 32, 3), 60 + lighter + k, np.uint8)
                film(folder / "films" / part / name / f"{k}.mkv", 8, pixels=grey)
    (folder / "net.py").write_text(NET)
    config = {"model": f"{folder}/net.py:net", "data": str(folder / "films"), "epochs": 8, "lr": 0.05, "batch_size": 4}
    train.run(TrainConfig(**config, frames=3, size=16, device="cpu", output=folder / "run"))
    return folder


def predicted(run: Path, video: Path, **options: object) -> list[list[object]]:
    config = PredictConfig(model=str(run / "run"), data=str(video), device="cpu", trust_code=True, **options)
    return predict.run(config).table.rows


def test_rows_are_the_predictions_of_the_windows(run: Path, tmp_path: Path) -> None:
    pixels = np.concatenate([np.full((10, 24, 32, 3), level, np.uint8) for level in (60, 180, 61, 181)])
    long = film(tmp_path / "long.mkv", 40, rate=RATE, pixels=pixels)
    rows = predicted(run, long, every="1s")
    assert [row[:3] for row in rows] == [[k, float(k), k + 1.0] for k in range(4)]
    for k, row in enumerate(rows):
        part = film(tmp_path / f"{k}.mkv", 10, rate=RATE, pixels=pixels[10 * k : 10 * k + 10])
        (single,) = predicted(run, part)
        assert row[3:] == single[2:]
    overlapping = predicted(run, long, every="500ms", window="1s")
    assert [row[1] for row in overlapping] == [k / 2 for k in range(7)]
    assert [row[3:] for row in overlapping[::2]] == [row[3:] for row in rows]


@pytest.mark.parametrize(("limit", "rows", "behind"), [(2, 2, False), (9, 3, True)])
def test_a_limit_is_one_of_windows(run: Path, tmp_path: Path, limit: int, rows: int, behind: bool) -> None:
    long = film(tmp_path / "long.mkv", 38, rate=RATE)
    config = PredictConfig(model=str(run / "run"), data=str(long), device="cpu", trust_code=True, every="1s", limit=limit)
    result = predict.run(config)
    assert result.table.rows == predicted(run, long, every="1s")[:rows]
    assert any("are in no window" in note for note in result.notes) == behind


@pytest.mark.parametrize(
    ("frames", "window", "shorter"), [(20, "20s", True), (20, None, False), (20, "2s", False), (8, None, True)]
)
def test_a_window_that_is_shorter_than_asked_for_is_noted(
    run: Path, tmp_path: Path, frames: int, window: str | None, shorter: bool
) -> None:
    short = film(tmp_path / "short.mkv", frames, rate=RATE)
    config = PredictConfig(model=str(run / "run"), data=str(short), device="cpu", trust_code=True, every="1s", window=window)
    result = predict.run(config)
    asked = 20 if window == "20s" else 1
    expected = [f"The video is shorter than a window: its only one has {frames / RATE:.3g} s in place of {asked} s."]
    assert [note for note in result.notes if "shorter than a window" in note] == (expected if shorter else [])


@pytest.mark.parametrize("option", ["coverage", "abstain"])
def test_parts_of_a_recording_have_no_guarantee(option: str) -> None:
    for every in ("1s", "700"):
        with pytest.raises(UsageError, match=f"`{option}` does not go together with `every`, whose rows are parts of one"):
            PredictConfig(every=every, **{option: 0.1})


def test_a_terminal_shows_times_in_seconds(run: Path, tmp_path: Path) -> None:
    long = film(tmp_path / "long.mkv", 25, rate=RATE)
    config = PredictConfig(model=str(run / "run"), data=str(long), device="cpu", trust_code=True, every="500ms", window="1s")
    table = COMMAND.table(predict.run(config))
    assert table.columns[:4] == ("index", "begin, s", "end, s", "label")
    assert [row[:3] for row in table.rows] == [("0", "0", "1"), ("1", "0.5", "1.5"), ("2", "1", "2"), ("3", "1.5", "2.5")]
    shares = [[float(part) for part in (row[4], row[5].partition("(")[2].rstrip(")"))] for row in table.rows]
    assert all(sum(both) == pytest.approx(100, abs=0.11) for both in shares)


def test_a_terminal_shows_the_seconds_of_a_sound() -> None:
    rows = [[0, "a.wav", 4000, 0.25, "yes", 0.75], [0, "a.wav", 48000, 3.0, "no", 0.5]]
    columns = ["index", "file", "steps", "seconds", "label", "probability"]
    facts = {"data": "a.wav", "split": "", "unit": "beginning", "model": "tcn", "model_sha256": "", "device": "cpu"}
    table = COMMAND.table(PredictResult(**facts, n_images=2, seconds=0.0, table=Table(columns, rows)))
    assert [row[2:] for row in table.rows] == [("4000", "0.25", "yes", "75.0"), ("48000", "3", "no", "50.0")]


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    videos, peaks = Videos(Sampling(frames=4), 24), []
    for n in (100, 400):
        path = film(tmp_path / f"{n}.mkv", n, rate=RATE, shape=(48, 48))
        tracemalloc.start()
        for _ in video_windows(path, videos, 1.0, 2.0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Four times as many frames: only the times of the frames are kept of all, about 200 bytes of each.
    assert peaks[1] - peaks[0] < 300 * 300


def test_windows_without_two_frames_are_refused(tmp_path: Path) -> None:
    video = film(tmp_path / "a.mkv", 20, rate=RATE)
    with pytest.raises(InputError, match="clip needs at least two"):
        list(video_windows(video, Videos(Sampling(frames=2), 16), 0.1, 0.1))
    (tmp_path / "b.mkv").write_bytes(b"no video" * 100)
    with pytest.raises(InputError, match=r"b\.mkv"):
        list(video_windows(tmp_path / "b.mkv", Videos(Sampling(frames=2), 16), 1.0, 1.0))


@pytest.mark.parametrize(("text", "value", "time"), [("1s", 1.0, True), ("500ms", 0.5, True), ("16000", 16000, False)])
def test_a_unit_makes_a_time(text: str, value: float, time: bool) -> None:
    config = PredictConfig(every=text)
    assert config.every == value and is_duration(config.every) is time
    assert PredictConfig(every=config.every) == config


@pytest.mark.parametrize("text", ["0", "-3", "0s", "x", "1.5"])
def test_what_is_neither_is_refused(text: str) -> None:
    if text == "1.5":
        assert PredictConfig(every=text).every == Duration(1.5)
        return
    with pytest.raises(UsageError, match="every"):
        PredictConfig(every=text)


def test_only_one_video_has_windows(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one video"):
        predicted(run, run / "films", every="1s")
    with pytest.raises(UsageError, match="needs `every`"):
        predicted(run, film(tmp_path / "a.mkv", 20, rate=RATE), window="1s")
