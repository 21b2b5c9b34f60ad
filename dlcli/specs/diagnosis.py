"""Error analysis by splits: the gaps from human error down to test error, and what to try about them."""

from dataclasses import dataclass

from dlcli.specs.estimates import Difference, Estimate

SPLITS = ("train", "train-dev", "dev", "test")
"""The splits in order: each is one step further from what the network was fitted to."""

GAPS = ("avoidable bias", "variance", "data mismatch", "overfitting to dev")
"""What each of `SPLITS` adds: human to train, train to train-dev, train-dev to dev, dev to test."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The error on split `lower` minus that on `upper` (`human` comes before the first split).

    `difference` is the size of the gap with its interval. `causes` are the names in `GAPS` that it covers: more than one if
    a split in between was not measured. `p` is the p-value of no gap, by Holm for all gaps. `status` is `established` (p is at
    most 0.05 and the gap above zero), `not established`, `reversed` (below zero: the lower split is the easier one) or
    `missing` (not measured on its own).
    """

    name: str
    status: str
    upper: str = ""
    lower: str = ""
    difference: Difference | None = None
    causes: tuple[str, ...] = ()
    p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Something to try, the gap that it may reduce, and the command to run."""

    gap: str
    what: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The error of each split that was measured, all four gaps, and what to do.

    `largest` is the name of the largest established gap ("" if none is), and `told_apart` whether it exceeds every other one
    beyond chance. `named` are those worth working on, in the order of `GAPS`, and `missing` the splits that were not measured.
    `human_given` tells whether the human error was given, and not taken as 0.
    """

    human: float
    errors: dict[str, Estimate]
    gaps: tuple[Gap, ...]
    largest: str
    named: tuple[str, ...]
    missing: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    told_apart: bool = True
    human_given: bool = True
