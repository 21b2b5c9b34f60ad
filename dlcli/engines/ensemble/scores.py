"""What an ensemble of networks that predict scores gains: a result from the scores of its members, its page and its record."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.bootstrap import bootstrap_t
from dlcli.core.correlation import score_figures
from dlcli.core.data.groups import groups_of
from dlcli.core.ensembles.score_rules import SCORE_RULES, CombinedScores
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Fold, PageTable, text_cell, units_cell
from dlcli.core.jackknife import too_few
from dlcli.core.model_io.ensemble_dir import combined_sha256
from dlcli.core.model_io.score_metadata import BY_RULE, saved_scores
from dlcli.core.stats import mean_difference
from dlcli.core.tasks.score import scores_of
from dlcli.engines.ensemble.members import EnsembleSetup, TrainedMember
from dlcli.engines.ensemble.rows import BEST, MEAN_OF_MEMBERS, rule_name, sizes
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.figures import in_units, scaled
from dlcli.specs.gate import gate
from dlcli.specs.score_ensemble import ScoreEnsembleResult, ScoreEnsembleRow, ScoreMemberRow, ScoreSpread
from dlcli.specs.train import SCORES
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.plural import count

Floats = NDArray[np.float64]
Figure = Estimate | PointEstimate
Groups = NDArray[np.int64] | None

_SEED = 0
"""Of intervals, which are those of the predictions and depend on nothing else."""


def score_result(
    setup: EnsembleSetup, done: Sequence[TrainedMember], strategy: str, *, device: str, seconds: float
) -> ScoreEnsembleResult:
    """The result of an ensemble, of which some members may be missing after an interruption.

    Args:
        setup: The ensemble.
        done: Its members, in order.
        strategy: How they were trained.
        device: Where.
        seconds: How long it took.
    """
    config, data, truth = setup.config, setup.data, scores_of(setup.data.splits["test"])
    group = groups_of(data.splits["test"].metadata, config.group, data.name)
    whole = len(done) == config.members + len(config.add)
    each = np.stack([one.outputs.numpy() for one in done]) if whole else np.zeros((0, len(truth)))
    rows = tuple(row for k in sizes(len(each)) for row in _rows(each[:k], truth, group)) if whole else ()
    headline = _best_of(rows, config.rule) if whole else None
    spread = tuple(_spread(each[:k], truth, config.rule, group) for k in sizes(len(each)) if k > 1) if whole else ()
    return ScoreEnsembleResult(
        data=data.name,
        unit=data.unit,
        model=" + ".join(dict.fromkeys(one.model for one in done)),
        model_sha256=combined_sha256([one.sha256 for one in done]),
        n_train=len(data.y_train),
        n_test=len(truth),
        rule=config.rule,
        headline=headline,
        rows=rows,
        spread=spread,
        members=tuple(_member(one, truth, group) for one in done),
        strategy=strategy,
        seed=config.seed,
        folder=str(config.output or ""),
        device=device,
        seconds=seconds,
        notes=tuple(_notes(done, headline, spread)),
        failed=_failed(setup, headline),
    )


def combined(done: Sequence[TrainedMember], rule: str) -> Floats:
    """The scores (n,) of the test images by a rule."""
    return SCORE_RULES[rule](torch.stack([one.outputs for one in done], 1)).numpy()


def recorded_scores(setup: EnsembleSetup, done: Sequence[TrainedMember]) -> Mapping[str, Any]:
    """What the directory of the ensemble records, so that it predicts scores by either rule."""
    config = setup.config
    column = config.score_column or config.label_column
    by_rule = {
        rule: saved_scores(setup.data, CombinedScores(rule, len(done)), combined(done, rule), column, config.raters).to_json()
        for rule in SCORE_RULES
    }
    return {"task": SCORES, "scores": by_rule[config.rule], BY_RULE: by_rule}


def _rows(each: Floats, truth: Floats, group: Groups) -> Iterator[ScoreEnsembleRow]:
    """The rows of the members whose scores are `each` (members, n)."""
    errors = np.abs(each - truth)
    mean, best = errors.mean(0), int(errors.mean(1).argmin())
    scores = {BEST: each[best]} | {
        rule_name(rule): decide(torch.from_numpy(each.T)).numpy() for rule, decide in SCORE_RULES.items()
    }
    yield ScoreEnsembleRow(
        members=len(each),
        classifier=MEAN_OF_MEMBERS,
        mae=_mean_error(mean, group),
        spearman=None,
        gain=None,
        minus_best=_paired(errors[best] - mean, group),
    )
    for name, predicted in scores.items():
        error = np.abs(predicted - truth)
        found = score_figures(predicted, truth, group, seed=_SEED)
        yield ScoreEnsembleRow(
            members=len(each),
            classifier=name,
            mae=found["mae"],
            spearman=found.get("spearman"),
            gain=_paired(mean - error, group),
            minus_best=None if name == BEST else _paired(errors[best] - error, group),
        )


def _mean_error(errors: Floats, group: Groups) -> Figure:
    return score_figures(errors, np.zeros(len(errors)), group, seed=_SEED)["mae"]


def _paired(gaps: Floats, group: Groups) -> Difference | None:
    if too_few(len(gaps), group):
        return None
    if group is None:
        return mean_difference(gaps)
    found = bootstrap_t(gaps, group, seed=_SEED)
    return Difference(found.value, found.low, found.high, found.n)


def _spread(each: Floats, truth: Floats, rule: str, group: Groups) -> ScoreSpread:
    error = np.abs(SCORE_RULES[rule](torch.from_numpy(each.T)).numpy() - truth)
    apart = each.std(0, ddof=1)
    found = score_figures(apart, error, group, seed=_SEED).get("spearman")
    return ScoreSpread(members=len(each), spread=float((apart**2).mean() ** 0.5), tells_error=found)


def _member(one: TrainedMember, truth: Floats, group: Groups) -> ScoreMemberRow:
    found = score_figures(one.outputs.numpy(), truth, group, seed=_SEED)
    return ScoreMemberRow(
        member=one.number + 1,
        model=one.model,
        mae=found["mae"],
        spearman=found.get("spearman"),
        n_train=one.n_train,
        reused=one.reused,
        seconds=one.seconds,
        weights_sha256=one.sha256,
    )


def _best_of(rows: Sequence[ScoreEnsembleRow], rule: str) -> ScoreEnsembleRow:
    """The row of a rule, of all members."""
    return max((row for row in rows if row.classifier == rule_name(rule)), key=lambda row: row.members)


def _notes(done: Sequence[TrainedMember], top: ScoreEnsembleRow | None, spread: Sequence[ScoreSpread]) -> Iterator[str]:
    yield from dict.fromkeys(note for one in done for note in one.notes)
    if top is None:
        yield f"Stopped after {count(len(done), 'member')}."
        return
    if top.gain is not None:
        verdict = "established" if top.gain.established else "not established"
        yield f"The {top.classifier} has an error smaller than the mean of its members by {in_units(top.gain)}, {verdict}."
    yield from map(_told, spread[-1:])
    yield "The best member is chosen on these very images, so its figures are biased towards the better."


def _told(found: ScoreSpread) -> str:
    apart = f"The scores of {count(found.members, 'member')} of an image have a standard deviation of {found.spread:.3g}"
    if found.tells_error is None:
        return f"{apart}."
    tells = found.tells_error
    says = (
        "tells nothing that is established of"
        if tells.low is None or tells.low <= 0 <= (tells.high or 0)
        else "tells something of"
    )
    return f"{apart}; it {says} the error of an image: Spearman {scaled(tells, decimals=3)}."


def _failed(setup: EnsembleSetup, top: ScoreEnsembleRow | None) -> str:
    wanted = gate(setup.config.fail_under)
    if wanted is None or top is None:
        return ""
    found = top.spearman
    if found is None:
        raise InputError(f"`fail_under`: there is no {wanted.metric} here: all predictions, or all scores, are equal")
    return f"{wanted.metric} of the {top.classifier} is {wanted.below(found)}" if wanted.fails(found) else ""


def write_score_report(folder: Path, result: ScoreEnsembleResult) -> None:
    """Write report.html to the directory of the ensemble."""
    write_text(folder / "report.html", _page(result).html())


def _page(result: ScoreEnsembleResult) -> Page:
    top = result.headline
    if top is None:
        raise ValueError("no ensemble to show")
    value, _, interval = in_units(top.mae).partition(" ")
    whole = [row for row in result.rows if row.members == top.members]
    fewer = [row for row in result.rows if row.members < top.members]
    return Page(
        title=f"{count(top.members, 'network')} of {result.model} on {result.data}",
        number=value,
        interval=interval,
        lead=f"is the mean absolute error of the {top.classifier} of {count(top.members, 'member')} on "
        f"{count(result.n_test, f'test {result.unit}')}.",
        parts=[
            _table(count(top.members, "member"), whole, whole.index(top)),
            _spreads(result),
            Fold("Fewer members, and each member", [_table("By number of members", fewer, None), _members(result)]),
        ],
        notes=result.notes,
        facts=[
            ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
            ("Training", f"strategy {result.strategy}, seed {result.seed}, {result.device}"),
            ("Members SHA-256", result.model_sha256),
        ],
    )


def _table(caption: str, rows: Sequence[ScoreEnsembleRow], strong: int | None) -> PageTable:
    cells: list[list[Cell]] = [
        [
            f"{row.members}: {row.classifier}",
            units_cell(row.mae),
            text_cell(scaled(row.spearman, decimals=3) or "–"),
            text_cell(in_units(row.gain) or "–"),
            text_cell(in_units(row.minus_best) or "–"),
        ]
        for row in rows
    ]
    head = [
        "members and classifier",
        "mean absolute error",
        "Spearman",
        "error less than that of members",
        "and of the best member",
    ]
    return PageTable(caption, head, cells) if strong is None else PageTable(caption, head, cells, strong)


def _spreads(result: ScoreEnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [str(one.members), f"{one.spread:.3g}", text_cell(scaled(one.tells_error, decimals=3) or "–")] for one in result.spread
    ]
    head = ["members", "standard deviation of their scores", "its Spearman correlation with the error"]
    return PageTable("How far members are apart, and whether that tells the error", head, rows)


def _members(result: ScoreEnsembleResult) -> PageTable:
    rows: list[list[Cell]] = [
        [
            str(one.member),
            units_cell(one.mae),
            text_cell(scaled(one.spearman, decimals=3) or "–"),
            one.model,
            f"{one.n_train:,}" if one.n_train else "–",
            one.weights_sha256,
        ]
        for one in result.members
    ]
    return PageTable("Members", ["member", "error", "Spearman", "network", "training images", "weights SHA-256"], rows)
