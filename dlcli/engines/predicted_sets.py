"""Sets of classes that hold the true one with a given probability: `dlcli predict --coverage`."""

from dataclasses import replace
from math import isinf

import numpy as np

from dlcli.core.evaluation import metrics
from dlcli.core.evaluation.conformal import SCORES, Threshold, sets, threshold
from dlcli.core.evaluation.metrics import Floats
from dlcli.engines.model_and_data import open_model_and_data
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive
from dlcli.support.tables import Table

BETWEEN = "|"
"""What stands between the classes of a set."""


def with_sets(
    config: PredictConfig, table: Table, p: Floats, names: tuple[str, ...], split: str, report: Reporter
) -> tuple[Table, tuple[str, ...]]:
    """Add a set of classes to each row.

    Args:
        config: Its `coverage`, `sets` and `calibration`.
        table: A row per example.
        p: Probabilities, (n, outputs), not calibrated: sets hold the true class with a calibration of any other kind only if it
            was fitted on other examples.
        names: Names of the outputs.
        split: The set that is predicted, empty for all files.
        report: Receives progress.

    Returns:
        The table with the columns `set` and `set_size`, and what it was calibrated on.

    Raises:
        UsageError: If the examples to predict are those to calibrate on.
        InputError: If there are no labelled examples.
    """
    if config.coverage is None:
        return table, ()
    data = config.calibration or PredictConfig(model=config.model).data
    other = replace(config, data=data, split=None, limit=None, coverage=None, calibration=None, sets="lac")
    loaded = open_model_and_data(other, report)
    name = "dev" if "dev" in loaded.data.splits and len(loaded.data.splits["dev"].y) else "test"
    if other.data == config.data and name == split:
        hint = "name other labelled data as `calibration`, or predict another `split`"
        raise UsageError(f"`coverage`: the {name} set of {other.data} cannot be predicted and calibrated on", hint=hint)
    examples = loaded.split(name)
    score, random = SCORES[config.sets], np.random.default_rng(derive(config.seed, "conformal"))
    known = np.exp(metrics.log_probabilities(loaded.raw_logits(examples.x).numpy()))
    found = threshold(score(known, random.random(len(known))), examples.y.numpy(), config.coverage)
    inside = sets(p, score(p, random.random(len(p))), found)
    rows = [[BETWEEN.join(names[k] for k in np.flatnonzero(row)), int(row.sum())] for row in inside]
    notes = _notes(config.coverage, found, name, loaded.data.name, inside.sum(1))
    for note in notes:
        report.note(note)  # on a pipe the rows are alone
    return table.extend(["set", "set_size"], rows), notes


def _notes(coverage: float, found: Threshold, name: str, data: str, sizes: np.ndarray) -> tuple[str, ...]:
    where = f"{found.n:,} examples of the {name} set of {data}"
    if isinf(found.value):
        least = f"{round(coverage / (1 - coverage)):,}"
        return (f"Every set has all classes: {where} are too few for a coverage of {coverage:g}, which takes {least}.",)
    return (
        f"A set holds the true class of at least {coverage:.4g} of such examples, calibrated on {where} (split conformal "
        f"prediction). That is a mean over calibration sets, of which 95% give at least {found.least:.3f}; for examples of "
        "another kind, and for single classes, it may be less.",
        f"Sets have {sizes.mean():.2f} classes on average; {100 * (sizes == 1).mean():.1f}% have one.",
    )
