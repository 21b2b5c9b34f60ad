"""Results of `dlcli train` and `dlcli eval` for networks that predict the next step of a sequence."""

from dataclasses import dataclass
from typing import Any, ClassVar

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat
from dlcli.specs.result import Result

Figure = Estimate | PointEstimate

NEXT_METRICS = ("gain", "bits")
"""Metrics that `fail_under` may name: bits per step less than those of the Markov chain, and bits, which are to stay below."""


@dataclass(frozen=True, kw_only=True)
class NextBaselines:
    """Bits per step of simple predictions that were fitted to the training set.

    Attributes:
        frequencies: Of how often each symbol, or note, or value is there.
        markov: Of a first-order Markov chain: of each step given the one before.
        gain: Those of the chain less those of the network, for the same sequences; None where they are too few.
    """

    frequencies: Figure
    markov: Figure
    gain: Difference | None


@dataclass(frozen=True, kw_only=True)
class NextRow:
    """One trained network; names are as in `TrainRow`.

    Attributes:
        bits: Per step, on the test set; its interval is over sequences, or groups of them.
        train_bits: Per step, after `best_epoch`, on the first 2,000 training sequences.
        train_loss: Mean loss of the steps of `best_epoch`, in nats.
    """

    variant: str
    seed: int
    bits: Figure
    train_bits: float
    n_watched: int
    train_loss: float
    epochs: int
    best_epoch: int
    steps: int
    epochs_to_level: int | None
    seconds: float
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class NextTrainResult(Result, command="train"):
    """Result of `dlcli train --task sequence --next`; names are as in `TrainResult`.

    `kind` is what a step is: categorical, binary or gaussian. `baselines` compare the first row.
    """

    KIND: ClassVar[str] = "single"

    data: str
    unit: str
    model: str
    kind: str
    surgery: tuple[str, ...]
    n_train: int
    n_test: int
    rows: tuple[NextRow, ...]
    comparisons: tuple[Any, ...]
    level: float | None
    baselines: NextBaselines | None
    folder: str
    device: str
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows as flat records, for tables and CSV."""
        return [_record(row) for row in self.rows]


def _record(row: NextRow) -> dict[str, Any]:
    # Without the seconds: everything else is the same when the run is.
    record = {name: value for name, value in vars(row).items() if name not in ("bits", "seconds")}
    return record | flat("bits", row.bits) | {"n": row.bits.n}


@dataclass(frozen=True, kw_only=True)
class NextEvalResult(Result, command="eval"):
    """Result of `dlcli eval` for a network that predicts the next step; names are as in `EvalResult`.

    `baselines` are fitted to the training set of the data; None where they have none.
    """

    KIND: ClassVar[str] = "single"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    kind: str
    n_sequences: int
    n_steps: int
    bits: Figure
    baselines: NextBaselines | None
    n_groups: int | None
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """Bits per step of the network, then those of the baselines."""
        found = [("bits", self.bits)]
        if self.baselines is not None:
            found += [("markov", self.baselines.markov), ("frequencies", self.baselines.frequencies)]
        return [{"metric": name, **{key: getattr(one, key) for key in ("value", "low", "high", "n")}} for name, one in found]
