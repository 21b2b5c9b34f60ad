"""A long video through a network of clips, window after window: a row for each, at constant memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import Sampling
from dlcli.core.data.file_kinds import VIDEOS
from dlcli.core.data.video_windows import Window, video_windows
from dlcli.core.data.videos import Videos
from dlcli.core.evaluation import metrics
from dlcli.core.model_io.input_shape import input_shape
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.engines.model_and_data import LoadedModel, open_model_and_data
from dlcli.specs.predict import PredictConfig
from dlcli.specs.video_windows import is_duration
from dlcli.support.errors import MissingInputError, UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.suggest import meant_path
from dlcli.support.tables import Table

_TICK = 0.002
"""Seconds by which the times of frames may be rounded."""
_AT_A_TIME = 8
"""Windows that go through the network at a time."""


def takes_windows(config: PredictConfig, task: RunTask) -> bool:
    """Whether `every` is a time, so that the windows of a video are predicted.

    Raises MissingInputError if there is no such file, and UsageError if it is not a video, or the network does not classify.
    """
    if not is_duration(config.every):
        if is_duration(config.window):
            raise UsageError("`window` as a time needs `every` as a time", hint="add `every=1s`")
        return False
    path = Path(config.data)
    if not path.exists() and (VIDEOS.matches(path) or len(path.parts) > 1):
        raise MissingInputError(f"`data`: {path}: no such file", hint=meant_path(str(path)))
    if not path.is_file() or not VIDEOS.matches(path):
        raise UsageError("`every` as a time needs one video", hint="name a file such as long.mp4, or omit `every`")
    if task.scores is not None or task.masks is not None or task.sequences is not None:
        raise UsageError("`every` as a time needs a network that classifies clips", hint="omit `every`")
    if config.window is not None and not is_duration(config.window):
        raise UsageError(f"`window` of a video is a time, not {config.window}", hint=f"`window={config.window}s`")
    return True


def predict_windows(config: PredictConfig, report: Reporter) -> tuple[LoadedModel, Table, tuple[str, ...]]:
    """Predict each window of a video.

    Args:
        config: The options; `every` is a time.
        report: Receives progress.

    Returns:
        The network; a row for each window: its begin and end in seconds and the most probable classes; and a note if the end of
        the video is in no window, or the only window is shorter than asked for.

    Raises:
        UsageError: If the network does not take clips in colour.
        InputError: If the video cannot be decoded.
    """
    loaded = open_model_and_data(config, report, unlabelled=True)  # of the video as one clip, on which the network is checked
    shape = input_shape(config.model, report)
    if loaded.data.frames is None or loaded.data.channels != 3:
        raise UsageError("`every` as a time needs a network of clips in colour", hint="omit `every`")
    frames = config.frames or (shape.frames if shape is not None else None)
    sampling = Sampling(frames, config.clips, config.fps, default_size=loaded.data.size[0])
    how = shape.preparation if shape is not None and config.size is None else None
    videos = Videos(sampling, loaded.data.size[0], how)
    every = float(config.every or 0)
    length = float(config.window or every)
    found = islice(video_windows(Path(config.data), videos, every, length), config.limit)
    rows: list[list[object]] = []
    left = 0.0
    with report.task("windows", None) as task:
        for windows in _batches(found):
            rows += _rows(config, loaded, windows, len(rows))
            left = windows[-1].left
            task.advance(len(windows))
    ranks = [f"{word}_{k}" for k in range(2, config.top + 1) for word in ("label", "probability")]
    columns = ["index", "begin", "end", "label", "probability", *ranks]
    width = len(rows[0]) if rows else len(columns)
    notes = _notes(config, length, left, rows)
    for note in notes:
        report.note(note)
    return loaded, Table(columns[:width], rows), notes


def _notes(config: PredictConfig, length: float, left: float, rows: Sequence[Sequence[object]]) -> tuple[str, ...]:
    """What is in no window, and whether the only window is shorter than what was asked for."""
    if left and (config.limit is None or len(rows) < config.limit):
        return (f"The last {left:.3g} s are in no window: the next one would reach beyond the end.",)
    end = float(str(rows[0][2])) if rows else length
    if end < length - _TICK:
        return (f"The video is shorter than a window: its only one has {end:.3g} s in place of {length:.3g} s.",)
    return ()


def _batches(found: Iterator[Window]) -> Iterator[list[Window]]:
    while windows := list(islice(found, _AT_A_TIME)):
        yield windows


def _rows(config: PredictConfig, loaded: LoadedModel, windows: Sequence[Window], first: int) -> Iterator[list[object]]:
    x = to_float(torch.stack([torch.from_numpy(one.pixels) for one in windows]))
    log_p = metrics.log_probabilities(loaded.logits(x).numpy())
    names = loaded.names(log_p.shape[1])
    best = metrics.ranking(log_p, min(config.top, len(names)))
    for k, (window, ranked) in enumerate(zip(windows, best, strict=True)):
        cells = [cell for one in ranked for cell in (names[one], round(float(torch.tensor(log_p[k][one]).exp()), 6))]
        yield [first + k, round(window.begin, 6), round(window.end, 6), *cells]
