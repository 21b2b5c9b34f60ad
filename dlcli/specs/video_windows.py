"""Options of `dlcli predict` that cut a long recording: windows of a video, beginnings of a sound."""

from typing import Any

from dlcli.specs.durations import seconds, show_seconds
from dlcli.specs.option import option


class Duration(float):
    """Seconds, where a plain number counts something else."""


def _read(value: Any) -> Any:
    """A duration such as `1s`, or a whole number; raises ValueError if it is neither, or not above 0."""
    if value is None or isinstance(value, Duration):
        return value
    text = str(value).strip()
    found: float = int(text) if text.removeprefix("-").isdecimal() else Duration(seconds(text) or 0)
    if found <= 0:
        raise ValueError(f"'{value}' is not above 0")
    return found


def _show(value: Any) -> str:
    return show_seconds(value) if isinstance(value, Duration) else str(value)


def every_option() -> Any:
    """`every`: answers inside a long recording."""
    return option(
        None,
        "Of one long video a row for each window that begins TIME after the one before, such as 1s. Sequences: of one PCM .wav "
        "a row after every N samples, with the classes of all that was heard so far by a built-in network; the last row is of "
        "the whole sound.",
        parse=_read,
        show=_show,
        metavar="TIME|N",
    )


def window_option() -> Any:
    """`window`: the length of a window of a video, or the side of what occlusion hides."""
    return option(
        None,
        "Length of each window of a video, such as 2s. Default: as long as `every`. For `explain=occlusion` the side of the "
        "windows that it hides, in pixels; default: a quarter of the shorter side of the image.",
        parse=_read,
        show=_show,
        metavar="TIME|N",
    )


def is_duration(value: Any) -> bool:
    """Whether an option is a time, not a count."""
    return isinstance(value, Duration)
