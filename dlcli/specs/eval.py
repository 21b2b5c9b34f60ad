"""Options and result of `dlcli eval`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import table_options
from dlcli.specs.abstention import Abstention, abstain_option
from dlcli.specs.anytime import Stopped, check_anytime, stop_when_sure_option, stops_early, time_limit_option
from dlcli.specs.calibration import Calibration, calibrate_option, calibrator_option, check_calibrate
from dlcli.specs.class_figures import OF_A_CLASS, OVERALL, ClassAccuracy, of_a_class
from dlcli.specs.cluster import cluster_option
from dlcli.specs.command_line import command_line
from dlcli.specs.comparison import DIFFERENCE, ClassifierComparison, against_option, compared_rows, no_worse_option
from dlcli.specs.diagnosis import Diagnosis, Gap
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.explain import Explanation, baseline_option, check_explain, explain_option, window_option
from dlcli.specs.further_rows import with_further
from dlcli.specs.gate import FailUnder, fail_under_option, gate
from dlcli.specs.input_diagnosis import InputDiagnosis
from dlcli.specs.leaks import Leaks, leaks_option
from dlcli.specs.masks import MASK_METRICS
from dlcli.specs.model_and_data import ModelAndDataOptions, split_option
from dlcli.specs.next_step import NEXT_METRICS
from dlcli.specs.option import option
from dlcli.specs.pairs import PAIR_METRICS
from dlcli.specs.predictions import is_prediction_file, pair_or_prediction_columns_option
from dlcli.specs.result import Result
from dlcli.specs.sample_size import ImagesNeeded, detect_images_option
from dlcli.specs.scores import SCORE_METRICS, raters_option, score_column_option
from dlcli.specs.sequences import prove_causal_option
from dlcli.specs.shared import data_option, output_option
from dlcli.specs.spread import prediction_workers_option, refuse_spread
from dlcli.specs.summary import LayerSummary, Summary
from dlcli.specs.suspects import Suspects, suspects_option
from dlcli.specs.usual_data import usual_data
from dlcli.support.errors import UsageError

METRICS = ("top-1", "top-5", "worst-class", "worst-slice", "auc", *OVERALL, DIFFERENCE)
"""Metrics that `fail_under` accepts, besides those of single classes: those of which more is better."""

_ACCURACY = "accuracy"

_MODES = ("diagnose", "diagnose_input", "slices", "summary", "prove_causal")
"""Options of which one goes at a time."""
_WITHOUT_FIGURES = ("summary", "diagnose_input", "prove_causal")
"""Those that evaluate nothing."""


def class_figure(metric: str) -> str:
    """The name of a figure of classes: top-1 is also called accuracy."""
    return "top-1" if metric == _ACCURACY else metric


def is_metric(metric: str) -> bool:
    """Whether a name is that of a figure of classes, of all or of one."""
    return class_figure(metric) in METRICS or bool(of_a_class(metric))


@dataclass(frozen=True, kw_only=True)
class EvalConfig(ModelAndDataOptions):
    """Options of `dlcli eval`."""

    data: str = data_option(None, two_ways=True)
    split: str = split_option("evaluate")
    limit: int | None = option(None, "Evaluate the first N examples of each split only.", minimum=1)
    columns: tuple[str, ...] = pair_or_prediction_columns_option()
    encoding: str | None = table_options.encoding_option(table_options.PREDICTIONS)
    delimiter: str | None = table_options.delimiter_option(table_options.PREDICTIONS)
    quoting: str | None = table_options.quoting_option(table_options.PREDICTIONS)
    skip: int = table_options.skip_option(table_options.PREDICTIONS)
    no_header: bool = table_options.no_header_option(table_options.PREDICTIONS)
    max_cell: int = table_options.max_cell_option(table_options.PREDICTIONS)
    skip_bad: Path | None = table_options.skip_bad_option(table_options.PREDICTIONS)
    sheet: str | None = table_options.sheet_option(table_options.PREDICTIONS)
    diagnose: bool = option(
        False,
        "Error analysis: compare the errors of humans and on the train, train-dev, dev and test splits; report the largest gap "
        "and what to try.",
    )
    diagnose_input: bool = option(
        False,
        "Find how the network was fed in training, by a few images: compare scales, means and standard deviations, and orders "
        "of colours, as values of `normalise`. Also typed as `diagnose` input.",
    )
    score_column: str | None = score_column_option(" Also: what the run was trained on.")
    raters: tuple[str, ...] = raters_option()
    human_error: float | None = option(
        None,
        "Human error rate, or the best one known, from 0 to 1: 0.01 is 1%. Needs `diagnose`. Default: 0.",
        minimum=0,
        maximum=1,
    )
    against: str | None = against_option()
    no_worse: float | None = no_worse_option()
    detect: float | None = detect_images_option()
    abstain: float | None = abstain_option()
    calibrate: str | None = calibrate_option()
    calibrator: str = calibrator_option()
    slices: tuple[str, ...] = option(
        (),
        "Accuracy by subgroup (metadata column): a column of labels.csv in the folder, an array beside y_test in the .npz, "
        "or class. Numeric columns with more than 20 values are split into quartiles. May be repeated.",
        metavar="COLUMN",
    )
    group: str | None = option(
        None,
        "Metadata column of examples that belong together, such as frames of one film or images of one patient: intervals are "
        "by group, and slices are compared by permuting groups. Default: the column that the run was split by.",
        metavar="COLUMN",
    )
    summary: bool = option(
        False,
        "Summarize the network: layers, shapes, parameters, multiply-adds and receptive field. "
        "With `arch` and without MODEL, of an untrained network.",
    )
    prove_causal: bool = prove_causal_option()
    suspects: bool = suspects_option()
    leaks: bool = leaks_option()
    explain: str | None = explain_option("16 of the images")
    window: int | None = window_option()
    baseline: str | None = baseline_option()
    workers: int | None = prediction_workers_option()
    cluster: str | None = cluster_option()
    export: Path | None = option(
        None,
        "Also write the network to this file, with its normalisation and the names of its classes, once its logits for the "
        "evaluated examples are seen to be the same: .onnx for ONNX Runtime, .pt2 for torch.export.",
        metavar="FILE",
        writes=True,
    )
    fail_under: FailUnder | None = fail_under_option(
        f"Exit with status 1 if a metric is below a bound, e.g. top-1=0.95: {', '.join(METRICS)}; of one class as "
        f"f1:CLASS=0.9: {', '.join(OF_A_CLASS)}; for scores: "
        f"{', '.join(SCORE_METRICS)}; for masks: {', '.join(MASK_METRICS)}; for pairs: {', '.join(PAIR_METRICS)}; for the "
        "next step: gain, the bits saved over the Markov chain, or bits, which fails above its bound."
    )
    time_limit: float | None = time_limit_option("Evaluate images")
    stop_when_sure: bool = stop_when_sure_option("Evaluate images")
    output: Path | None = output_option(
        "Write run.json, report.html and plots (confusion, reliability, mistakes) to this directory, and to explain/ in it "
        "the maps of `explain`; for pairs, mistakes.csv and report.html.",
        "DIR",
    )

    def __post_init__(self) -> None:
        self._set_data_of_table()
        super().__post_init__()
        table_options.check_table_options(self)
        modes = [f"`{name}`" for name in _MODES if getattr(self, name)]
        if len(modes) > 1:
            raise UsageError(f"{' and '.join(modes)} do not go together", hint="choose one of them")
        if self.group is not None and self._without_figures:
            raise UsageError(f"`group` and `{modes[0].strip('`')}` cannot be combined", hint="drop `group`")
        if self.human_error is not None and not self.diagnose:
            raise UsageError("`human_error` needs `diagnose`")
        if len(set(self.slices)) < len(self.slices):
            raise UsageError("`slices`: a column is given twice")
        if self.arch is not None and self.model is None and not (self.summary or self.prove_causal):
            raise UsageError("`arch` needs a checkpoint or `summary`", hint=command_line("eval", model="WEIGHTS", arch="NAME"))
        if self.ensemble is not None and self.model is None:
            raise UsageError(
                "`ensemble` needs a directory written by dlcli ensemble",
                hint=command_line("eval", model="FOLDER", ensemble="RULE"),
            )
        check_explain(self, "output")
        self._check_comparison()
        self._check_modes()
        self._check_bound()
        check_anytime(self, ("top-1", _ACCURACY))
        self._check_spread()

    def _set_data_of_table(self) -> None:
        """Set `data` where a table is evaluated: to those of the network that it is compared with, or to none."""
        if self.model is None or not is_prediction_file(str(self.model)):
            return
        of_network = self.against is not None and not is_prediction_file(str(self.against))
        if self.data and not of_network:
            raise UsageError("`data` does not apply to predictions in a file", hint="omit `data`")
        if not self.data:
            object.__setattr__(self, "data", usual_data(str(self.against)) if of_network else "")

    @property
    def _without_figures(self) -> str:
        """The mode that evaluates nothing; empty without one."""
        return next((name for name in _WITHOUT_FIGURES if getattr(self, name)), "")

    def _check_comparison(self) -> None:
        if self.no_worse is not None and self.against is None:
            raise UsageError("`no_worse` needs `against`")
        mode = "diagnose" if self.diagnose else self._without_figures
        for name in ("abstain", "detect"):
            if getattr(self, name) is not None and self._without_figures:
                raise UsageError(f"`{name}` and `{self._without_figures}` cannot be combined", hint=f"drop `{name}`")
        check_calibrate(self, mode)
        if self.against is not None and mode:
            raise UsageError(f"`against` and `{mode}` cannot be combined", hint=f"drop `{mode}`")

    def _check_modes(self) -> None:
        measured = ("tta", "export", "explain", "suspects", "leaks")
        for name, value in ((name, getattr(self, name)) for name in measured):
            if value and (mode := self._without_figures):
                raise UsageError(f"`{name}` and `{mode}` cannot be combined", hint=f"drop `{name}`")
        if self.tta and self.export is not None:
            raise UsageError("`export` writes the network alone, without `tta`", hint="drop one of them")

    def _check_spread(self) -> None:
        if name := self._without_figures:
            refuse_spread(self, f"`{name}` looks at the network")
        if stops_early(self):
            refuse_spread(self, "`for` and `stop_when_sure` take examples part after part,")
        if self.model is not None and is_prediction_file(self.model):
            refuse_spread(self, "a table of predictions is read")

    def _check_bound(self) -> None:
        if self.fail_under is None:
            return
        metric = self.fail_under[0]
        if name := self._without_figures:
            raise UsageError(f"`fail_under`: `{name}` measures nothing", hint=f"drop `{name}`")
        if not is_metric(metric) and metric not in (
            known := dict.fromkeys((*METRICS, *SCORE_METRICS, *MASK_METRICS, *PAIR_METRICS, *NEXT_METRICS))
        ):
            raise UsageError(f"`fail_under`: '{metric}' is not one of {', '.join(known)}")
        gate(self.fail_under)
        if metric == DIFFERENCE and self.against is None:
            raise UsageError("`fail_under`: the difference needs `against`")
        if metric == "worst-slice" and not self.slices:
            raise UsageError("`fail_under`: worst-slice needs `slices`", hint="`slices=class` needs labels only")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric over all examples: fractions are in [0, 1], `nll` is in nats, `brier` in [0, 2].

    `positive` is the class that `auc` and `ap` of two classes are those of, "" for other metrics.
    """

    name: str
    estimate: Estimate | PointEstimate
    positive: str = ""


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """Accuracy of the examples whose metadata `column` has the value `name`, and its difference to that of all others.

    `p` is the p-value of Fisher's exact test against the others, or with `group` of a permutation of groups, Holm-corrected
    over all slices of the run. `status` is `worse`, `better`, `not established`, or `no others` where the slice is the whole
    set.
    """

    column: str
    name: str
    accuracy: Estimate
    minus_rest: Difference | None
    p: float | None
    status: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A non-zero cell of the confusion matrix, with the names of the true class and the predicted output."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A confidence bin (low, high]: number of examples, mean confidence and accuracy (None if it is empty)."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified example.

    Attributes:
        index: Its index in the split, from 0.
        probability: That of the predicted class; None if it is not known.
        file: Its file; empty without files.
    """

    index: int
    true: str
    predicted: str
    probability: float | None
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class EvalResult(Result, command="eval"):
    """Result of `dlcli eval`; `worst_slice` is COLUMN=VALUE, "" without `slices`.

    `unit` is image or video; `n_images` is the number of examples, whichever they are. `n_groups` is the number of groups of
    `group`, None without it. `explanation` is None without `explain`, `comparison` without `against`,
    `calibration` without `calibrate`, `needed` without `detect`,
    `suspects` without `suspects`; `leaks` is None where none were looked for.

    With `summary` or `diagnose_input` nothing is evaluated: `metrics`, `per_class`, `confusion`, `bins` and `mistakes` are
    empty.
    """

    KIND: ClassVar[str] = "single"

    data: str
    split: str
    unit: str
    model: str
    model_sha256: str
    n_images: int
    metrics: tuple[Metric, ...]
    per_class: tuple[ClassAccuracy, ...]
    confusion: tuple[Confusion, ...]
    bins: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]
    diagnosis: Diagnosis | None
    summary: Summary | None
    input: InputDiagnosis | None = None
    explanation: Explanation | None = None
    comparison: ClassifierComparison | None = None
    abstention: Abstention | None = None
    calibration: Calibration | None = None
    needed: ImagesNeeded | None = None
    slices: tuple[SliceRow, ...] = ()
    worst_slice: str = ""
    n_groups: int | None = None
    suspects: Suspects | None = None
    leaks: Leaks | None = None
    seed: int
    device: str
    seconds: float
    stopped: Stopped | None = None
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """Flat records: the layers, ways to feed, gaps or slices, or else the metrics and then the accuracy of each class.

        What was found beside these, as by `abstain`, `detect` and `suspects`, has rows behind them.
        """
        if self.summary is not None:
            return [_layer(layer) for layer in self.summary.layers]
        if self.input is not None:
            return [dict(vars(row)) for row in self.input.feedings]
        if self.diagnosis is not None:
            return [_gap(gap) for gap in self.diagnosis.gaps]
        return with_further(self._of_figures(), self)

    def _of_figures(self) -> list[dict[str, Any]]:
        if self.comparison is not None:
            return compared_rows(self.comparison)
        if self.slices:
            return [_slice(row) for row in self.slices]
        rows = [{"metric": one.name, "class": None, **_figure(one.estimate)} for one in self.metrics]
        rows += [{"metric": "accuracy", "class": one.name, **_figure(one.accuracy)} for one in self.per_class]
        names = [name for name in OF_A_CLASS if name != "recall"]  # which is the accuracy
        further = ((name, one) for name in names for one in self.per_class if one.figure(name) is not None)
        return rows + [{"metric": name, "class": one.name, **_figure(one.figure(name))} for name, one in further]


def _figure(found: Estimate | PointEstimate | Difference | None) -> dict[str, Any]:
    return {name: getattr(found, name, None) for name in ("value", "low", "high", "n")}


def _slice(row: SliceRow) -> dict[str, Any]:
    gap = {f"minus_rest_{name}".removesuffix("_value"): value for name, value in _figure(row.minus_rest).items() if name != "n"}
    names = {"column": row.column, "slice": row.name, **_figure(row.accuracy)}
    return {**names, **gap, "p": row.p, "status": row.status}


def _gap(gap: Gap) -> dict[str, Any]:
    names = {"gap": gap.name, "status": gap.status, "upper": gap.upper, "lower": gap.lower}
    return {**names, **_figure(gap.difference), "p": gap.p, "causes": ", ".join(gap.causes)}


def _layer(layer: LayerSummary) -> dict[str, Any]:
    """Write shapes as 32x8x8, so that a CSV cell needs no quotes."""
    return {name: "x".join(map(str, value)) if isinstance(value, tuple) else value for name, value in vars(layer).items()}
