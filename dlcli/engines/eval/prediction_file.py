"""Evaluate predictions that are in a table, whatever made them: `dlcli eval predictions.csv`. Needs no torch."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.frame_names import file_notes
from dlcli.core.evaluation import slices
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.engines.eval.against import compare_with, failed_margin, write_flips
from dlcli.engines.eval.measured import failed_gate, figure_notes, measure, slice_notes
from dlcli.engines.eval.mixed_sets import mixed_sets_note
from dlcli.engines.eval.opened_predictions import OpenedPredictions, find_metadata, open_predictions
from dlcli.engines.eval.sample_size import needed_images, needed_note
from dlcli.engines.eval.side import Side
from dlcli.engines.suspects import find_suspects, suspects_note, suspects_parts, write_suspects
from dlcli.specs.eval import METRICS, EvalConfig, EvalResult, is_metric
from dlcli.specs.model_and_data import ModelAndDataOptions
from dlcli.specs.option import declared
from dlcli.specs.pairs import check_applicable
from dlcli.specs.predictions import PREDICTIONS, is_prediction_file
from dlcli.specs.suspects import Suspects
from dlcli.specs.table_options import FIELDS
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

UNIT = "example"
"""What an example of a table is called: it may be anything."""
WRITTEN = ("confusion.png", "reliability.png", "report.html")
"""Files in the output folder, reliability.png only with probabilities."""
_COMPARED = ("against", "no_worse", "abstain", "detect")
_FURTHER = (*_COMPARED, "suspects", "fail_under", "seed", "output")
_APPLICABLE = ("model", "data", "columns", *FIELDS, "limit", "slices", "group", *_FURTHER)
_OF_NETWORK = tuple(item.name for item, _ in declared(ModelAndDataOptions))
"""Options that the network has that predictions are compared with."""


def eval_prediction_file(config: EvalConfig, report: Reporter) -> EvalResult:
    """All figures of the predictions in the table `config.model`. Raises the kinds of `dlcli.support.errors`."""
    opened = _checked(config)
    table, predictions = opened.table, opened.predictions
    for warning in opened.source.warnings:
        report.warn(warning)
    table = replace(table, notes=(*mixed_sets_note(table.metadata, config.slices, UNIT), *table.notes))
    for note in table.notes:
        report.note(note)
    if not _against_table(config):
        save_bad_rows(config.skip_bad, opened.source)  # else with those of the other table
    columns = dict(table.metadata)
    columns.setdefault(slices.CLASS, np.array(predictions.outputs, dtype=object)[predictions.y])
    parts = [slices.cut(name, columns[name]) for name in config.slices]
    output_of = np.arange(len(predictions.outputs))
    cuts = [one for part in parts for one in part]
    files = _as_list(table.files)
    measured = measure(predictions, cuts, output_of=output_of, seed=config.seed, files=files, risk=config.abstain)
    mistakes = tuple(replace(one, index=int(table.numbers[one.index])) for one in measured.mistakes)
    side = Side(
        str(config.model),
        opened.sha256,
        predictions,
        files,
        ids=opened.ids,
        columns=table.metadata,
        source=opened.source,
        read_as=table.read_as,
    )
    compared = compare_with(config, side, cuts, report)
    needed = needed_images(config, predictions, compared)
    compared = None if compared is None else compared.numbered(table.numbers)
    found = None if compared is None else compared.comparison
    suspects = _suspects(config, opened, files)
    difference = None if found is None else found.difference
    gates = failed_gate(config, measured, str(config.model), difference), failed_margin(config, found)
    result = EvalResult(
        data="",
        split="",
        unit=UNIT,
        model=str(config.model),
        model_sha256=opened.sha256,
        n_images=len(predictions.y),
        metrics=measured.metrics,
        per_class=measured.per_class,
        confusion=measured.confusion,
        bins=measured.bins,
        mistakes=mistakes,
        diagnosis=None,
        summary=None,
        slices=measured.slices,
        worst_slice=measured.worst_slice,
        n_groups=None if predictions.group is None else int(predictions.group.max()) + 1,
        seed=config.seed,
        device="",
        seconds=0.0,
        suspects=suspects,
        comparison=found,
        needed=needed,
        abstention=measured.abstention,
        notes=(
            *needed_note(needed, UNIT),
            *(compared.notes if compared else ()),
            *(() if suspects is None else (suspects_note(suspects, UNIT),)),
            *opened.source.warnings,
            *table.notes,
            table.read_as,
            *_missing(predictions),
            *figure_notes(predictions, measured, output_of=output_of, unit=UNIT),
            *file_notes(table.files, predictions.y, predictions.group, config.group, UNIT),
            *slice_notes(measured, unit=UNIT, group=config.group),
        ),
        failed="; ".join(filter(None, gates)),
    )
    if config.output is not None:
        from dlcli.engines.eval.report import EvalFigures, write  # here, since it imports matplotlib

        if compared is not None:
            write_flips(config.output, compared.flips)
        if suspects is not None:
            write_suspects(config.output, suspects)
        pictures = EvalFigures(
            None,
            measured.reliability,
            measured.matrix,
            predictions,
            output_of,
            compared=compared,
            checks=suspects_parts(suspects, None, UNIT),
        )
        write(config.output, result, pictures)
    return result


def plan_prediction_file(config: EvalConfig) -> list[str]:
    """What `eval_prediction_file` would do, one line per step; reads the table, but evaluates and writes nothing."""
    opened = _checked(config)
    found = opened.predictions
    known = "labels" if found.confidence is None else "labels and their probabilities"
    known = known if found.log_p is None else "probabilities of all classes"
    lines = [f"read {count(len(found.y), 'prediction')} of {count(len(found.outputs), 'class', 'classes')}: {known}"]
    what = "evaluate them" + (f", and their slices by {', '.join(config.slices)}" if config.slices else "")
    compared = [f"compare them with {config.against}"] if config.against is not None else []
    compared += ["look for labels that are probably wrong"] if config.suspects else []
    return [*lines, what, *compared, *([f"write {', '.join(WRITTEN)} in {config.output}"] if config.output else [])]


def _suspects(config: EvalConfig, opened: OpenedPredictions, files: list[str] | None) -> Suspects | None:
    predictions = opened.predictions
    if not config.suspects:
        return None
    if predictions.log_p is None:
        hint = "add a column for each class, or omit `suspects`"
        raise InputError(f"`suspects`: {config.model} has no probabilities of all classes", hint=hint)
    found = find_suspects(predictions.log_p, predictions.y, predictions.outputs, files, split="")
    numbers = opened.table.numbers
    return replace(found, suspects=tuple(replace(one, index=int(numbers[one.index])) for one in found.suspects))


def _against_table(config: EvalConfig) -> bool:
    return config.against is not None and is_prediction_file(config.against)


def _as_list(files: NDArray[np.object_] | None) -> list[str] | None:
    return None if files is None else [str(one) for one in files]


def _checked(config: EvalConfig) -> OpenedPredictions:
    of_network = config.against is not None and not _against_table(config)
    check_applicable(config, (*_APPLICABLE, *(_OF_NETWORK if of_network else ())), "predictions in a file")
    if config.fail_under is not None and not is_metric(config.fail_under[0]):
        raise UsageError(f"`fail_under`: '{config.fail_under[0]}' is not one of {', '.join(METRICS)}")
    opened = open_predictions(config, str(config.model), alone=not _against_table(config))
    for name in config.slices:
        if name != slices.CLASS:
            find_metadata(opened.table, name, data=str(config.model), option="slices")
    return opened


def _missing(predictions: Predictions) -> tuple[str, ...]:
    """Which figures cannot be computed from what the table holds."""
    if predictions.log_p is not None:
        return ()
    if predictions.confidence is not None:
        return ("Without probabilities of all classes there is no AUC, NLL or Brier score.",)
    return (f"Without probabilities there is no calibration, AUC, NLL or Brier score; {PREDICTIONS} of eval has them.",)
