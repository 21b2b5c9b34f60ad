"""`dlcli eval` at the shell."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from dlcli.cli.command import COMMAND_INDENT, Command, TerminalTable
from dlcli.cli.commands.comparison_table import comparison_answer, comparison_table
from dlcli.cli.commands.further_tables import further_tables
from dlcli.cli.commands.mask_table import mask_eval_answer, mask_eval_table
from dlcli.cli.commands.next_table import next_eval_answer, next_eval_table
from dlcli.cli.commands.pairs_table import pairs_answer, pairs_table
from dlcli.cli.commands.score_table import score_eval_answer, score_eval_table
from dlcli.cli.commands.sequence_table import causality_answer, causality_table
from dlcli.cli.pictures import bar
from dlcli.specs.class_figures import ECE_NOTE, OVERALL, WORST_CLASS_NOTE, ClassAccuracy
from dlcli.specs.diagnosis import Diagnosis
from dlcli.specs.eval import EvalConfig, EvalResult, Metric, SliceRow
from dlcli.specs.figures import percent, points, scaled
from dlcli.specs.input_diagnosis import InputDiagnosis
from dlcli.specs.masks import MaskEvalResult
from dlcli.specs.next_step import NextEvalResult
from dlcli.specs.pairs import PairsEvalResult
from dlcli.specs.scores import ScoreEvalResult
from dlcli.specs.sequences import CausalityResult
from dlcli.specs.summary import LayerSummary, Summary
from dlcli.support.plural import count

_NAMES = {"ece": "ECE", "nll": "NLL", "brier": "Brier score", "auc": "AUC", "worst-class": "worst class"}
_NAMES |= OVERALL
_NOT_SHARES = ("nll", "brier", "mcc")
_CLASSES_SHOWN = 8
_LAYERS_SHOWN = 12
_SLICES_SHOWN = 12


class _Kind(NamedTuple):
    """How a kind of result is drawn and put into a sentence."""

    table: Callable[[Any], TerminalTable]
    answer: Callable[[Any], str]


def _pairs(result: PairsEvalResult) -> TerminalTable:
    share = f"{100 * result.duplicates:.1f}% duplicates"
    return pairs_table(f"{result.model} on {result.data}, n={result.n_pairs:,}, {share}", _of_pairs(result), result)


def _of_pairs(result: PairsEvalResult) -> str:
    return f"{result.model} on {result.data}: {pairs_answer(result)}"


def _table(result: Any) -> TerminalTable:
    if (kind := _KINDS.get(type(result))) is not None:
        return kind.table(result)
    if result.summary is not None:
        return _layers(result, result.summary)
    if result.input is not None:
        return _feedings(result, result.input)
    found = _of_figures(result)
    return replace(found, beside=(*found.beside, *further_tables(result)))


def _of_figures(result: EvalResult) -> TerminalTable:
    # Only the tables of classes and slices have the figures that some notes are about.
    others = tuple(note for note in result.notes if not note.startswith((WORST_CLASS_NOTE, ECE_NOTE)))
    if result.diagnosis is not None:
        return _gaps(replace(result, notes=others), result.diagnosis)
    if result.comparison is not None:
        return comparison_table(replace(result, notes=others), result.comparison)
    return _sliced(result) if result.slices else _classes(result)


def _classes(result: EvalResult) -> TerminalTable:
    """A row for each class, the worst first."""
    title = f"{_of_split(result)} by class, the worst first"
    found = sorted(result.per_class, key=lambda one: 2.0 if one.accuracy is None else one.accuracy.value)
    most = _CLASSES_SHOWN if len(found) > _CLASSES_SHOWN + 2 else len(found)
    left = [one.accuracy.value for one in found[most:] if one.accuracy]
    rest = f"{len(found) - most} more classes{f' of {100 * min(left):.1f}% or better' if left else ''}"
    columns = ("class", "accuracy, %", "", f"{result.unit}s", "confused with")
    rows = tuple(map(_class, found))
    notes = (_metrics(result.metrics), *result.notes, _of_all(result.metrics))
    return TerminalTable(title, columns, rows, notes=notes, answer=_answer(result), most=most, rest=rest)


def _class(one: ClassAccuracy) -> tuple[str, ...]:
    if one.accuracy is None:
        return one.name, "", "", "0", one.most_confused_with
    drawn = bar(one.accuracy.value)
    return one.name, percent(one.accuracy), drawn, f"{one.accuracy.n:,}", one.most_confused_with


def _metrics(metrics: tuple[Metric, ...]) -> str:
    """All metrics but the first, which is the answer, and those of all classes, in a sentence."""
    return _sentence([one for one in metrics[1:] if one.name not in OVERALL])


def _of_all(metrics: tuple[Metric, ...]) -> str:
    """The figures of all classes together, in a sentence."""
    return _sentence([one for one in metrics if one.name in OVERALL])


def _sentence(metrics: list[Metric]) -> str:
    found = ", ".join(f"{_NAMES.get(one.name, one.name)}{_of(one)} {_figure(one)}" for one in metrics)
    return f"{found[0].upper()}{found[1:]}." if found and metrics[0].name in OVERALL else f"{found}." if found else ""


def _of(metric: Metric) -> str:
    return f" of class {metric.positive}" if metric.positive else ""


def _figure(metric: Metric) -> str:
    if metric.name in _NOT_SHARES:
        return scaled(metric.estimate, decimals=3)
    return percent(metric.estimate, "%")


def _feedings(result: EvalResult, found: InputDiagnosis) -> TerminalTable:
    title = f"Ways to feed {result.model}, tried on {count(found.n, result.unit)}; the evidence: {found.evidence or 'none'}"
    columns = {"misfit": ".4f", "right": "d", "loss": ".3f", "margin": ".2f", "information": ".2f"}
    shown = [name for name in columns if any(getattr(row, name) is not None for row in found.feedings)]
    rows = [
        (row.normalise, *("" if (value := getattr(row, name)) is None else format(value, columns[name]) for name in shown))
        for row in found.feedings
    ]
    strong = frozenset(k for k, row in enumerate(found.feedings) if row.normalise == found.best)
    # The warning says in a sentence what the answer says.
    notes = tuple(note for note in result.notes if note != found.warning)
    return TerminalTable(
        title, ("normalise", *shown), tuple(rows), strong, notes, _answer(result), most=12, rest=f"{len(rows) - 12} more ways"
    )


def _verdict_on_input(found: InputDiagnosis) -> str:
    used = f"The way in use is {found.current}"
    if not found.best and found.warning:
        return f"{used}; none of these ways fits."
    if not found.best:
        return f"{used}; these images do not tell which way is right."
    if found.sure:
        return f"{used}; {found.best} fits better."
    return (
        f"{used}; it fits best." if found.best == found.current else f"{used}; {found.best} fits better, but this is not sure."
    )


def _sliced(result: EvalResult) -> TerminalTable:
    """A row for each slice, the worst first."""
    title = f"{_of_split(result)} by slice, the worst first"
    rows = [
        (f"{row.column}={row.name}", percent(row.accuracy), percent(row.minus_rest), row.status, f"{row.accuracy.n:,}")
        for row in sorted(result.slices, key=lambda row: row.accuracy.value)
    ]
    rows.append((f"all {result.unit}s", percent(result.metrics[0].estimate), "", "", f"{result.n_images:,}"))
    strong = {k for k, row in enumerate(rows) if row[0] == result.worst_slice}
    columns = ("slice", "accuracy, %", "minus others", "status", f"{result.unit}s")
    notes = (*result.notes[-1:], *result.notes[:-1], _metrics(result.metrics), _of_all(result.metrics))
    most = None if len(rows) <= _SLICES_SHOWN else _SLICES_SHOWN
    return TerminalTable(
        title,
        columns,
        tuple(rows),
        frozenset(strong),
        notes,
        _answer(result),
        most=most,
        rest=f"{len(rows) - _SLICES_SHOWN} more rows",
    )


def _gaps(result: EvalResult, diagnosis: Diagnosis) -> TerminalTable:
    """A row for each set, with the gap to the one before it; then what to try."""
    rows = [("human", f"{100 * diagnosis.human:.1f}", "", "given" if diagnosis.human_given else "taken as 0", "")]
    by_split = {gap.lower: gap for gap in diagnosis.gaps if gap.lower}
    strong: set[int] = set()
    for split, error in diagnosis.errors.items():
        gap = by_split[split]
        if gap.name in diagnosis.named:
            strong.add(len(rows))
        rows.append((split, percent(error), percent(gap.difference), gap.status, " or ".join(gap.causes)))
    missing = f"Not measured: {', '.join(diagnosis.missing)} (sets of these names in the data; eval reads them)."
    notes = (*_suggestions(diagnosis), missing if diagnosis.missing else "", *result.notes)
    title = f"{result.model} on {result.data}: error of each set, and the gap to the one above"
    columns = ("set", "error, %", "gap, points", "status", "measures")
    return TerminalTable(title, columns, tuple(rows), frozenset(strong), notes, _answer(result))


def _suggestions(diagnosis: Diagnosis) -> list[str]:
    """What to try, the first of each gap first."""
    seen: dict[str, int] = {}
    ranked = []
    for one in diagnosis.suggestions:
        seen[one.gap] = seen.get(one.gap, 0) + 1
        ranked.append((seen[one.gap], f"To try against {one.gap}: {one.what}:\n{COMMAND_INDENT}{one.command}"))
    return [text for _, text in sorted(ranked, key=lambda pair: pair[0])]


def _verdict(diagnosis: Diagnosis, unit: str) -> str:
    if not diagnosis.largest:
        return f"No gap is established: more {unit}s would narrow the intervals."
    others = [name for name in diagnosis.named if name != diagnosis.largest]
    if not diagnosis.told_apart:
        gaps = [gap for gap in diagnosis.gaps if gap.difference is not None and gap.name != diagnosis.largest]
        nearest = max(gaps, key=lambda gap: gap.difference.value if gap.difference is not None else 0.0).name
        also = [name for name in others if name != nearest]
        beside = f"; also worth work: {', '.join(also)}" if also else ""
        return f"The largest gaps are {diagnosis.largest} and {nearest}, not told apart{beside}."
    beside = f"; also worth work: {', '.join(others)}" if others else ""
    size = next(gap.difference for gap in diagnosis.gaps if gap.name == diagnosis.largest)
    figure = f": {points(size)}, established" if size is not None else ""
    return f"The largest gap is {diagnosis.largest}{figure}{beside}."


def _layers(result: EvalResult, summary: Summary) -> TerminalTable:
    """A row for each layer; of a deep network those with the most multiply-adds, and with -v all of them."""
    every = tuple(map(_layer, summary.layers))
    shape = "x".join(map(str, summary.input))
    title = f"{result.model} for {_one(result)} of {shape}"
    total = ("total", f"{summary.multiply_adds:,}", f"{summary.parameters:,}", "", "", _field(summary))
    columns = ("layer", "multiply-adds", "parameters", "kind", "output", "receptive field")
    few: tuple[tuple[str, ...], ...] = (*every, total)
    details: tuple[TerminalTable, ...] = ()
    if len(every) > _LAYERS_SHOWN + 2:
        ranked = sorted(range(len(every)), key=lambda k: -summary.layers[k].multiply_adds)
        largest = [every[k] for k in sorted(ranked[:_LAYERS_SHOWN])]
        details = (TerminalTable(f"all {count(len(every), 'layer')}", columns, few, frozenset({len(every)})),)
        few = (*largest, total)
        title = f"{title}: the {len(largest)} of {count(len(every), 'layer')} with the most multiply-adds"
    notes = (" ".join(_fields(summary)), *result.notes)
    return TerminalTable(title, columns, few, frozenset({len(few) - 1}), notes, _answer(result), details=details)


def _layer(layer: LayerSummary) -> tuple[str, ...]:
    field = layer.attends_to or "x".join(map(str, layer.receptive_field))
    output = "x".join(map(str, layer.output))
    return layer.name, f"{layer.multiply_adds:,}", f"{layer.parameters:,}", layer.kind, output, field


def _one(result: EvalResult) -> str:
    return f"{'an' if result.unit[0] in 'aeiou' else 'a'} {result.unit}"


def _field(summary: Summary) -> str:
    if _whole_from(summary):
        return "whole image"
    return _window(summary)


def _whole_from(summary: Summary) -> str:
    """The first attention layer that sees the whole image."""
    return next((layer.name for layer in summary.layers if layer.attends_to == "whole image"), "")


def _window(summary: Summary) -> str:
    return "x".join(map(str, summary.receptive_field))


def _fields(summary: Summary) -> list[str]:
    unit, across = ("steps", "") if len(summary.input) == 2 else ("pixels", " across")
    theory = f"{_window(summary)} {unit} in theory" if summary.receptive_field else "without bounds in theory"
    effective = f", {summary.effective_field:.1f} {unit}{across} effectively" if summary.effective_field is not None else ""
    whole = _whole_from(summary)
    attention = [f"Attention sees the whole image from {whole} on."] if whole else []
    return [f"The last convolution or pooling layer sees {theory}{effective}.", *attention]


def _answer(result: Any) -> str:
    if (kind := _KINDS.get(type(result))) is not None:
        return kind.answer(result)
    if result.summary is not None:
        total = result.summary
        return (
            f"{result.model}: {count(total.parameters, 'parameter')}, {total.multiply_adds:,} multiply-adds for {_one(result)}"
        )
    if result.input is not None:
        return result.input.warning or f"{result.model} on {result.data}: {_verdict_on_input(result.input)}"
    if result.comparison is not None:
        return comparison_answer(result, result.comparison)
    top = result.metrics[0].estimate
    right = f"{percent(top, '%')} of {_of_split(result, top.n)} right"
    if (found := result.stopped) is not None and found.early:
        right = f"{percent(top, '%')} of {_of_split(result, found.total)} right, by {found.seen:,} of them"
    line = f"{result.model} on {result.data}: {right}" if result.data else f"{result.model}: {right}"
    if result.slices:
        return f"{line}; the worst slice is {_worst(result)}"
    if result.diagnosis is not None:
        return f"{_verdict(result.diagnosis, result.unit)} {line}."
    wrong = len(result.mistakes)
    return f"{line}, {wrong:,} wrong" if found is None and wrong == top.n - round(top.value * top.n) else line


def _of_split(result: EvalResult, n: int | None = None) -> str:
    """What the examples are called, test images, and how many there are."""
    one = f"{result.split} {result.unit}".strip()
    return f"{one}s" if n is None else count(n, one)


def _worst(result: EvalResult) -> str:
    found: list[SliceRow] = [row for row in result.slices if f"{row.column}={row.name}" == result.worst_slice]
    return f"{result.worst_slice}, {percent(found[0].accuracy, '%')}, {found[0].status}" if found else result.worst_slice


_KINDS: Mapping[type, _Kind] = {
    ScoreEvalResult: _Kind(score_eval_table, score_eval_answer),
    MaskEvalResult: _Kind(mask_eval_table, mask_eval_answer),
    PairsEvalResult: _Kind(_pairs, _of_pairs),
    NextEvalResult: _Kind(next_eval_table, next_eval_answer),
    CausalityResult: _Kind(causality_table, causality_answer),
}
"""Results of other tasks than the classes of images."""

COMMAND = Command(
    name="eval",
    config=EvalConfig,
    engine="dlcli.engines.eval",
    examples=(
        "dlcli eval runs/digits",
        "dlcli eval runs/mine --data mine.npz --diagnose --human-error 0.01",
        "dlcli eval nets.py:Net --data photos/ --diagnose input",
        "dlcli eval runs/mine --slices camera --fail-under worst-slice=0.8",
        "dlcli eval runs/questions pairs.csv --fail-under auc=0.8",
        "dlcli eval predictions.csv --slices camera --fail-under top-1=0.95",
        "dlcli eval runs/new --against runs/old --no-worse 0.005",
        "dlcli eval w.pth --arch lenet --data mnist.npz --fail-under top-1=0.98",
        "dlcli eval --summary --arch lenet --data mnist.npz",
    ),
    table=_table,
    answer=_answer,
)
