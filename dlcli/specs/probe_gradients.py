"""Options and result of `dlcli probe-gradients`."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.code import trust_code_option
from dlcli.specs.estimates import Difference, Estimate, flat_all
from dlcli.specs.model_and_data import check_weights_key, weights_key_option
from dlcli.specs.normalise import normalise_option
from dlcli.specs.option import check, one_of, option
from dlcli.specs.result import Result
from dlcli.specs.shared import (
    data_option,
    device_option,
    label_column_option,
    output_option,
    seed_option,
    size_option,
    strict_option,
    surgery_option,
)
from dlcli.specs.usual_data import set_usual_data
from dlcli.support.errors import UsageError

KINDS = ("plain", "bn", "resnet", "looks-linear")
"""The scalar-to-scalar networks that are compared by default."""

_OF_A_NETWORK = (
    "weights",
    "normalise",
    "surgery",
    "data",
    "path",
    "walks",
    "wrt",
    "lesion",
    "paths",
    "try_suggested",
    "limit",
    "size",
    "label_column",
)
_OF_A_LINE = ("synthetic", "depth", "beta")


@dataclass(frozen=True, kw_only=True)
class ProbeGradientsConfig:
    """Options of `dlcli probe-gradients`."""

    model: str | None = option(
        None,
        "The network: a run directory; the name of a built-in or torchvision network, untrained without `weights`; a "
        "published network (torchvision:NAME, timm:NAME or hf:OWNER/NAME); or package.module:callable or file.py:callable, "
        "which imports and runs that code and uses what it returns. Default: scalar-to-scalar networks (1-D toy models).",
        metavar="SPEC",
        reads=True,
        names_code=True,
        two_ways=True,
    )
    weights: Path | None = option(
        None,
        "Load the weights in this file into the network; imagenet: those published for it; none: none of these.",
        metavar="FILE",
        reads=True,
    )
    weights_key: str | None = weights_key_option()
    normalise: str = normalise_option()
    surgery: tuple[str, ...] = surgery_option("the network")
    data: str = data_option(None, two_ways=True)
    synthetic: str | None = option(None, "Probe only this kind of scalar-to-scalar network.", choices=one_of(*KINDS))
    depth: int = option(24, "Number of layers of the scalar-to-scalar networks.", minimum=1, maximum=1000)
    beta: float = option(1.0, "Scale of the residual branches of these networks.", minimum=0.001, maximum=10)
    seeds: int | None = option(
        None,
        "Number of scalar-to-scalar networks of each kind (20 by default), or of pairs of networks of `try_suggested` (5 by "
        "default).",
        limit=100_000,
        minimum=1,
    )
    path: str = option(
        "nearest",
        "Path through the input space along which gradients are taken: from an image to its nearest neighbour (nearest), the "
        "same distance in a random direction (random), a grid along the first principal component (grid), or from image I to "
        "image J (pair:I,J).",
        metavar="nearest|random|grid|pair:I,J",
    )
    walks: int = option(8, "Number of paths through the input space.", limit=1_000_000, minimum=1)
    points: int = option(256, "Number of points on each of these paths.", limit=1_000_000, minimum=8)
    wrt: str = option(
        "input", "Differentiate with respect to the input, or the output of a layer (layer:NAME).", metavar="input|layer:NAME"
    )
    target: str = option(
        "logit",
        "Quantity to differentiate: the logit that is largest at the start of the path (logit), or the loss with that class as "
        "the label (loss).",
        choices=one_of("logit", "loss"),
    )
    bn: str = option(
        "frozen",
        "Use the running statistics of batch normalisation (frozen), or those of the points of a path (batch).",
        choices=one_of("frozen", "batch"),
    )
    lesion: bool = option(False, "Lesion study: evaluate the network without each residual block in turn (Veit et al. 2016).")
    paths: bool = option(
        False,
        "Report how much of the gradient flows through each length of path in a residual network: the number of residual "
        "branches on the way (Veit et al. 2016).",
    )
    try_suggested: bool = option(
        False,
        "Train the network with each surgery that is suggested and without, in pairs of seeds, and tell which are established "
        "to help. With `limit`, on as many images.",
        name="try",
    )
    limit: int | None = option(None, "Use at most N images.", minimum=2)
    size: int | None = size_option()
    label_column: str | None = label_column_option()
    strict: bool = strict_option()
    trust_code: bool = trust_code_option()
    seed: int = seed_option()
    device: str = device_option()
    output: Path | None = output_option("Write run.json, report.html and its figures to this directory.", "DIR")

    def __post_init__(self) -> None:
        check(self)
        if self.model is not None:  # without a network there are no data
            set_usual_data(self)
        check_weights_key(self.weights_key, self.weights)
        if self.model is None:
            self._refuse(_OF_A_NETWORK, "needs a network", "add `model=SPEC`")
        else:
            self._refuse(_OF_A_LINE, "applies to scalar-to-scalar networks only", "omit `model`")
            self._check_trials()
        if self.wrt != "input" and not (self.wrt.startswith("layer:") and self.layer):
            raise UsageError(f"`wrt`: '{self.wrt}' is neither input nor layer:NAME", hint="`wrt=layer:features.3`")

    def _check_trials(self) -> None:
        if self.seeds is not None and not self.try_suggested:
            raise UsageError("`seeds` of a network needs `try_suggested`", hint="omit it, or add `try_suggested`")
        if self.try_suggested and self.seeds == 1:
            raise UsageError("`try_suggested` compares pairs, and one seed has no spread", hint="`seeds=5`")

    def _refuse(self, names: tuple[str, ...], why: str, hint: str) -> None:
        """Raise UsageError if one of these fields was given."""
        for item in fields(self):
            if item.name in names and getattr(self, item.name) != item.default:
                raise UsageError(f"`{item.name}`: {why}", hint=hint)

    @property
    def layer(self) -> str:
        """The layer that is derived by, "" for the input."""
        return "" if self.wrt == "input" else self.wrt.removeprefix("layer:")


@dataclass(frozen=True, kw_only=True)
class GradientRow:
    """The gradients of one network along its lines, means over `n` lines (or networks), with Student's 95% intervals.

    `acf1`, `acf5` and `acf15` are the autocorrelation at those lags, None where a line is linear or too short; `slope` the
    exponent by which the power spectrum falls (0 white, 2 Brownian); `length_steps`, `length` (input units) and `length_share`
    (of the median distance to the nearest neighbour) until the autocorrelation is below 1/e, None where it is not within half
    the line; `cosine` the mean cosine of the gradients at two points; `verdict` linear, white, shattered,
    partial, healthy or undecided.
    """

    network: str
    n: int
    points: int
    acf1: Estimate | None
    acf5: Estimate | None
    acf15: Estimate | None
    slope: float | None
    length_steps: float | None
    length: float | None
    length_share: float | None
    cosine: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One activation of a network, in the order of the forward pass.

    `layer` is the path of the module that does it and, where that is no activation itself, the operation: `features.3`, or
    `layer1.0 relu`; from the second time on with a number, `layer1.0.relu 2`. `kind` is the operation, as relu; it is selu
    where an ELU is scaled to keep mean 0 and variance 1.

    `mean` and `variance` are over inputs and units; `active` is the share of values above zero, `coactive` that of units above
    zero for both of two inputs, `dead` that of units above zero for none. A unit is a value of one input's activation; where
    activations are images, `dead` is the share of channels that are above zero nowhere.
    `gradient` is the root of the mean square of the gradient with respect to it, `cosine` the mean cosine of those of two
    inputs, None if none comes back.
    """

    network: str = ""
    layer: str
    kind: str
    units: int
    mean: float
    variance: float
    active: float
    coactive: float
    dead: float
    gradient: float | None
    cosine: float | None


