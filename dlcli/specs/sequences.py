"""Options of `dlcli train`, `dlcli eval` and `dlcli predict` for sequences."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.option import option
from dlcli.specs.result import Result
from dlcli.support.errors import UsageError

SEQUENCES = "sequence"
"""The value of `task`."""
_OF_SEQUENCES = ("rate", "pad", "next", "steps", "prove_causal")
_OF_CLASSES = ("class_weights", "label_smoothing", "labels", "corrupt", "label_column")
"""Options that need classes, by their fields."""
_NOT_OF_SEQUENCES = (
    *("size", "frames", "clips", "fps", "augment", "mixup", "cutmix", "adversarial", "unlabelled", "grow", "semi"),
    *("tta", "diagnose_input", "explain", "export"),
)
"""Options of images, by their fields."""
_WHY_NOT = {
    "tta": "a sequence has no mirror image",
    "explain": "maps are of pixels",
    "export": "exported programs take images of one size, and lengths of sequences differ",
}
"""Why options do not apply, where it is not plain."""


def rate_option(more: str = "") -> Any:
    """`rate`: steps per second of sounds; `more` ends the help."""
    return option(
        None, f"Sequences: convert sounds to this many samples per second.{more}", metavar="HZ", minimum=1, limit=10_000_000
    )


def pad_option() -> Any:
    """`pad`: whether rows may differ in length."""
    return option(False, "Sequences: rows of a table may differ in length. Otherwise a short row is an error.")


def prove_causal_option() -> Any:
    """`prove_causal`: whether a network looks ahead."""
    return option(
        False,
        "Sequences: change all inputs from a step on and see that no output before it moves, at many steps; exit with status 1 "
        "if one does, and name the first layer that looks ahead. Also measures the field. With `arch` and without MODEL, of an "
        "untrained network.",
    )


def require_causal_option() -> Any:
    """`prove_causal` of a training: whether a network that looks ahead is refused."""
    return option(
        False,
        "Sequences: before training, change all inputs from a step on and see that no output before it moves; do not train a "
        "network where one does, name the first layer that looks ahead, and exit with status 1.",
    )


@dataclass(frozen=True, kw_only=True)
class CausalityResult(Result, command="eval"):
    """Result of `dlcli eval --prove-causal`.

    Attributes:
        steps: Length of the sequences.
        places: At how many steps inputs were replaced, one after the other.
        leak: The largest change of an output before the inputs that were replaced; 0 exactly for a causal network.
        after: The largest change from there on.
        layer: The first layer in whose output such a change is seen; empty for a causal network.
        kind: The class of that layer.
        by_step: Whether the network has an output for each step; else the outputs of its layers are compared.
        field: How many steps the last output depends on, measured; None if it depends on all.
        theory: The field that follows from the layers; None without bounds.
        seconds_of_field: The measured field in seconds, where the rate is known.
    """

    KIND: ClassVar[str] = "single"

    data: str
    model: str
    model_sha256: str
    steps: int
    places: int
    leak: float
    after: float
    layer: str
    kind: str
    by_step: bool
    field: int | None
    theory: int | None
    seconds_of_field: float | None
    seed: int
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The figures as one flat record."""
        return [{name: value for name, value in vars(self).items() if name not in ("notes", "seconds", "failed")}]


def next_option() -> Any:
    """`next`: what is learned of sequences."""
    return option(
        False,
        "Sequences: learn to predict the next step instead of a class: one of the symbols, which notes sound, or numbers with "
        "a mean and a variance, whichever the steps are. Needs no labels; the figure is bits per step.",
    )


def steps_option() -> Any:
    """`steps`: where sequences are cut."""
    return option(
        None,
        "Sequences, with `next`: cut longer ones into pieces of N steps. One long sequence gives a test set of its last fifth, "
        "and of what the pieces before it leave over.",
        minimum=2,
    )


def check_no_sequences(config: Any, needs: str) -> None:
    """Raise UsageError if an option of sequences is given where there are none; `needs` is what it would need."""
    for name in _OF_SEQUENCES:
        if getattr(config, name, None):
            raise UsageError(f"`{name}` needs {needs}")


def check_of_sequences(config: Any, what: str = "`task=sequence`") -> None:
    """Raise UsageError if an option of images is given for sequences, which `what` names."""
    for name in _NOT_OF_SEQUENCES:
        if getattr(config, name, None):
            why = f": {_WHY_NOT[name]}" if name in _WHY_NOT else ""
            raise UsageError(f"`{name}` is of images, and does not apply to {what}{why}", hint=f"omit `{name}`")
    predicts = getattr(config, "next", False)
    for name in _OF_CLASSES if predicts else ():
        if getattr(config, name, None):
            raise UsageError(f"`{name}` is of classes, and does not apply to `next`", hint=f"omit `{name}`")
    if getattr(config, "steps", None) is not None and not predicts:
        raise UsageError("`steps` needs `next`", hint="a sequence is classified as a whole")
    corrupted, pretrained = getattr(config, "corrupt", None), getattr(config, "pretrain", "none")
    if corrupted and not corrupted.startswith("labels="):
        raise UsageError(f"`corrupt={corrupted}` is of images", hint="`corrupt=labels=P`, or omit `corrupt`")
    if pretrained != "none":
        raise UsageError(f"`pretrain={pretrained}` is of images", hint="omit `pretrain`")
