"""Options of `dlcli train`, `dlcli eval` and `dlcli predict` for sequences."""

from typing import Any

from dlcli.specs.option import option
from dlcli.support.errors import UsageError

SEQUENCES = "sequence"
"""The value of `task`."""
_OF_SEQUENCES = ("rate", "pad")
_NOT_OF_SEQUENCES = (
    *("size", "frames", "clips", "fps", "augment", "mixup", "cutmix", "adversarial", "unlabelled", "grow", "semi"),
    *("tta", "ensemble", "diagnose_input", "explain", "export"),
)
"""Options of images, by their fields."""


def rate_option(more: str = "") -> Any:
    """`rate`: steps per second of sounds; `more` ends the help."""
    return option(
        None, f"Sequences: convert sounds to this many samples per second.{more}", metavar="HZ", minimum=1, limit=10_000_000
    )


def pad_option() -> Any:
    """`pad`: whether rows may differ in length."""
    return option(False, "Sequences: rows of a table may differ in length. Otherwise a short row is an error.")


def check_no_sequences(config: Any, needs: str) -> None:
    """Raise UsageError if an option of sequences is given where there are none; `needs` is what it would need."""
    for name in _OF_SEQUENCES:
        if getattr(config, name, None):
            raise UsageError(f"`{name}` needs {needs}")


def check_of_sequences(config: Any, what: str = "`task=sequence`") -> None:
    """Raise UsageError if an option of images is given for sequences, which `what` names."""
    for name in _NOT_OF_SEQUENCES:
        if getattr(config, name, None):
            raise UsageError(f"`{name}` is of images, and does not apply to {what}", hint=f"omit `{name}`")
    corrupted, pretrained = getattr(config, "corrupt", None), getattr(config, "pretrain", "none")
    if corrupted and not corrupted.startswith("labels="):
        raise UsageError(f"`corrupt={corrupted}` is of images", hint="`corrupt=labels=P`, or omit `corrupt`")
    if pretrained != "none":
        raise UsageError(f"`pretrain={pretrained}` is of images", hint="omit `pretrain`")
