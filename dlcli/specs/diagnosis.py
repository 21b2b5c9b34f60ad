"""Where the error comes from: the ladder from human error to test error, in plain figures."""

from dataclasses import dataclass

from dlcli.specs.estimates import Difference, Estimate

SPLITS = ("train", "train-dev", "dev", "test")
"""The splits from the top of the ladder down: each is one step further from what the network was fitted to."""

RUNGS = ("avoidable bias", "variance", "data mismatch", "overfitting to dev")
"""What lies above each of `SPLITS`: between human error and train, train and train-dev, train-dev and dev, dev and test."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step of the ladder: the error on split `lower` minus that on `upper` (`human` is the top).

    `causes` are the rungs whose share is in the gap: more than one if a split between is missing. `status` is
    `established` (the interval lies above zero), `not established` (it holds zero), `reversed` (it lies below zero: the lower
    split is the easier one) or `missing` (no figure of its own).
    """

    name: str
    status: str
    upper: str = ""
    lower: str = ""
    gap: Difference | None = None
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Move:
    """Something to try, the rung it is meant for, and the command that tries it."""

    rung: str
    what: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The error of each split that was measured, all four rungs, and what to do.

    `largest` is the rung with the largest established gap ("" if none is), `named` those worth working on, from the top of
    the ladder down, and `missing` the splits without a figure.
    """

    human: float
    errors: dict[str, Estimate]
    rungs: tuple[Rung, ...]
    largest: str
    named: tuple[str, ...]
    missing: tuple[str, ...]
    moves: tuple[Move, ...]
