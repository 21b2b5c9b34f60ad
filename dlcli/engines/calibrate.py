"""Fit a calibration and keep it with the network: `dlcli eval --calibrate`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.data.column_names import LABEL_COLUMNS, plain_name
from dlcli.core.evaluation.calibration_gain import calibration_gain
from dlcli.core.evaluation.calibrators import KINDS
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.model_io.calibration_file import CALIBRATION, SavedCalibration, hash_of_examples, save_calibration
from dlcli.core.model_io.dev_set import DEV
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines.dev_set import is_data_of_run
from dlcli.engines.model_and_data import LoadedModel
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.specs.calibration import CALIBRATORS, Calibration
from dlcli.specs.command_line import command_line
from dlcli.specs.diagnosis import SPLITS
from dlcli.specs.eval import EvalConfig
from dlcli.specs.usual_data import RUN_FILES, usual_data
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import Reporter


def calibrated(config: EvalConfig, loaded: LoadedModel, report: Reporter) -> LoadedModel:
    """The network with the calibration that `config.calibrate` asks for; as it is without that option.

    A kept calibration is refused for the very examples that it was fitted on, whose figures would be too good.

    Args:
        config: The options.
        loaded: The network, and the examples to evaluate.
        report: Receives progress.

    Raises:
        UsageError: If the network has no directory to keep a calibration in.
        InputError: If both sets are the same, or there is no best calibration.
    """
    if config.calibrate is None:
        if loaded.calibration is not None:
            _check_apart(config, loaded, loaded.calibration)
        return loaded
    if config.model is None or not any(Path(config.model, name).is_file() for name in RUN_FILES):
        raise UsageError("`calibrate` needs a directory written by dlcli train or dlcli ensemble, where it is kept")
    _check_column(config, config.model)
    own = config.calibrate in SPLITS
    other = loaded if own else open_to_predict(_of_other_data(config, config.calibrate), report)
    has_dev = "dev" in other.data.splits and len(other.data.splits["dev"].y) > 0
    name = config.calibrate if own else "dev" if has_dev else "test"
    if own and name not in other.data.splits:
        there = ", ".join(one for one in other.data.splits if one != "train")
        hint = f"{command_line('train', data=config.data, dev=0.2)} holds out a dev set; or name other labelled data"
        raise InputError(f"`calibrate`: {other.data.name} has no {name} set, only {there}", hint=hint)
    whole = replace(other, limit=None, calibration=None)
    examples = whole.split(name)
    logits = whole.split_logits(name).numpy().astype(np.float64)
    try:
        found = KINDS[config.calibrator].fit(logits, examples.y.numpy())
    except InputError as error:
        raise InputError(f"`calibrate`: the {name} set of {other.data.name}: {error}", hint=error.hint) from None
    saved = SavedCalibration(
        method=config.calibrator,
        calibrator=found,
        model_sha256=loaded.trained.sha256,
        rule=loaded.trained.rule,
        tta=config.tta,
        data=other.data.name,
        split=name,
        examples=len(examples.y),
        examples_sha256=hash_of_examples(examples.x, examples.y),
    )
    _check_apart(config, loaded, saved)
    trained = replace(loaded.trained, notes=(*loaded.trained.notes, saved.describe()))
    return replace(loaded, calibration=saved, trained=trained)


def _check_column(config: EvalConfig, model: str) -> None:
    """Raise UsageError if the labels of the training data are to be those of a column that the network has not learned."""
    named, learned = config.label_column, task_of(model).label_column
    same = named == learned if learned is not None else named is None or plain_name(named) in LABEL_COLUMNS
    if named is None or same or config.data != usual_data(model):
        return
    what = "a column of a usual name" if learned is None else f"the column '{learned}'"
    message = f"`calibrate` keeps what it fits in {model}, which has learned {what}, not '{named}'"
    raise UsageError(message, hint="omit `label_column`")


def keep_calibration(config: EvalConfig, loaded: LoadedModel, before: Predictions, after: Predictions) -> Calibration | None:
    """Write the calibration to the directory of the network, and compare; None without `calibrate`.

    Args:
        config: The options.
        loaded: The calibrated network.
        before: Its predictions without calibration.
        after: Its predictions.
    """
    saved = loaded.calibration
    if config.calibrate is None or config.model is None or saved is None:
        return None
    save_calibration(Path(config.model), saved)
    return Calibration(
        method=saved.method,
        data=saved.data,
        split=saved.split,
        examples=saved.examples,
        examples_sha256=saved.examples_sha256,
        file=str(Path(config.model, CALIBRATION)),
        metrics=calibration_gain(before, after, seed=config.seed),
    )


def calibration_notes(found: Calibration | None, unit: str) -> tuple[str, ...]:
    """What changed, and how far it can be trusted; empty without `calibrate`.

    Args:
        found: The calibration.
        unit: What an example is called.
    """
    if found is None:
        return ()
    changes = "; ".join(
        f"{one.name} {one.before} to {one.after}" + ("" if one.difference is None else f", by {one.difference}")
        for one in found.metrics
    )
    return (
        f"Calibration changes {changes}; all figures are of these {unit}s.",
        f"The calibration is kept in {found.file}; eval and predict apply it.",
    )


def _of_other_data(config: EvalConfig, data: str) -> EvalConfig:
    """Options to open the same network with other data."""
    plain = replace(config, against=None, no_worse=None, fail_under=None, group=None, slices=())
    other = replace(plain, data=data, calibrate=None, calibrator=CALIBRATORS[0], uncalibrated=True, limit=None)
    return replace(other, split=DEV) if is_data_of_run(other) and task_of(config.model).dev is not None else other


def _check_apart(config: EvalConfig, loaded: LoadedModel, saved: SavedCalibration) -> None:
    """Raise InputError if the examples to evaluate are those of the calibration."""
    split = replace(loaded, limit=None).split(config.split)
    if len(split.y) == saved.examples and hash_of_examples(split.x, split.y) == saved.examples_sha256:
        message = f"{loaded.data.name}: the {config.split} set has the examples that {saved.method} was calibrated on"
        raise InputError(message, hint="evaluate another `split`, or give `uncalibrated`")
