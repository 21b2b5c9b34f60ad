"""Sets of classes, and no answer where the network is unsure: `dlcli predict --coverage` and `--abstain`."""

from dataclasses import dataclass, replace
from hashlib import blake2b
from math import isinf

import numpy as np
import torch
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation import metrics
from dlcli.core.evaluation.abstention import abstention
from dlcli.core.evaluation.conformal import SCORES, Threshold, sets, threshold
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.model_io.dev_set import DEV
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines.dev_set import is_data_of_run
from dlcli.engines.eval.measured import abstention_note
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.specs.predict import PredictConfig
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive
from dlcli.support.tables import Table

BETWEEN = "|"
"""What stands between the classes of a set."""

BEFORE_CALIBRATION = "The threshold is one of probabilities before the calibration that is kept with the network."


@dataclass(frozen=True)
class LabelledExamples:
    """Labelled examples that the network was not trained on.

    Attributes:
        p: Probabilities, not calibrated, (n, outputs).
        y: The true outputs, (n,).
        group: The group of each, (n,) from 0 on; None without groups.
        split: The set.
        data: Name of the data.
    """

    p: Floats
    y: Labels
    group: Labels | None
    split: str
    data: str

    def __str__(self) -> str:
        return f"{count(len(self.y), 'example')} of the {self.split} set of {self.data}"


def with_sets(
    config: PredictConfig, table: Table, p: Floats, names: tuple[str, ...], x: Tensor, report: Reporter, *, calibrated: bool
) -> tuple[Table, tuple[str, ...]]:
    """Add a set of classes to each row, and whether it is an answer.

    Args:
        config: Its `coverage`, `sets`, `abstain` and `calibration`.
        table: A row per example.
        p: Probabilities, (n, outputs), not calibrated: a calibration may come from the same labelled examples, and the
            guarantees hold only for probabilities that do not depend on them.
        names: Names of the outputs.
        x: The examples, as the network gets them.
        report: Receives progress.
        calibrated: Whether the probabilities in the table are calibrated.

    Returns:
        The table with the columns `set` and `set_size`, and `answered`, as asked for, and what these come from.

    Raises:
        UsageError: If the examples to predict are those to calibrate on.
        InputError: If there are no labelled examples.
    """
    if config.coverage is None and config.abstain is None:
        return table, ()
    known, notes = _labelled(config, x, report)
    if config.coverage is not None:
        table, said = _with_classes(config, config.coverage, table, p, names, known)
        notes += said
    if config.abstain is not None:
        table, said = _with_answers(config.abstain, table, p, known)
        notes += (*said, BEFORE_CALIBRATION) if calibrated else said
    for note in notes:
        report.note(note)  # on a pipe the rows are alone
    return table, tuple(notes)


def _labelled(config: PredictConfig, x: Tensor, report: Reporter) -> tuple[LabelledExamples, list[str]]:
    """What to calibrate on, and what there is to note of it."""
    data = config.calibration or PredictConfig(model=config.model).data
    plain = replace(config, coverage=None, abstain=None, calibration=None, sets="lac")
    whole = replace(plain, data=data, split=None, limit=None, uncalibrated=True)
    own = task_of(config.model).dev is not None and is_data_of_run(whole)
    loaded = open_to_predict(replace(whole, split=DEV) if own else whole, report)
    name = "dev" if "dev" in loaded.data.splits and len(loaded.data.splits["dev"].y) else "test"
    examples, group = loaded.split(name), task_of(config.model).group
    both, all_of_one = _shared(x, examples.x)
    if all_of_one:
        option = "coverage" if config.coverage is not None else "abstain"
        hint = "name other labelled data as `calibration`, or predict another `split`"
        message = f"`{option}`: the {name} set of {data} cannot be predicted and calibrated on"
        raise UsageError(f"{message}: {count(both, 'example')} of {len(x):,} to predict are in it", hint=hint)
    where = f"in the {name} set of {data}, which is calibrated on"
    notes = [f"{both:,} of {count(len(x), 'example')} are {where}: for these nothing is guaranteed."] if both else []
    column = None if group is None else examples.metadata.get(group)
    p = np.exp(metrics.log_probabilities(loaded.split_logits(name).numpy()))
    numbers = None if column is None else group_numbers(column)
    return LabelledExamples(p, examples.y.numpy(), numbers, name, loaded.data.name), notes


def _shared(x: Tensor, known: Tensor) -> tuple[int, bool]:
    """How many examples to predict are among those to calibrate on, and whether all of either are among the others."""
    streamed = x.dtype == known.dtype == torch.uint8
    mine, theirs = ([_digest(one if streamed else to_float(one)) for one in rows] for rows in (x, known))
    there = set(theirs)
    both = sum(one in there for one in mine)
    return both, both == len(mine) or there <= set(mine)


def _digest(example: Tensor) -> bytes:
    return blake2b(example.contiguous().numpy().tobytes(), digest_size=16).digest()


def _with_classes(
    config: PredictConfig, coverage: float, table: Table, p: Floats, names: tuple[str, ...], known: LabelledExamples
) -> tuple[Table, tuple[str, ...]]:
    """The sets.

    Args:
        config: Its `sets` and `seed`.
        coverage: How often a set holds the true class.
        table: A row per example.
        p: Probabilities, (n, outputs).
        names: Names of the outputs.
        known: What they are calibrated on.

    Returns:
        The table with two more columns, and notes.
    """
    score, random = SCORES[config.sets], np.random.default_rng(derive(config.seed, "conformal"))
    found = threshold(score(known.p, random.random(len(known.p))), known.y, coverage)
    inside = sets(p, score(p, random.random(len(p))), found)
    rows = [[BETWEEN.join(names[k] for k in np.flatnonzero(row)), int(row.sum())] for row in inside]
    return table.extend(["set", "set_size"], lambda start, stop: rows[start:stop]), _notes(
        coverage, found, str(known), inside.sum(1)
    )


def _with_answers(risk: float, table: Table, p: Floats, known: LabelledExamples) -> tuple[Table, tuple[str, ...]]:
    """Which rows are answers.

    Args:
        risk: The largest share of errors among them.
        table: A row per example.
        p: Probabilities, (n, outputs).
        known: What the threshold is found on.

    Returns:
        The table with one more column, and notes.
    """
    found = abstention(known.p.max(1), known.p.argmax(1) == known.y, risk, known.group)
    sure = np.zeros(len(p), dtype=bool) if found.threshold is None else p.max(1) >= found.threshold
    said = f"{abstention_note(found, 'example')} That was found on {known}."
    share = f"Answered here: {int(sure.sum()):,} of {len(p):,}. For examples of another kind the bound does not hold."
    rows = [[bool(one)] for one in sure]
    return table.extend(["answered"], lambda start, stop: rows[start:stop]), (said, share)


def _notes(coverage: float, found: Threshold, where: str, sizes: np.ndarray) -> tuple[str, ...]:
    if isinf(found.value):
        least = f"{round(coverage / (1 - coverage)):,}"
        return (f"Every set has all classes: {where} are too few for a coverage of {coverage:g}, which takes {least}.",)
    return (
        f"A set holds the true class of at least {coverage:.4g} of such examples, calibrated on {where} (split conformal "
        f"prediction). That is a mean over calibration sets, of which 95% give at least {found.least:.3f}; for examples of "
        "another kind, and for single classes, it may be less.",
        f"Sets have {sizes.mean():.2f} classes on average; {100 * (sizes == 1).mean():.1f}% have one.",
    )
