"""What an ensemble of networks that predict masks gains: a result from the logits of its members by pixel, and its page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlcli.core.data.groups import groups_of
from dlcli.core.ensembles.combine import ensemble_logits
from dlcli.core.evaluation.mask_counts import MaskCounts, confusion_of
from dlcli.core.evaluation.mask_figures import mask_gains, mask_metrics, set_miou
from dlcli.core.evaluation.mask_prediction import picture_logits
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Fold, PageTable, percent, percent_cell
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.tasks.segment import block_notes, default_group
from dlcli.engines.ensemble.members import EnsembleSetup, TrainedMember
from dlcli.engines.ensemble.rows import BEST, MEAN_OF_MEMBERS, rule_name, sizes
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.figures import points
from dlcli.specs.gate import gate
from dlcli.specs.mask_ensemble import MaskEnsembleResult, MaskEnsembleRow, MaskMemberRow
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.plural import count

Figure = Estimate | PointEstimate
Groups = NDArray[np.int64] | None

_SEED = 0
"""Of intervals, as `dlcli eval` has it."""
_MIOU, _PIXELS = "miou", "pixel-accuracy"


def mask_result(
    setup: EnsembleSetup, done: Sequence[TrainedMember], strategy: str, *, device: str, seconds: float
) -> MaskEnsembleResult:
    """The result of an ensemble, of which some members may be missing after an interruption.

    Args:
        setup: The ensemble.
        done: Its members, in order, with their networks.
        strategy: How they were trained.
        device: Where.
        seconds: How long it took.
    """
    config, data = setup.config, setup.data
    test = data.splits["test"]
    column = default_group(test, config.group)
    group = groups_of(test.metadata, column, data.name)
    whole = len(done) == config.members + len(config.add)
    rows = tuple(_rows(setup, done, group)) if whole else ()
    asked = [row for row in rows if row.classifier == rule_name(config.rule)]
    headline = max(asked, key=lambda row: row.members) if asked else None
    return MaskEnsembleResult(
        data=data.name,
        unit=data.unit,
        model=" + ".join(dict.fromkeys(one.model for one in done)),
        model_sha256=combined_sha256([one.sha256 for one in done]),
        n_train=len(data.y_train),
        n_test=len(test.y),
        rule=config.rule,
        headline=headline,
        rows=rows,
        members=tuple(_member(one, group) for one in done),
        group=column,
        strategy=strategy,
        seed=config.seed,
        folder=str(config.output or ""),
        device=device,
        seconds=seconds,
        notes=(*_notes(done, headline, data.unit), *block_notes(test, group, column, data.unit)),
        failed=_failed(setup, headline),
    )


def recorded_masks(setup: EnsembleSetup) -> Mapping[str, Any]:
    """What the directory of the ensemble records, so that it predicts masks."""
    job = setup.job(0)
    learned = setup.task.learned(setup.data, job.objective, np.zeros(0), job.config)
    return {**learned, "classes": list(setup.data.classes)}


def combined_counts(
    networks: Sequence[nn.Module], numbers: Sequence[int], rule: str, setup: EnsembleSetup
) -> dict[int, MaskCounts]:
    """The confusion of each test image by a rule, for the first of the networks; without boundaries.

    Args:
        networks: The members, on the device of `setup`.
        numbers: How many of them decide together.
        rule: How they decide at a pixel.
        setup: The ensemble.
    """
    test, k = setup.data.splits["test"], len(setup.data.classes)
    found = {number: np.zeros((len(test.y), k, k), dtype=np.int64) for number in numbers}
    for parts in zip(*(picture_logits(one, test.x, test.y, setup.device) for one in networks), strict=True):
        which, each = parts[0].which, torch.stack([part.logits[:, :k] for part in parts])
        truth = test.y[torch.from_numpy(which)][..., : each.shape[-2], : each.shape[-1]].numpy()
        for number, confusion in found.items():
            labels = ensemble_logits(each[:number], rule).argmax(1).to(torch.uint8).numpy()
            for row, ours, theirs in zip(which, labels, truth, strict=True):
                confusion[row] = confusion_of(ours, theirs, k)
    none = np.zeros((len(test.y), k, 4), dtype=np.int64)
    return {number: MaskCounts(confusion, none) for number, confusion in found.items()}


def _rows(setup: EnsembleSetup, done: Sequence[TrainedMember], group: Groups) -> Iterator[MaskEnsembleRow]:
    networks = [one.network for one in done if one.network is not None]
    numbers, each = sizes(len(done)), [_counts(one) for one in done]
    by_rule = combined_counts(networks, numbers, setup.config.rule, setup)
    mious = [set_miou(counts) for counts in each]
    for n in numbers:
        best = int(np.argmax(mious[:n]))
        yield _mean_row(each[:n], group)
        yield _row(n, BEST, each[best], each[:n], group)
        # A single member decides as it does alone, whatever the rounding of a rule.
        yield _row(n, rule_name(setup.config.rule), each[0] if n == 1 else by_rule[n], each[:n], group)


def _mean_row(each: Sequence[MaskCounts], group: Groups) -> MaskEnsembleRow:
    own = [_figures(counts, group) for counts in each]
    n, why = own[0][_MIOU].n, "a mean over members"
    means = {name: float(np.mean([one[name].value for one in own])) for name in (_MIOU, _PIXELS)}
    figures = own[0] if len(own) == 1 else {name: PointEstimate(value=value, n=n, why=why) for name, value in means.items()}
    return MaskEnsembleRow(
        members=len(each),
        classifier=MEAN_OF_MEMBERS,
        miou=figures[_MIOU],
        pixel_accuracy=figures[_PIXELS],
        gain=None,
        pixel_gain=None,
    )


def _row(members: int, name: str, counts: MaskCounts, each: Sequence[MaskCounts], group: Groups) -> MaskEnsembleRow:
    figures, gains = _figures(counts, group), mask_gains(counts, each, group, seed=_SEED)
    return MaskEnsembleRow(
        members=members,
        classifier=name,
        miou=figures[_MIOU],
        pixel_accuracy=figures[_PIXELS],
        gain=gains.get(_MIOU),
        pixel_gain=gains.get(_PIXELS),
    )


def _figures(counts: MaskCounts, group: Groups) -> Mapping[str, Figure]:
    found = {one.name: one.estimate for one in mask_metrics(counts, group, seed=_SEED)}
    if _MIOU not in found:
        raise InputError("no pixel of the test set has a label", hint="choose another `data`")
    return found


def _counts(one: TrainedMember) -> MaskCounts:
    return MaskCounts.unpacked(one.outputs.numpy())


def _member(one: TrainedMember, group: Groups) -> MaskMemberRow:
    figures = _figures(_counts(one), group)
    return MaskMemberRow(
        member=one.number + 1,
        model=one.model,
        miou=figures[_MIOU],
        pixel_accuracy=figures[_PIXELS],
        n_train=one.n_train,
        reused=one.reused,
        seconds=one.seconds,
        weights_sha256=one.sha256,
    )


def _notes(done: Sequence[TrainedMember], top: MaskEnsembleRow | None, unit: str) -> Iterator[str]:
    yield from dict.fromkeys(note for one in done for note in one.notes)
    if top is None:
        yield f"Stopped after {count(len(done), 'member')}."
        return
    for what, gain in (("mIoU", top.gain), ("pixel accuracy", top.pixel_gain)):
        if gain is not None:
            verdict = "established" if gain.established else "not established"
            yield f"{what} of the {top.classifier} minus the mean of its members: {points(gain)}, {verdict}."
    yield f"The best member is chosen on these very {unit}s, so its figures are biased upwards."


def _failed(setup: EnsembleSetup, top: MaskEnsembleRow | None) -> str:
    wanted = gate(setup.config.fail_under)
    if wanted is None or top is None:
        return ""
    found = top.figure(wanted.metric)
    return f"{wanted.metric} of the {top.classifier} is {wanted.below(found)}" if wanted.fails(found) else ""


def write_mask_report(folder: Path, result: MaskEnsembleResult) -> None:
    """Write report.html to the directory of the ensemble."""
    write_text(folder / "report.html", _page(result).html())


def _page(result: MaskEnsembleResult) -> Page:
    top = result.headline
    if top is None:
        raise ValueError("no ensemble to show")
    shown = percent(top.miou)
    whole = [row for row in result.rows if row.members == top.members]
    fewer = [row for row in result.rows if row.members < top.members]
    return Page(
        title=f"{count(top.members, 'network')} of {result.model} on {result.data}",
        number=f"{shown.value}%",
        interval=shown.interval,
        lead=f"is the mIoU of the {top.classifier} of {count(top.members, 'member')} on "
        f"{count(result.n_test, f'test {result.unit}')}.",
        parts=[
            _table(f"{count(top.members, 'member')}, in %", whole, whole.index(top)),
            Fold("Fewer members, and each member", [_table("By number of members, in %", fewer, None), _members(result)]),
        ],
        notes=result.notes,
        facts=[
            ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
            ("Training", f"strategy {result.strategy}, seed {result.seed}, {result.device}"),
            ("Members SHA-256", result.model_sha256),
        ],
    )


def _table(caption: str, rows: Sequence[MaskEnsembleRow], strong: int | None) -> PageTable:
    cells: list[list[Cell]] = [
        [f"{row.members}: {row.classifier}", *map(percent_cell, (row.miou, row.gain, row.pixel_accuracy, row.pixel_gain))]
        for row in rows
    ]
    head = ["members and classifier", "mIoU", "gain over the mean of members", "pixel accuracy", "its gain"]
    return PageTable(caption, head, cells) if strong is None else PageTable(caption, head, cells, strong)


def _members(result: MaskEnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [
            str(one.member),
            percent_cell(one.miou),
            percent_cell(one.pixel_accuracy),
            one.model,
            f"{one.n_train:,}" if one.n_train else "–",
            one.weights_sha256,
        ]
        for one in result.members
    ]
    head = ["member", "mIoU, %", "pixel accuracy, %", "network", f"training {result.unit}s", "weights SHA-256"]
    return PageTable("Members", head, rows)
