"""Options that several commands share, each declared once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.specs.option import entries, one_of, option

RULE_TEXTS = {
    "max": "the most confident member decides",
    "mean": "the mean of the members' probabilities, or of their scores",
    "vote": "the majority of the members",
    "mean-logit": "the mean of the members' logits",
    "max-logit": "the highest logit of any member",
}
RULES = tuple(RULE_TEXTS)
"""Rules that combine the members of an ensemble."""
SCORE_RULE_TEXTS = {"median": "the median of the members' scores"}
"""What rules mean that are of scores alone."""
SCORE_RULES = ("mean", *SCORE_RULE_TEXTS)
"""Rules that combine members that predict scores."""
RULE_MEANINGS = "the most confident member decides (max), mean probability (mean), majority (vote), or mean or highest logit"
SURGERIES = entries("surgery", "dlcli.core.surgery.operations")
DATASETS = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
    "stl10": "STL10",
    "usps": "USPS",
}
"""Datasets of torchvision by name, with their classes there."""
AUGMENTATIONS = {
    "affine": "a small random affine map",
    "auto": "AutoAugment (Cubuk et al. 2019)",
    "blur": "Gaussian blur of random width",
    "color-jitter": "random brightness, contrast, saturation and hue",
    "crop": "a random window of the image with 4 black pixels around (He et al. 2016)",
    "erase": "a random rectangle is erased (Zhong et al. 2020)",
    "horizontal-flip": "left and right are exchanged with probability 1/2",
    "rand": "RandAugment (Cubuk et al. 2020)",
    "resized-crop": "a random window, resized",
    "rotate": "a rotation by up to 15 degrees",
    "shift": "a shift by up to an eighth of the size",
    "trivial": "TrivialAugmentWide (Mueller & Hutter 2021)",
    "vertical-flip": "top and bottom are exchanged with probability 1/2",
}
"""Augmentations and what they do, as `dlcli.core.training.augment` explains them."""


def data_option(
    default: str | None,
    *,
    files: str = "a folder of images or videos, with a subfolder for each class; labels.csv, "
    "parquet, a WebDataset tar or COCO json",
    **details: Any,
) -> Any:
    """`data`: where examples come from; by default None, those of the run (see `usual_data`), or a name.

    `files` says in what files they are, `details` are further fields of Option.
    """
    return option(
        default,
        f"The data: digits or moving-digits (bundled); {files}; a .npz with x and y, or with x_train, y_train, x_test and "
        "y_test; or a dataset of torchvision such as cifar10, downloaded once."
        + ("" if default else " Default: what the run directory was trained on, else digits."),
        **{"metavar": "SPEC", "reads": True, **details},
    )


def model_option(default: str | None) -> Any:
    """`model`: which network."""
    return option(
        default,
        "A built-in model or one of torchvision; a published network (torchvision:NAME, timm:NAME or hf:OWNER/NAME), which "
        "starts from its weights; or your own as package.module:callable or file.py:callable, which imports and runs that "
        "code. Default: the built-in model for the dataset.",
        metavar="SPEC",
        names_code=True,
    )


def augment_option() -> Any:
    """`augment`: random changes of training images."""
    return option((), f"Augment training images: {', '.join(AUGMENTATIONS)} (repeatable; applied in order).", metavar="NAME")


def rule_option() -> Any:
    """`ensemble`: how the members of a trained ensemble are combined."""
    return option(
        None,
        f"For an ensemble directory: rule that combines its members: {RULE_MEANINGS}; of scores mean or median. Default: "
        "the rule it was saved with.",
        choices=one_of(*RULES, "median"),
    )


def surgery_option(what: str) -> Any:
    """`surgery`: changes to `what`, the network or networks."""
    return option(
        (),
        f"Change {what} first by a surgery, e.g. elu or residual-scale=0.1 (repeatable; applied in order). Choose from "
        f"{', '.join(SURGERIES())}.",
        name="with",
        metavar="NAME[=ARG]",
    )


def size_option() -> Any:
    """`size`: one height and width for all images and frames."""
    return option(
        None,
        "Resize every image or frame to N x N pixels; with masks the shorter side to N.",
        limit=65_536,
        minimum=1,
        metavar="N",
    )


def label_column_option() -> Any:
    """`label_column`: which column of a table of images holds the labels."""
    return option(
        None,
        "Tables of images (labels.csv, parquet, WebDataset): column of the labels. Default: label, class, "
        "target, y or category.",
        metavar="NAME",
    )


def group_option(more: str) -> Any:
    """`group`: which examples no split parts; `more` says what that means for intervals."""
    return option(
        None,
        "Metadata column of examples that belong together, such as pictures of one person or frames of one film: a column of "
        f"labels.csv, or an array of the .npz. No split parts a group{more}",
        metavar="COLUMN",
    )


def strict_option() -> Any:
    """`strict`: refuse data with files that cannot be read."""
    return option(False, "Fail on an image or video that cannot be read, instead of skipping it with a warning.")


def frames_option() -> Any:
    """`frames`: how many frames a clip of a video has."""
    return option(
        None,
        "Video: frames per clip. Default: as many as the network was trained on, else 8.",
        limit=100_000,
        minimum=1,
        metavar="N",
    )


def clips_option() -> Any:
    """`clips`: how many clips are taken from a video."""
    return option(
        None,
        "Video: clips per video. Training draws one of them at random, evaluation averages over them. Default: 1.",
        limit=10_000,
        minimum=1,
        metavar="N",
    )


def fps_option() -> Any:
    """`fps`: the frame rate of a clip."""
    return option(
        None,
        "Video: frames per second of a clip. Default: a clip spans the whole video.",
        minimum=0.001,
        metavar="RATE",
    )


def device_option() -> Any:
    """`device`: where tensors live."""
    return option("auto", "auto, cpu, cuda, cuda:N or mps; auto uses a GPU if there is one.", metavar="DEVICE")


def seed_option() -> Any:
    """`seed`: the seed of all random numbers."""
    return option(0, "Random seed; the same seed gives the same result.", limit=2**63 - 1, minimum=0)


def output_option(help: str, metavar: str) -> Any:
    """`output`: the only place where a command writes files."""
    return option(None, help, short="-o", metavar=metavar, writes=True)


FORMATS = ("auto", "table", "markdown", "json", "jsonl", "csv")
"""Output formats of a result."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a command is run and shown, the same for all commands."""

    format: str = option(
        "auto",
        "Output format. auto: a table on a terminal; elsewhere CSV from predict, dedupe, list and cache, JSON from the other "
        "commands. markdown: the table for GitHub, such as a step summary.",
        choices=one_of(*FORMATS),
    )
    quiet: bool = option(False, "Print only the result, warnings and errors.", short="-q")
    verbose: bool = option(False, "Print more progress, and every row and note of the table.", short="-v")
    dry_run: bool = option(False, "Check the options and the input, print what would be done, and exit.", short="-n")
    debug: bool = option(False, "Print a traceback with an error.")
    no_config: bool = option(False, "Read no options from a file.")
    config: Path | None = option(
        None,
        "Read options from the table [{command}] of a TOML file. Default: the nearest dlcli.toml, or pyproject.toml with "
        "[tool.dlcli.{command}], in this folder or above it, else ~/.config/dlcli/dlcli.toml.",
        metavar="FILE",
    )
    print_config: bool = option(False, "Print the options in effect as TOML, and exit.")
