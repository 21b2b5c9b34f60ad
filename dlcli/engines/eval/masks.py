"""The engine of `dlcli eval RUN DATA` for a network that predicts masks."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.compute.device import describe_device
from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import FILE, Split
from dlcli.core.data.mask_labels import sizes_of
from dlcli.core.evaluation.mask_counts import Counts, MaskCounts
from dlcli.core.evaluation.mask_figures import class_masks, mask_metrics, picture_mious
from dlcli.core.evaluation.mask_prediction import measure_masks, picture_logits
from dlcli.core.model_io.mask_metadata import SavedMasks
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.core.tasks.segment import block_notes, default_group
from dlcli.engines.eval.task_steps import ONLY_OF_CLASSES, check_metric, failed_gate, group_column, groups_by
from dlcli.engines.model_and_data import LoadedModel, describe
from dlcli.engines.picture_jobs import PictureJob, job_pictures, picture_jobs
from dlcli.engines.predict_elsewhere import open_to_predict
from dlcli.specs.eval import EvalConfig
from dlcli.specs.masks import MASK_METRICS, MaskConfusion, MaskEvalResult, WorstMask, refuse_of_masks
from dlcli.support.reporter import Reporter

_WORST = 8
_SEED = 0
"""Of the intervals, as those of training have it."""
_NOT_OF_MASKS = (
    *ONLY_OF_CLASSES,
    *("diagnose_input", "export", "explain", "score_column", "raters", "label_column", "frames", "clips", "fps"),
)


def eval_masks(config: EvalConfig, task: RunTask, report: Reporter) -> MaskEvalResult:
    """Evaluate the network in the run directory `config.model` on one split; write plots and a page to `config.output`.

    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    masks = _check(config, task)
    loaded = open_to_predict(config, report)
    split = loaded.split(config.split)
    column = default_group(split, group_column(config, task, split))
    group = groups_by(column, split, loaded.data.name)
    counts = _counts(loaded, config.split, masks)
    metrics = mask_metrics(counts, group, seed=_SEED)
    result = MaskEvalResult(
        data=loaded.data.name,
        split=config.split,
        unit=loaded.data.unit,
        model=loaded.trained.name,
        model_sha256=loaded.trained.sha256,
        n_images=len(split.y),
        n_pixels=int(counts.confusion.sum()),
        metrics=metrics,
        per_class=class_masks(counts, masks.classes, group, seed=_SEED),
        confusion=_cells(counts, masks.classes),
        worst=_worst(counts, split),
        group=column,
        n_groups=None if group is None else int(group.max()) + 1,
        size=config.size or masks.size,
        seed=config.seed,
        device=describe_device(loaded.device),
        seconds=0.0,
        notes=(*loaded.trained.notes, *block_notes(split, group, column, loaded.data.unit), *_size_note(config, masks, loaded)),
        failed=failed_gate(config, metrics, "no pixel has a label"),
    )
    if config.output is not None:
        from dlcli.engines.eval.mask_page import MaskCard, write_masks  # here, since it imports matplotlib

        cards = [MaskCard(one, *_picture(loaded, split, one.index, len(masks.classes))) for one in result.worst]
        write_masks(config.output, result, counts.confusion.sum(0), masks.classes, cards)
    return replace(result, seconds=time.perf_counter() - started)


def plan_masks(config: EvalConfig, task: RunTask) -> list[str]:
    """What `eval_masks` would do, one line per step; opens data and network, but evaluates and writes nothing."""
    _check(config, task)
    lines = [*describe(config), f"evaluate the masks that it predicts for the {config.split} set"]
    return [*lines, f"write confusion.png and report.html in {config.output}"] if config.output else lines


def _counts(loaded: LoadedModel, split: str, masks: SavedMasks) -> MaskCounts:
    """The counts of the pictures of a split, in several processes if the options ask for them."""
    jobs = picture_jobs(loaded, split)
    found = loaded.map(partial(_counts_of, masks), jobs, f"predicting the masks of the {split} set, parts")
    order = np.argsort(np.concatenate([job.rows for job in jobs]))
    return MaskCounts.unpacked(np.concatenate(found)[order])


def _counts_of(masks: SavedMasks, loaded: LoadedModel, job: PictureJob) -> Counts:
    x, y, batches = job_pictures(loaded, job)
    found = measure_masks(loaded.of_masks, x, y, masks.objective(), loaded.device, edges=True, batches=batches)
    return found.counts.packed()


def _check(config: EvalConfig, task: RunTask) -> SavedMasks:
    for name in _NOT_OF_MASKS:
        if getattr(config, name):
            refuse_of_masks(name)
    check_metric(config, MASK_METRICS)
    if task.masks is None:
        raise ValueError("no masks are recorded")
    return task.masks


def _cells(counts: MaskCounts, classes: tuple[str, ...]) -> tuple[MaskConfusion, ...]:
    matrix = counts.confusion.sum(0)
    rows, columns = np.nonzero(matrix)
    return tuple(
        MaskConfusion(true=classes[true], predicted=classes[predicted], pixels=int(matrix[true, predicted]))
        for true, predicted in zip(rows.tolist(), columns.tolist(), strict=True)
    )


def _worst(counts: MaskCounts, split: Split) -> tuple[WorstMask, ...]:
    mious, files = picture_mious(counts), split.metadata.get(FILE)
    order = [k for k in np.argsort(mious, kind="stable").tolist() if np.isfinite(mious[k])][:_WORST]
    return tuple(WorstMask(index=k, file="" if files is None else str(files[k]), miou=float(mious[k])) for k in order)


def _picture(
    loaded: LoadedModel, split: Split, k: int, classes: int
) -> tuple[NDArray[np.floating], NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture, its true mask and the predicted one, without what lies beside it."""
    rows = slice(k, k + 1)
    ((height, width),) = sizes_of(split.y[rows].numpy())
    (found,) = picture_logits(loaded.of_masks, split.x[rows], split.y[rows], loaded.device)
    labels = found.logits[0, :classes].argmax(0).to(torch.uint8)
    return to_float(split.x[rows])[0, :, :height, :width].numpy(), split.y[k, :height, :width].numpy(), labels.numpy()


def _size_note(config: EvalConfig, masks: SavedMasks, loaded: LoadedModel) -> tuple[str, ...]:
    size = config.size or masks.size
    if size is None:
        return ()
    return (f"Figures are of pictures and masks whose shorter side is resized to {size} pixels, not of their own size.",)
