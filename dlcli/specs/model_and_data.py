"""Options that `dlcli eval` and `dlcli predict` share: a trained network and the data to run it on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.specs.calibration import uncalibrated_option
from dlcli.specs.code import trust_code_option
from dlcli.specs.diagnosis import SPLITS
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, one_of, option
from dlcli.specs.sequences import pad_option, rate_option
from dlcli.specs.shared import (
    clips_option,
    data_option,
    device_option,
    fps_option,
    frames_option,
    label_column_option,
    output_option,
    rule_option,
    seed_option,
    size_option,
    strict_option,
)
from dlcli.specs.usual_data import set_usual_data
from dlcli.support.errors import UsageError


def arch_option() -> Any:
    """`arch`: the architecture that a checkpoint belongs to."""
    return option(
        None,
        "Architecture of a checkpoint: a built-in model, a network of torchvision, timm:NAME, hf:OWNER/NAME, "
        "package.module:callable or file.py:callable.",
        metavar="SPEC",
        names_code=True,
    )


def weights_key_option() -> Any:
    """`weights_key`: which of several sets of weights in a checkpoint."""
    return option(
        None,
        "Take the weights under this key of a checkpoint, such as state_dict_ema. Default: those that fit the network; if "
        "several do, those under a usual name (state_dict, model), with a warning.",
        metavar="KEY",
    )


def check_weights_key(key: str | None, *files: object) -> None:
    """Raise UsageError if a key is given, but none of the options that go with a file of weights."""
    if key is not None and all(file is None for file in files):
        raise UsageError("`weights_key` needs a file of weights")


def split_option(verb: str, default: str | None = "test", more: str = "") -> Any:
    """`split`: the set of examples to `verb`; `more` says what happens without it, where there is no `default`."""
    return option(
        default,
        f"Split to {verb}. train-dev is held out from the training distribution, for data whose dev and test sets are of "
        f"another one.{more}",
        choices=one_of(*SPLITS),
    )


@dataclass(frozen=True, kw_only=True)
class ModelAndDataOptions:
    """A trained network, the examples to run it on, and where to run it."""

    model: str | None = option(
        None,
        "A directory written by dlcli train or dlcli ensemble, a checkpoint with `arch`, an .onnx or .pt2 file, a published "
        "network (torchvision:NAME, timm:NAME or hf:OWNER/NAME), or file.py:callable, which runs that code and uses what it "
        "returns as trained. Default: the built-in model for the dataset, trained once and cached.",
        argument=True,
        two_ways=True,
        metavar="[MODEL]",
        reads=True,
        names_code=True,
    )
    data: str = data_option(None)
    arch: str | None = arch_option()
    weights_key: str | None = weights_key_option()
    normalise: str = normalise_option()
    ensemble: str | None = rule_option()
    tta: bool = option(
        False,
        "Test-time augmentation: mean logits of each image or video and of its mirror image. Not for classes that a mirror "
        "changes, such as digits or text.",
    )
    uncalibrated: bool = uncalibrated_option()
    split: str | None = split_option("use")
    limit: int | None = option(None, "Use the first N examples of each split only.", minimum=1)
    size: int | None = size_option()
    label_column: str | None = label_column_option()
    rate: int | None = rate_option(" Of a trained network: that of its training.")
    pad: bool = pad_option()
    frames: int | None = frames_option()
    clips: int | None = clips_option()
    fps: float | None = fps_option()
    strict: bool = strict_option()
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option("Write the result here.", "PATH")

    def __post_init__(self) -> None:
        check(self)
        set_usual_data(self)
        check_weights_key(self.weights_key, self.arch)