@dataclass(frozen=True, kw_only=True)
class LesionRow:
    """Accuracy without `block`, and the paired change; "" is the whole network.

    `p` is the p-value of McNemar's exact test, by Holm for all blocks; `change` has the interval of a single comparison.
    """

    block: str
    kind: str
    accuracy: Estimate
    change: Difference | None
    p: float | None = None

    @property
    def loses(self) -> bool:
        """Whether a loss is established."""
        return self.p is not None and self.change is not None and self.p <= 0.05 and self.change.value < 0


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """Paths through `blocks` residual branches: their share of all paths and of all gradient, and one path's mean norm."""

    blocks: int
    share_of_paths: float
    share_of_gradient: float
    norm_of_one: float


@dataclass(frozen=True, kw_only=True)
class PathSummary:
    """The mean length of a path in blocks, by count and by gradient, and the shortest range with 95% of the gradient."""

    mean_by_count: float
    mean_by_gradient: float
    effective_low: int
    effective_high: int


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A reason why the network may not train: what it is called, the figures that say so, and commands to try, if any fits.

    `surgeries` are the changes that the commands make, in their order.
    """

    name: str
    evidence: str
    suggestions: tuple[str, ...]
    surgeries: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The network trained with a suggested surgery and without, in pairs of seeds, by the main metric on the test set.

    Attributes:
        surgery: What was tried.
        metric: The figure that is compared, as test accuracy.
        scale: "points" where it is a share, "" where it has the unit of the data.
        without: Its mean over seeds without the surgery.
        with_it: Its mean with it.
        difference: With minus without, in pairs; the interval is that of a single comparison.
        p: The p-value of the paired t-test by Holm for all surgeries; None of a single one.
        verdict: "established" or "not established", by `p` or, of a single one, by the interval.
        n_test: Number of test examples.
    """

    surgery: str
    metric: str
    scale: str
    without: float
    with_it: float
    difference: Difference
    p: float | None
    verdict: str
    n_test: int

    @property
    def established(self) -> bool:
        """Whether the surgery is established to help, or to hurt."""
        return self.verdict == "established"


@dataclass(frozen=True, kw_only=True)
class ProbeGradientsResult(Result, command="probe-gradients"):
    """The outcome of `dlcli probe-gradients`."""

    KIND: ClassVar[str] = "single"

    model: str = ""
    model_sha256: str = ""
    data: str = ""
    path: str
    wrt: str
    target: str
    bn: str
    rows: tuple[GradientRow, ...]
    layers: tuple[LayerRow, ...]
    causes: tuple[Cause, ...] = ()
    lesions: tuple[LesionRow, ...] = ()
    path_lengths: tuple[PathRow, ...] = ()
    path_summary: PathSummary | None = None
    trials: tuple[Trial, ...] = ()
    seed: int
    device: str
    seconds: float
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """A flat record a network, for CSV."""
        return [_record(row) for row in self.rows]


def _record(row: GradientRow) -> dict[str, Any]:
    named = {name: getattr(row, name) for name in ("network", "n", "points", "verdict")}
    plain = {name: getattr(row, name) for name in ("slope", "length_steps", "length", "length_share", "cosine")}
    return named | flat_all(row, "acf1", "acf5", "acf15") | plain
