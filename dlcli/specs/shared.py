"""The vocabulary that commands share: one declaration for each option that means the same everywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.specs.option import one_of, option

RULES = ("max", "mean", "vote", "mean-logit", "max-logit")
"""How the members of an ensemble may decide together."""


def data_option(default: str, **details: Any) -> Any:
    """--data: where examples come from; `details` are further fields of Option."""
    return option(
        default,
        "Where the examples come from: digits or moving-digits (embedded), a folder of images or of videos, a .npz with x and "
        "y, or with x_train, y_train, x_test and y_test, or a name of torchvision's such as cifar10.",
        **{"metavar": "SPEC", "reads": True, **details},
    )


def model_option(default: str | None) -> Any:
    """--model: which network."""
    return option(
        default,
        "A network: a name of ours, or package.module:callable or file.py:callable, which imports and runs that code. "
        "Left out, the one made for the data.",
        metavar="SPEC",
    )


def rule_option() -> Any:
    """--ensemble: how a trained ensemble decides."""
    return option(
        None,
        "Of a folder that dlcli ensemble wrote: the rule by which its members decide, instead of the one it was saved with.",
        choices=one_of(*RULES),
    )


def size_option() -> Any:
    """--size: one height and width for all images and frames."""
    return option(None, "Bring every image or frame to N pixels in height and width.", minimum=1, metavar="N")


def strict_option() -> Any:
    """--strict: no image or video is left out."""
    return option(False, "Refuse an image or a video that cannot be read, instead of leaving it out with a warning.")


def frames_option() -> Any:
    """--frames: how many frames a clip of a video has."""
    return option(
        None,
        "Of videos: how many frames a clip has; left out, 8, or as many as the network was trained on.",
        minimum=1,
        metavar="N",
    )


def clips_option() -> Any:
    """--clips: how many clips are taken of a video."""
    return option(
        None,
        "Of videos: how many clips are taken of each, 1 if left out. Training draws one at random, judging averages over them.",
        minimum=1,
        metavar="N",
    )


def fps_option() -> Any:
    """--fps: at what rate the frames of a clip follow each other."""
    return option(
        None,
        "Of videos: how many frames a second; left out, as few as spread a clip over the whole video.",
        minimum=0.001,
        metavar="RATE",
    )


def device_option() -> Any:
    """--device: where tensors live."""
    return option("auto", "auto, cpu, cuda, cuda:N or mps; auto takes a GPU if there is one.", metavar="DEVICE")


def seed_option() -> Any:
    """--seed: the root of all randomness."""
    return option(0, "The root of all randomness: the same seed gives the same result.", minimum=0)


def output_option(help: str, metavar: str) -> Any:
    """--output/-o: the one place where a command leaves files."""
    return option(None, help, short="-o", metavar=metavar, writes=True)


FORMATS = ("auto", "table", "json", "jsonl", "csv")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a command is run and shown, the same for all commands."""

    format: str = option(
        "auto", "How the result is printed. auto: a table on a terminal, else CSV for rows and JSON.", choices=one_of(*FORMATS)
    )
    quiet: bool = option(False, "Say nothing but the result and errors.", short="-q")
    verbose: bool = option(False, "Say more about what is going on.", short="-v")
    dry_run: bool = option(False, "Check the options and the input, say what would be done, and stop.", short="-n")
    debug: bool = option(False, "Show a traceback with an error.")
    config: Path | None = option(None, "Read options from a TOML file: one table a command, e.g. [attack].", metavar="FILE")
    print_config: bool = option(False, "Print the options in force as TOML, and stop.")
