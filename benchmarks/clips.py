"""Decoding clips beside PyAV alone on the same videos: CPU seconds of one thread, in turn in one process, and their ratio.

`PyAV alone` is what its documentation shows: frames decoded one after the other, those wanted made RGB of the clip's size, and
the rest of the video left as soon as the last of them is there; which ones is known beforehand. dlcli finds that out itself,
and reads from the nearest key frame on. `throughput` is PyAV's CPU seconds over dlcli's: 1 is as fast, more is faster. Without
a folder of videos some are made, of noise that drifts, with a key frame every 48 frames.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from dlcli.core.data.base import Sampling
from dlcli.core.data.frame_times import uniform_frames
from dlcli.core.data.resize import crop_origin, resized_shape
from dlcli.core.data.videos import Videos

ASKED = 0.9
SIZE = 112
FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "video"


def alone(path: Path, wanted: list[int]) -> np.ndarray:
    """The clip (3, t, SIZE, SIZE) of the frames `wanted`, rising, by PyAV."""
    pixels = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                height, width = resized_shape((frame.height, frame.width), SIZE)
                top, left = crop_origin((height, width), SIZE)
                whole = frame.reformat(width, height, "rgb24").to_ndarray()
                pixels += wanted.count(number) * [whole[top : top + SIZE, left : left + SIZE].transpose(2, 0, 1)]
            if number == wanted[-1]:
                break
    return np.stack(pixels, 1)


def frames_of(path: Path) -> int:
    """How many frames a video has."""
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))


def made(folder: Path, count: int = 12, frames: int = 240) -> list[Path]:
    """Videos of 320x240 pixels."""
    paths = [folder / f"{k}.mp4" for k in range(count)]
    for k, path in enumerate(paths):
        noise = np.random.default_rng(k).integers(0, 256, (30, 40, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"g": "48"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for number in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(noise, 2 * number, 1), "rgb24")))
            container.mux(stream.encode())
    return paths


def seconds(run: Callable[[Path], object], paths: list[Path]) -> float:
    """CPU seconds to go through all."""
    start = time.process_time()
    for path in paths:
        run(path)
    return time.process_time() - start


def main() -> None:
    """Print a row for each number of frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="a folder with mp4 below it")
    parser.add_argument("--limit", type=int, default=60, help="how many videos")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        paths = sorted(options.folder.rglob("*.mp4"))[: options.limit] or made(Path(room))
        lengths = {path: frames_of(path) for path in paths}
        span = f"{min(lengths.values())} to {max(lengths.values())} frames"
        print(f"{len(paths)} videos of {span}, medians of {options.rounds} rounds")
        print(f"{'frames':>6} {'PyAV alone':>11} {'dlcli':>8} {'throughput':>11}  asked: {ASKED:g}")
        for frames in (8, 32):
            compare(paths, lengths, frames, options.rounds)


def compare(paths: list[Path], lengths: dict[Path, int], frames: int, rounds: int) -> None:
    """One row, once both are seen to give the same frames."""
    decoder = Videos(Sampling(frames), SIZE)
    shape = (3, frames, SIZE, SIZE)
    wanted = {path: uniform_frames(length, frames, 1) for path, length in lengths.items()}
    for path in paths[:5]:
        ours = decoder.decode(path, shape)
        if isinstance(ours, str) or np.abs(ours.astype(int) - alone(path, wanted[path])).max() > 2:
            raise SystemExit(f"{path}: other frames than PyAV's")
    pairs = [
        (seconds(lambda path: alone(path, wanted[path]), paths), seconds(lambda path: decoder.decode(path, shape), paths))
        for _ in range(rounds)
    ]
    theirs, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{frames:>6} {theirs:>10.2f}s {ours:>7.2f}s {ratio:>11.2f}  {'holds' if ratio >= ASKED else 'missed'}")


if __name__ == "__main__":
    main()
