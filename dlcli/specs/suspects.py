"""Options and results of the search for wrong labels: `dlcli eval --suspects` and `dlcli train --suspects`."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.option import option
from dlcli.support.errors import UsageError


def suspects_option() -> Any:
    """`suspects` of `eval`: whether to look for wrong labels."""
    return option(
        False,
        "Find labels that are probably wrong, by confident learning (Northcutt et al. 2021), also of a table of predictions. "
        "The network must not have been trained on these examples. With `output` also as suspects.csv and on the page.",
    )


def suspect_folds_option() -> Any:
    """`suspects` of `train`: in how many folds wrong labels are looked for."""
    return option(
        None,
        "Also find training labels that are probably wrong, by confident learning (Northcutt et al. 2021): train N more "
        "networks, each on all folds but one, and compare what they predict for these with the labels. Written to suspects.csv "
        "and suspects.html.",
        minimum=2,
        maximum=100,
    )


def check_suspects(config: Any) -> None:
    """Raise UsageError where wrong labels cannot be looked for."""
    if config.suspects is None:
        return
    if config.task not in ("images", "sequence") or config.next:
        raise UsageError("`suspects` needs classes", hint="omit `suspects`")
    others = ("pretrain_only", "unlabelled", "labels", "corrupt")
    given = [name for name in others if getattr(config, name)]
    given += ["versus"] if config.compares else []
    given += [name for name in ("pretrain", "semi") if getattr(config, name) not in (None, "none")]
    if given:
        raise UsageError(f"`suspects` and `{given[0]}` do not go together", hint=f"omit `{given[0]}`")


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label that is probably wrong.

    Attributes:
        index: Of the example in its set, from 0.
        file: Of the example; empty if it comes from no file.
        given: Its label.
        suggested: The class that it probably is of.
        score: The probability of the given label less the highest of the others, from -1 (surely wrong) to 1.
        probability: Of the suggested class.
    """

    index: int
    file: str
    given: str
    suggested: str
    score: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """Labels that are probably wrong, and what to compare their number with.

    Attributes:
        split: The set that was looked at; empty for a table of predictions.
        n: Number of its examples.
        count: Number of suspects.
        estimated: Estimated number of wrong labels in the set, whether they are suspected or not.
        right: How many of the suspects are expected to be right after all; a rough figure.
        folds: Number of networks that each predicted a part that they were not trained on; 0 for the network itself.
        suspects: The most suspicious first, at most 1,000.
    """

    split: str
    n: int
    count: int
    estimated: float
    right: float
    folds: int
    suspects: tuple[Suspect, ...]
