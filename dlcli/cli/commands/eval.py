"""`dlcli eval` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.commands.pairs_table import pairs_summary, pairs_table
from dlcli.cli.percent import percent
from dlcli.specs.diagnosis import Diagnosis
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.input_diagnosis import InputDiagnosis
from dlcli.specs.pairs import PairsEvalResult
from dlcli.specs.summary import Summary

_SHARES = ("top-1", "top-5", "worst-class", "worst-slice", "ece")
_MOST_CLASSES = 20


def _table(result: EvalResult | PairsEvalResult) -> TerminalTable:
    if isinstance(result, PairsEvalResult):
        share = f"{100 * result.duplicates:.1f}% duplicates"
        return pairs_table(f"{result.model} on {result.data}, n={result.n_pairs:,}, {share}, 95% intervals", result)
    if result.summary is not None:
        return _layers(result, result.summary)
    if result.input is not None:
        return _feedings(result, result.input)
    if result.diagnosis is not None:
        return _gaps(result, result.diagnosis)
    if result.slices:
        return _sliced(result)
    title = f"{result.model} on {result.data}, {result.split}, n={result.n_images:,}, 95% intervals"
    rows = [(one.name, "", _figure(one.estimate, share=one.name in _SHARES), "") for one in result.metrics]
    notes = result.notes
    if len(result.per_class) <= _MOST_CLASSES:
        rows += [
            (
                f"class {one.name}",
                str(one.accuracy.n) if one.accuracy else "0",
                _figure(one.accuracy, share=True) if one.accuracy else "",
                one.most_confused_with,
            )
            for one in result.per_class
        ]
    else:
        notes = (*notes, f"The {len(result.per_class)} classes are listed with --format csv or -o DIR.")
    return TerminalTable(
        title, ("metric", f"{result.unit}s", "value", "most confused with"), tuple(rows), frozenset({0}), notes
    )


def _feedings(result: EvalResult, found: InputDiagnosis) -> TerminalTable:
    title = f"{result.model} on {result.data}: how it was fed in training, by {found.evidence or 'nothing'}, n={found.n}"
    columns = {"misfit": ".4g", "right": "d", "loss": ".3f", "margin": ".3g", "information": ".2f"}
    shown = [name for name in columns if any(getattr(row, name) is not None for row in found.feedings)]
    rows = [
        (row.normalise, *("" if (value := getattr(row, name)) is None else format(value, columns[name]) for name in shown))
        for row in found.feedings
    ]
    strong = frozenset(k for k, row in enumerate(found.feedings) if row.normalise == found.best)
    # The warning says in a sentence what the verdict says.
    notes = (_verdict_on_input(found), *(note for note in result.notes if note != found.warning))
    return TerminalTable(title, ("normalise", *shown), tuple(rows), strong, notes)


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
    title = f"{result.model} on {result.data}, {result.split}: accuracy of each slice in %, 95% intervals"
    rows = [(f"all {result.unit}s", f"{result.n_images:,}", percent(result.metrics[0].estimate), "", "")]
    for row in result.slices:
        rows.append(
            (f"{row.column}={row.name}", f"{row.accuracy.n:,}", percent(row.accuracy), percent(row.minus_rest), row.status)
        )
    strong = {k for k, row in enumerate(rows) if row[0] == result.worst_slice}
    notes = (f"The worst slice is {result.worst_slice}.", *result.notes)
    columns = ("slice", f"{result.unit}s", "accuracy", "minus all others", "status")
    return TerminalTable(title, columns, tuple(rows), frozenset(strong), notes)


def _figure(found: Estimate | PointEstimate, *, share: bool) -> str:
    return percent(found, "%") if share else str(found)


def _gaps(result: EvalResult, diagnosis: Diagnosis) -> TerminalTable:
    title = f"{result.model} on {result.data}: where the error comes from, in %, 95% intervals"
    rows = [("human", f"{100 * diagnosis.human:.1f}", "", "", "given" if diagnosis.human_given else "taken as 0")]
    by_split = {gap.lower: gap for gap in diagnosis.gaps if gap.lower}
    strong: set[int] = set()
    for split, error in diagnosis.errors.items():
        gap = by_split[split]
        if gap.name in diagnosis.named:
            strong.add(len(rows))
        rows.append((split, percent(error), percent(gap.difference), " or ".join(gap.causes), gap.status))
    missing = f"Missing: {', '.join(diagnosis.missing)}." if diagnosis.missing else ""
    suggestions = [f"{one.gap}: {one.what}: {one.command}" for one in diagnosis.suggestions]
    notes = tuple(note for note in (_verdict(diagnosis, result.unit), missing, *suggestions) if note)
    return TerminalTable(title, ("set", "error", "gap", "measures", "status"), tuple(rows), frozenset(strong), notes)


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
    return f"The largest gap is {diagnosis.largest}{beside}."


def _layers(result: EvalResult, summary: Summary) -> TerminalTable:
    shape = "x".join(map(str, summary.input))
    title = f"{result.model} for {_one(result)} of {shape}"
    rows = tuple(
        (
            layer.name,
            layer.kind,
            "x".join(map(str, layer.output)),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}",
            layer.attends_to or "x".join(map(str, layer.receptive_field)),
        )
        for layer in summary.layers
    )
    total = ("total", "", "", f"{summary.parameters:,}", f"{summary.multiply_adds:,}", _field(summary))
    columns = ("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")
    return TerminalTable(title, columns, (*rows, total), frozenset({len(rows)}), (*_fields(summary), *result.notes))


def _one(result: EvalResult) -> str:
    return f"{'an' if result.unit == 'image' else 'a'} {result.unit}"


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
    theory = f"{_window(summary)} pixels in theory" if summary.receptive_field else "without bounds in theory"
    effective = f", {summary.effective_field:.1f} pixels across effectively" if summary.effective_field is not None else ""
    whole = _whole_from(summary)
    attention = [f"Attention sees the whole image from {whole} on."] if whole else []
    return [f"The last convolution or pooling layer sees {theory}{effective}.", *attention]


def _summary(result: EvalResult | PairsEvalResult) -> str:
    if isinstance(result, PairsEvalResult):
        return f"{result.model} on {result.data}: {pairs_summary(result)}"
    if result.summary is not None:
        total = result.summary
        return f"{result.model}: {total.parameters:,} parameters, {total.multiply_adds:,} multiply-adds for {_one(result)}"
    if result.input is not None:
        return result.input.warning or f"{result.model} on {result.data}: {_verdict_on_input(result.input)}"
    top = result.metrics[0].estimate
    line = f"{result.model} on {result.data}: {top} of {top.n:,} {result.split} {result.unit}s right"
    if result.slices:
        return f"{line}. The worst slice is {result.worst_slice}."
    return f"{line}. {_verdict(result.diagnosis, result.unit)}" if result.diagnosis is not None else line


COMMAND = Command(
    name="eval",
    config=EvalConfig,
    engine="dlcli.engines.eval",
    examples=(
        "dlcli eval runs/digits",
        "dlcli eval runs/mine --data mine.npz --diagnose --human-error 0.01 -o report/",
        "dlcli eval nets.py:Net --data photos/ --diagnose input",
        "dlcli eval runs/mine --data photos/ --slices camera --fail-under worst-slice=0.8",
        "dlcli eval runs/questions pairs.csv --fail-under auc=0.8",
        "dlcli eval weights.pth --arch lenet --data mnist.npz --fail-under top-1=0.98",
        "dlcli eval --summary --arch lenet --data mnist.npz",
    ),
    table=_table,
    summary=_summary,
)
