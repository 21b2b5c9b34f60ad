"""All figures of a classifier from its predictions, whether a network made them just now or they were read from a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlcli.core.evaluation import calibration, metrics, slices
from dlcli.core.evaluation.abstention import abstention
from dlcli.core.evaluation.areas import grouped_areas
from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.class_metrics import ClassMetrics, class_metrics
from dlcli.core.evaluation.confusion_figures import confusion_figures
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.evaluation.positive_class import positive_of
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.evaluation.tied_ranks import top_k_ends
from dlcli.core.grouped import share_of
from dlcli.specs.abstention import Abstention
from dlcli.specs.class_figures import ECE_NOTE, WORST_CLASS_NOTE, ClassAccuracy, of_a_class
from dlcli.specs.comparison import DIFFERENCE
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.eval import Bin, Confusion, EvalConfig, Metric, Mistake, SliceRow, class_figure
from dlcli.specs.figures import percent
from dlcli.specs.gate import gate
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.seeds import derive
from dlcli.support.suggest import did_you_mean

_MOST_MISTAKES = 24
_TOP, _NAMED_CLASSES = 5, 5
_NO_FIGURE = "it needs examples of the class, or predictions of it, and an area probabilities"
_OF_TWO = "it needs two classes, examples of both, and probabilities"
_OF_MORE = "it needs probabilities and more than two classes; of two there are auc and ap"
_REASONS = {
    "top-5": "it needs more than 5 classes, and probabilities",
    "auc": _OF_TWO,
    "ap": _OF_TWO,
    "macro-auc": _OF_MORE,
    "macro-ap": _OF_MORE,
}


@dataclass(frozen=True)
class ClassifierFigures:
    """The figures of `dlcli eval`; names are as in `EvalResult`.

    Attributes:
        matrix: Counts by true class and predicted output, (outputs, outputs).
        reliability: Accuracy by confidence, as `bins`; None without probabilities.
    """

    metrics: tuple[Metric, ...]
    per_class: tuple[ClassAccuracy, ...]
    confusion: tuple[Confusion, ...]
    bins: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]
    slices: tuple[SliceRow, ...]
    worst_slice: str
    abstention: Abstention | None
    matrix: Labels
    reliability: Reliability | None


def measure(
    predictions: Predictions,
    cuts: Sequence[slices.ExampleSlice],
    *,
    output_of: Labels,
    seed: int,
    files: Sequence[object] | None = None,
    risk: float | None = None,
) -> ClassifierFigures:
    """Compute all figures.

    Args:
        predictions: The predictions.
        cuts: The slices.
        output_of: Which output is which class of the data, (classes,).
        seed: Seed of resamples and permutations.
        files: The file of each example, (n,), if they come from files.
        risk: The largest share of errors among answers; None without `abstain`.
    """
    outputs = predictions.outputs
    sliced = slices.compare_slices(cuts, predictions.correct, predictions.group, seed=derive(seed, "slices"))
    matrix = metrics.confusion(predictions.predicted, predictions.y, len(outputs), len(outputs))
    single = class_metrics(
        predictions.y, predictions.predicted, output_of.tolist(), log_p=predictions.log_p, group=predictions.group
    )
    found = (*_metrics(predictions, output_of, seed), *_overall(predictions, single, output_of))
    ranks = sum(one.name.startswith("top-") for one in found)
    sure = predictions.confidence
    bins = None if sure is None else calibration.reliability(sure, predictions.correct)
    return ClassifierFigures(
        metrics=(*found[:ranks], *_worst(predictions, cuts, sliced), *found[ranks:]),
        per_class=_class_rows(predictions, matrix, output_of, single),
        confusion=_cells(matrix, outputs),
        bins=() if bins is None else _bins(bins),
        mistakes=_mistakes(predictions, files),
        slices=sliced,
        worst_slice=_named(slices.worst(sliced)) if sliced else "",
        abstention=_abstention(predictions, risk),
        matrix=matrix,
        reliability=bins,
    )


def figure_notes(predictions: Predictions, measured: ClassifierFigures, *, output_of: Labels, unit: str) -> tuple[str, ...]:
    """What there is to say about the figures.

    Args:
        predictions: The predictions.
        measured: Their figures.
        output_of: Which output is which class of the data, (classes,).
        unit: What an example is called.
    """
    classes = len(np.unique(predictions.y))
    said = abstention_note(measured.abstention, unit)
    notes = [said] if said else []
    if classes > 1:
        biased = "so its accuracy is biased low; its interval holds for"
        notes.append(f"{WORST_CLASS_NOTE} on the same {unit}s, {biased} all {count(classes, 'class', 'classes')} at once.")
    notes += _absent(predictions, output_of, unit)
    if any(one.name == "ece" for one in measured.metrics):
        notes.append(ECE_NOTE)
    notes += _tied(predictions, unit)
    if (never := _impossible(predictions)).size:
        where = f"{count(len(never), 'row')}, first in row {never[0] + 1:,}"
        notes.append(f"There is no NLL: the true class has the probability 0 in {where}.")
    if len(output_of) == 2 and predictions.log_p is not None and not any(one.name == "auc" for one in measured.metrics):
        notes.append(f"There is no AUC: all {unit}s are of one class.")
    return tuple(notes)


def _absent(predictions: Predictions, output_of: Labels, unit: str) -> list[str]:
    """Which classes no example is of, and what that means for means over classes."""
    names, missing = predictions.outputs, [k for k in output_of.tolist() if not (predictions.y == k).any()]
    if not missing:
        return []
    shown = ", ".join(names[k] for k in missing[:_NAMED_CLASSES]) + (" ..." if len(missing) > _NAMED_CLASSES else "")
    such = f"class {shown}" if len(missing) == 1 else f"{len(missing):,} classes ({shown})"
    called = int(np.isin(predictions.predicted, missing).sum())
    counted = "; macro precision and macro F1 count what is predicted nevertheless, with 0" if called else ""
    return [f"No {unit} is of {such}. Means over classes are of the others{counted}."]


def _tied(predictions: Predictions, unit: str) -> list[str]:
    """What top-5 would be if equal probabilities were in another order, where that decides it."""
    log_p, y = predictions.log_p, predictions.y
    if log_p is None or log_p.shape[1] <= _TOP:
        return []
    ends = top_k_ends(log_p, y, _TOP)
    if ends.low == ends.high:
        return []
    decided = count(round((ends.high - ends.low) * len(y)), unit)
    return [
        f"Equal probabilities decide about the top 5 of {decided}, by the order of the classes; in another order top-5 is "
        f"{100 * ends.low:.1f} to {100 * ends.high:.1f}%."
    ]


def _abstention(predictions: Predictions, risk: float | None) -> Abstention | None:
    if risk is None:
        return None
    if predictions.confidence is None:
        raise InputError("`abstain` needs probabilities", hint="name their columns by `columns`")
    return abstention(predictions.confidence, predictions.correct, risk, predictions.group)


def abstention_note(found: Abstention | None, unit: str) -> str:
    """From which probability on to answer; empty without `abstain`."""
    if found is None:
        return ""
    errors = f"at most {100 * found.risk:g}% of the answers are wrong"
    if found.threshold is None or found.errors is None:
        return f"Bisection finds no threshold from which on {errors}: it takes more {unit}s, or a better network."
    return (
        f"From a probability of {found.threshold:.4f} on {errors}, by a bound that fails in at most 2.5% of test sets: "
        f"{percent(found.answered, '%')} of the {unit}s are answered, {percent(found.errors, '%')} of these wrong."
    )


_ALL_OTHERS = f"{slices.OTHER} has all others; a column of numbers without units is cut at its quartiles"


def slice_notes(measured: ClassifierFigures, *, unit: str, group: str | None) -> tuple[str, ...]:
    """How slices were compared; nothing without slices.

    Args:
        measured: The figures.
        unit: What an example is called.
        group: The column of groups; None without groups.
    """
    if not measured.slices:
        return ()
    test = "Fisher's exact test" if group is None else f"a permutation of '{group}'"
    many = dict.fromkeys(one.column for one in measured.slices if one.name == slices.OTHER)
    return (
        *(f"Of '{name}' the {slices.MOST_VALUES} most frequent values are slices, and {_ALL_OTHERS}." for name in many),
        f"A slice is worse or better if {test} against all other {unit}s is significant at 5% after "
        f"Holm's correction for {count(len(measured.slices), 'slice')}; each interval is 95%. The worst slice is the one whose "
        "interval has the lowest upper end; the interval of worst-slice holds for all slices at once.",
    )


def failed_gate(config: EvalConfig, measured: ClassifierFigures, where: str, difference: Difference | None = None) -> str:
    """Why the bound of `fail_under` is not reached; empty if it is, or there is none.

    Args:
        config: Its `fail_under`.
        measured: The figures.
        where: What they are of, such as `test`.
        difference: That to the classifier of `against`.

    Raises:
        InputError: If there is no such figure here.
    """
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    name = class_figure(wanted.metric)
    whole: Estimate | PointEstimate | Difference | None = (
        difference if name == DIFFERENCE else next((one.estimate for one in measured.metrics if one.name == name), None)
    )
    estimate = _figure_of_class(measured, name) if of_a_class(name) else whole
    if estimate is None:
        raise InputError(f"`fail_under`: there is no {name} here: {_REASONS.get(name, _NO_FIGURE)}")
    return f"{name} on {where} is {wanted.below(estimate)}" if wanted.fails(estimate) else ""


def _figure_of_class(measured: ClassifierFigures, metric: str) -> Estimate | None:
    figure, _, name = metric.partition(":")
    found = next((one for one in measured.per_class if one.name == name), None)
    if found is None:
        hint = did_you_mean(name, [one.name for one in measured.per_class])
        raise InputError(f"`fail_under`: there is no class '{name}'", hint=hint)
    return found.figure(figure)


def _named(row: SliceRow) -> str:
    return f"{row.column}={row.name}"


def _metrics(predictions: Predictions, output_of: Labels, seed: int) -> tuple[Metric, ...]:
    """The metrics, but for those of the worst class and slice."""
    log_p, y, group = predictions.log_p, predictions.y, predictions.group
    found: dict[str, Estimate | PointEstimate | None] = {"top-1": share_of(predictions.correct, group)}
    if log_p is not None:
        if log_p.shape[1] > _TOP:
            found["top-5"] = metrics.top_k(log_p, y, _TOP, group)
        if len(output_of) == 2:
            positive = _positive(predictions, output_of)
            negative = int(output_of.sum()) - positive
            scores = log_p[:, positive] - log_p[:, negative]
            found["auc"] = _area(scores, y == positive, group, derive(seed, "areas"))
        if not _impossible(predictions).size:
            exact = predictions.with_losses
            exact = log_p if exact is None else exact
            found["nll"] = metrics.negative_log_likelihood(exact, y, group, seed=derive(seed, "likelihood"))
        found["brier"] = metrics.brier(log_p, y, group)
    if (sure := predictions.confidence) is not None:
        found["ece"] = calibration.expected_error(sure, predictions.correct, group=group, seed=derive(seed, "bootstrap"))
    positives = {"auc": predictions.outputs[_positive(predictions, output_of)]} if "auc" in found else {}
    rows = ((name, one, positives.get(name, "")) for name, one in found.items() if one is not None)
    return tuple(Metric(name=name, estimate=one, positive=positive) for name, one, positive in rows)


def _positive(predictions: Predictions, output_of: Labels) -> int:
    """The output that is the positive one of two classes."""
    return int(output_of[positive_of([predictions.outputs[k] for k in output_of])])


def _impossible(predictions: Predictions) -> Labels:
    """The examples whose true class has the probability 0, as rounding makes it in a file."""
    log_p = predictions.with_losses
    return np.arange(0) if log_p is None else np.flatnonzero(np.isneginf(log_p[np.arange(len(predictions.y)), predictions.y]))


def _area(scores: Floats, positive: np.ndarray, group: Labels | None, seed: int) -> Estimate | None:
    if group is None or positive.all() or not positive.any():
        return metrics.auc(scores, positive)
    return grouped_areas(scores, positive, group, seed=seed).auc


def _worst(predictions: Predictions, cuts: Sequence[slices.ExampleSlice], sliced: tuple[SliceRow, ...]) -> Iterator[Metric]:
    """The accuracies of the worst class and the worst slice."""
    classes = [predictions.y == k for k in np.unique(predictions.y)]
    lowest = min(classes, key=lambda inside: predictions.accuracy(inside).value)
    yield Metric(name="worst-class", estimate=predictions.worst(lowest, len(classes)))
    if sliced:
        row = slices.worst(sliced)
        inside = next(one.inside for one in cuts if (one.column, one.name) == (row.column, row.name))
        yield Metric(name="worst-slice", estimate=predictions.worst(inside, len(sliced)))


def _overall(predictions: Predictions, single: ClassMetrics, output_of: Labels) -> tuple[Metric, ...]:
    """The figures of all classes together, and the average precision of the positive one of two."""
    found = confusion_figures(predictions.y, predictions.predicted, predictions.group)
    rows = [Metric(name=name, estimate=one) for name, one in found.items()]
    if len(single.classes) == 2:
        positive = _positive(predictions, output_of)
        ap = single.classes[output_of.tolist().index(positive)].ap
        rows += [] if ap is None else [Metric(name="ap", estimate=ap, positive=predictions.outputs[positive])]
    return (*rows, *(Metric(name=name, estimate=one) for name, one in single.means.items()))


def _class_rows(predictions: Predictions, matrix: Labels, output_of: Labels, single: ClassMetrics) -> tuple[ClassAccuracy, ...]:
    outputs = predictions.outputs
    accuracies = metrics.class_accuracies(predictions.predicted, predictions.y, len(outputs), predictions.group)
    wrong = matrix - np.diag(np.diag(matrix))
    return tuple(
        ClassAccuracy(
            name=outputs[k],
            accuracy=accuracies[k],
            most_confused_with=outputs[int(wrong[k].argmax())] if wrong[k].any() else "",
            precision=one.precision,
            f1=one.f1,
            auc=one.auc,
            ap=one.ap,
        )
        for k, one in zip(output_of, single.classes, strict=True)
    )


def _cells(matrix: Labels, outputs: tuple[str, ...]) -> tuple[Confusion, ...]:
    pairs = np.argwhere(matrix).tolist()
    return tuple(Confusion(true=outputs[a], predicted=outputs[b], count=int(matrix[a, b])) for a, b in pairs)


def _bins(found: Reliability) -> tuple[Bin, ...]:
    bins = len(found.n)
    return tuple(
        Bin(
            low=k / bins,
            high=(k + 1) / bins,
            n=int(found.n[k]),
            confidence=float(found.confidence[k]) if found.n[k] else None,
            accuracy=float(found.accuracy[k]) if found.n[k] else None,
        )
        for k in range(bins)
    )


def _mistakes(predictions: Predictions, files: Sequence[object] | None) -> tuple[Mistake, ...]:
    """The mistakes with the highest confidence, in descending order; without probabilities in the order of the examples."""
    outputs, sure = predictions.outputs, predictions.confidence
    order = np.arange(len(predictions.y)) if sure is None else np.argsort(-sure, kind="stable")
    wrong = order[~predictions.correct[order]][:_MOST_MISTAKES]
    return tuple(
        Mistake(
            index=int(k),
            true=outputs[predictions.y[k]],
            predicted=outputs[predictions.predicted[k]],
            probability=None if sure is None else float(sure[k]),
            file="" if files is None else str(files[k]),
        )
        for k in wrong
    )
