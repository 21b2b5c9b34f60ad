"""Trainable scorers of text pairs, one module per scorer: `dlcli train PAIRS.csv --task pairs --model NAME`.

An entry has `SCORER`, its default hyperparameters (a `PairEstimator`), and `load(settings, arrays)`, which restores a stored
`PairModel` from what its `metadata()` and `arrays()` gave; `dlcli.core.pairs.scorer` describes both.
"""

from dlcli.support.registry import Registry

__all__ = ["SCORERS"]

SCORERS = Registry("scorer of pairs", __name__)
