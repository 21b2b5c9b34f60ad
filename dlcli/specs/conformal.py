"""`predict --coverage` and `--abstain`: sets of classes in place of one, or no answer."""

from typing import Any

from dlcli.specs.option import one_of, option
from dlcli.support.errors import UsageError

SETS = ("lac", "aps", "raps")


def coverage_option() -> Any:
    """`coverage`: how often a set holds the true class."""
    return option(
        None,
        "Add two columns: the set of classes that holds the true one with this probability, and its size, by split conformal "
        "prediction on the labelled examples of `calibration`.",
        above=0,
        below=1,
        metavar="P",
    )


def set_method_option() -> Any:
    """`sets`: how sets are made."""
    return option(
        "lac",
        "With `coverage`: lac gives the smallest sets on average; aps larger ones where the network is unsure; raps is aps "
        "with a penalty on large sets.",
        choices=one_of(*SETS),
    )


def calibration_option() -> Any:
    """`calibration`: what sets and the threshold of answers are found on."""
    return option(
        None,
        "With `coverage` or `abstain`: labelled data that the network was not trained on, of which the dev set is used, or "
        "else the test set. Default: the data of the run directory.",
        metavar="SPEC",
        reads=True,
    )


def answer_option() -> Any:
    """`abstain`: how many errors there may be among the answers."""
    return option(
        None,
        "Add the column answered: true where the network is sure enough that at most this share of the answers is wrong, by a "
        "bound that holds for further examples like the labelled ones of `calibration`.",
        above=0,
        below=1,
        metavar="RISK",
    )


def check_coverage(config: Any) -> None:
    """Raise UsageError for options of sets without `coverage`, or of calibration data without a use of them."""
    if config.sets != SETS[0] and config.coverage is None:
        raise UsageError("`sets` needs `coverage`")
    if config.calibration is not None and config.coverage is None and config.abstain is None:
        raise UsageError("`calibration` needs `coverage` or `abstain`")


def check_no_sets(config: Any, what: str) -> None:
    """Raise UsageError if `coverage` or `abstain` is given, whose guarantees are for examples that come on their own.

    Args:
        config: The configuration.
        what: What it does not go together with, and why.
    """
    for name in ("coverage", "abstain"):
        if getattr(config, name) is not None:
            message = f"`{name}` does not go together with {what}: its guarantee is for separate examples"
            raise UsageError(message, hint=f"omit `{name}`")
