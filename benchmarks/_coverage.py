"""Simulations of every kind of interval: how often it holds the truth, which each simulation knows.

`benchmarks/coverage.py` prints them as a table; `tests/core/test_coverage.py` checks shorter runs against bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, ndtr, ndtri

from benchmarks import _classes, _masks, _scores
from dlcli.core.evaluation import metrics
from dlcli.core.evaluation.areas import Areas, grouped_areas
from dlcli.core.evaluation.calibration import BINS, expected_error
from dlcli.core.grouped import difference_of, grouped_share, mean_share
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.measures import evaluate_pairs
from dlcli.core.proportion import proportion, selected_share
from dlcli.core.stats import mean_difference, paired_difference
from dlcli.core.text.scoring.operating_point import choose_threshold, count_by_threshold
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.errors import CheckFailedError

Random = np.random.Generator
Floats = NDArray[np.float64]


class Rate(NamedTuple):
    """How often intervals held the truth, in n of the runs: not every run gives one."""

    rate: float
    n: int

    @property
    def error(self) -> float:
        """The Monte Carlo standard error, that of a rate of 95% where all or none held."""
        rate = self.rate if 0 < self.rate < 1 else 0.95
        return sqrt(rate * (1 - rate) / self.n)


@dataclass(frozen=True)
class Figure:
    """A figure and its simulation.

    Attributes:
        name: What is printed.
        method: How its interval is made.
        source: Where the method comes from.
        settings: Settings of the simulation.
        draw: Whether the interval of one sample holds the truth, for a setting; None if there is no interval.
        runs: Samples per setting in the test.
        least: The coverage that it must have.
        most: The highest coverage it may have, below 1 where a wider interval would be a defect.
        parts: Names of figures of the same samples, numbered by the first part of a setting.
        longer: Samples per setting in the table of the documentation, at least.
        mistakes: How many mistakes are expected in a setting, if few of them leave the interval wide.
    """

    name: str
    method: str
    source: str
    settings: tuple[tuple[float, ...], ...]
    draw: Callable[[Random, tuple[float, ...]], bool | None]
    runs: int
    least: float
    most: float = 1.0
    parts: tuple[str, ...] = ()
    longer: int = 0
    mistakes: Callable[[tuple[float, ...]], float] | None = None

    def __str__(self) -> str:
        return self.name

    def simulate(self, setting: tuple[float, ...], runs: int, seed: int) -> Rate:
        """Draw `runs` samples of a setting; the same `seed` gives the same rate."""
        random = np.random.default_rng([seed, *(abs(hash(part)) for part in setting[bool(self.parts) :])])
        found = [one for one in (self.draw(random, setting) for _ in range(runs)) if one is not None]
        return Rate(float(np.mean(found)) if found else 0.0, len(found))


def holds(found: Estimate | PointEstimate | Difference | None, truth: float) -> bool | None:
    """Whether an interval holds the truth; None without one."""
    if found is None or isinstance(found, PointEstimate):
        return None
    return bool(found.low - 1e-12 <= truth <= found.high + 1e-12)


def accuracy(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The accuracy p on n images."""
    p, n = setting
    return holds(proportion(int(random.binomial(int(n), p)), int(n)), p)


def two_networks(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Two networks that differ on a share of the images, each way as often."""
    differ, n = setting
    kind = random.choice(3, int(n), p=[differ / 2, differ / 2, 1 - differ])
    return holds(paired_difference(kind == 0, kind == 1), 0.0)


def _members(random: Random, members: int, p: float, n: int) -> NDArray[np.bool_]:
    """Right answers (members, n) of networks with accuracy p whose errors hang together (probit, correlation 0.6)."""
    hard = random.normal(size=n) * sqrt(0.6)
    return ndtri(p) + hard + random.normal(size=(members, n)) * sqrt(0.4) > 0


def of_drive(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A figure of masks of the frames of a drive, in the blocks that dlcli makes."""
    figure, frames, lasting = setting
    counts, group = _masks.driven(random, int(frames), lasting)
    return holds(_masks.estimated(counts, group, int(figure)), _masks.truths(1.0)[int(figure)])


def of_masks(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A figure of masks, whose pictures come in blocks."""
    figure, blocks, pictures, spread, there = setting
    counts, group = _masks.drawn(random, int(blocks), int(pictures), spread, there)
    return holds(_masks.estimated(counts, group, int(figure)), _masks.truths(there)[int(figure)])


def gain(random: Random, setting: tuple[float, ...]) -> bool | None:
    """One of the members minus the mean of them, whose true difference is 0."""
    members, p, n = setting
    right = _members(random, int(members), p, int(n))
    return holds(paired_difference(right[0], right.mean(0)), 0.0)


def mean_member(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The mean accuracy of members over images; p is the accuracy of each."""
    members, p, n = setting
    return holds(mean_share(_members(random, int(members), p, int(n)).mean(0)), p)


def over_two_seeds(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Errors on 1,200 training images, Poisson with this mean on both sides, over two seeds."""
    images = 1200
    (mean,) = setting
    differences = np.diff(random.poisson(mean, (2, 2)), axis=0)[0] / images
    return holds(mean_difference(differences, step=1 / images), 0.0)


_Z, _WEIGHT = np.polynomial.hermite_e.hermegauss(201)


@lru_cache
def _margins(wanted: float, times: float) -> tuple[float, float, float]:
    """Mean margin, Brier score and log-likelihood of a network with the accuracy `wanted`, which is too sure by a factor.

    The margin z is normal with standard deviation 2, the label is right with probability sigmoid(z), and sigmoid(times z) is
    said.
    """

    def mean(of: Callable[[Floats], Floats], margin: float) -> float:
        return float((_WEIGHT * of(margin + 2 * _Z)).sum() / _WEIGHT.sum())

    margin = float(brentq(lambda m: mean(expit, m) - wanted, -5, 60))
    brier = mean(lambda z: 2 * (expit(z) * expit(-times * z) ** 2 + expit(-z) * expit(times * z) ** 2), margin)
    loss = mean(lambda z: expit(z) * np.logaddexp(0, -times * z) + expit(-z) * np.logaddexp(0, times * z), margin)
    return margin, brier, loss


def _predictions(random: Random, margin: float, n: int, times: float) -> tuple[Floats, NDArray[np.int64]]:
    z = margin + 2 * random.normal(size=n)
    y = (random.random(n) > expit(z)).astype(np.int64)
    return metrics.log_probabilities(np.stack([times * z, np.zeros(n)], axis=1)), y


def brier(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A network with this accuracy on n images, which is calibrated or too sure."""
    wanted, n, times = setting
    margin, truth, _ = _margins(wanted, times)
    return holds(metrics.brier(*_predictions(random, margin, int(n), times)), truth)


def likelihood(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The log-likelihood of a network with this accuracy on n images, which is too sure by a factor."""
    wanted, n, times = setting
    margin, _, truth = _margins(wanted, times)
    seed = int(random.integers(1 << 30))
    return holds(metrics.negative_log_likelihood(*_predictions(random, margin, int(n), times), seed=seed), truth)


def area(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Normal scores of two groups with this area between them; those of positives have this standard deviation."""
    truth, m, n, spread = setting
    positive = np.arange(int(m + n)) < m
    scores = random.normal(size=int(m + n)) * np.where(positive, spread, 1) + sqrt(1 + spread**2) * ndtri(truth) * positive
    return holds(metrics.auc(scores, positive), truth)


_MIDDLES = (np.arange(5) + 0.5) / 5 * 0.7 + 0.3
_GAPS = np.array([[1, 1, 1, 1, 1], [1, -1, 1, -1, 1], [2, 1.5, 1, 0.5, 0], [0, 0, 0, 2.5, 2.5], [0, 0, 0, 0, 5]])
"""How the error is spread over bins, each with a mean of 1: alike, both ways, decreasing, on two, on one."""


def calibration(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Confidences in five bins, wrong by `_GAPS` times the true error; labels of a group hang together (probit, 0.5)."""
    truth, shape, n, size = setting
    place = random.integers(5, size=int(n))
    group = np.arange(int(n)) // int(size) if size else None
    own, of_group = random.normal(size=(2, int(n)))
    level = ndtr(own) if group is None else ndtr((own + of_group[group]) / sqrt(2))
    correct = level < _MIDDLES[place] - truth * _GAPS[int(shape)][place]
    return holds(expected_error(_MIDDLES[place], correct, group=group, seed=int(random.integers(1 << 30))), truth)


@lru_cache
def _network_error(wanted: float, times: float) -> float:
    """The expected calibration error of the network of `_margins`, whose confidence is sigmoid(times |z|)."""
    margin = _margins(wanted, times)[0]
    z = margin + np.linspace(-18, 18, 2_000_001)
    weight = np.exp(-(((z - margin) / 2) ** 2) / 2)
    confidence = expit(times * np.abs(z))
    bins = np.ceil(confidence * BINS).astype(np.int64)
    gaps = np.bincount(bins, weight * (confidence - expit(np.abs(z))))
    return float(np.abs(gaps).sum() / weight.sum())


def network_calibration(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A network with this accuracy on n images, whose logits are too large by a factor, or too small, or right."""
    wanted, n, times = setting
    z = _margins(wanted, times)[0] + 2 * random.normal(size=int(n))
    correct = random.random(int(n)) < expit(np.abs(z))
    found = expected_error(expit(times * np.abs(z)), correct, seed=int(random.integers(1 << 30)))
    return holds(found, _network_error(wanted, times))


_UNEVEN = (60, *[4] * 60)
"""Sizes of groups of which one is much larger than the others."""
AREAS = ("AUC", "AP")


@lru_cache(maxsize=64)
def _average_precision(area: float, share: float) -> float:
    """The average precision of normal scores with this area under the ROC curve, where this share is positive."""
    x = np.linspace(-8, 12, 20_001)
    hit, false = ndtr(sqrt(2) * ndtri(area) - x), ndtr(-x)
    precision = share * hit / (share * hit + (1 - share) * false)
    return float(-np.trapezoid(precision, hit))


@lru_cache(maxsize=256)
def _areas(seed: int, truth: float, number: int, size: int) -> Areas | None:
    """Areas of examples in groups, which share half of the variance of scores and of labels, 40% positive."""
    random, sizes = np.random.default_rng(seed), np.full(number, size) if size else np.array(_UNEVEN)
    group = np.repeat(np.arange(len(sizes)), sizes)
    label, score = (random.normal(size=len(sizes))[group] + random.normal(size=len(group)) for _ in range(2))
    positive = label / sqrt(2) > ndtri(0.6)
    if positive.all() or not positive.any():
        return None
    return grouped_areas(score / sqrt(2) + sqrt(2) * ndtri(truth) * positive, positive, group, seed=seed)


def area_by_group(random: Random, setting: tuple[float, ...]) -> bool | None:
    """One of the areas of examples in groups of this size; 0 for groups of which one is much larger."""
    which, truth, number, size = setting
    found = _areas(int(random.integers(1 << 30)), truth, int(number), int(size))
    if found is None:
        return None
    return holds(found.ap, _average_precision(truth, 0.4)) if which else holds(found.auc, truth)


def worst(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The lowest of the accuracies of k classes of 100 images, all of which are p."""
    classes, p = setting
    found = [proportion(int(hits), 100) for hits in random.binomial(100, p, int(classes))]
    return holds(selected_share(min(found, key=lambda one: one.value), int(classes)), p)


def groups(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The share of hits in groups of this size, which hang together (probit, correlation 0.5)."""
    size, p, number = setting
    shift = random.normal(size=int(number)) * sqrt(0.5)
    hits = random.binomial(int(size), ndtr((ndtri(p) + shift) / sqrt(0.5)))
    return holds(grouped_share(hits, np.full(int(number), size)), p)


def difference_by_group(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Two networks on images in groups of this size, which differ on a share of them, each way as often (probit, 0.5)."""
    differ, number, size = setting
    sizes = np.full(int(number), int(size)) if size else np.array(_UNEVEN)
    group = np.repeat(np.arange(len(sizes)), sizes)
    z = (random.normal(size=len(sizes))[group] + random.normal(size=len(group))) / sqrt(2)
    end = ndtri(differ / 2)
    return holds(difference_of(z < end, z > -end, group), 0.0)


def recall(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A search that misses whole groups of texts, of which 500 of 50,000 are sampled; others have no pair."""
    size, missed = setting
    group = random.permutation(50_000)[:500] // int(size)
    inside = group < 25_000 // size
    lost = (group * 2654435761 % 1000) / 1000 < missed
    truth = np.mean((np.arange(25_000 // int(size)) * 2654435761 % 1000) / 1000 >= missed)
    total = np.where(inside, size - 1, 0)
    return holds(grouped_share(np.where(lost, 0, total), total), float(truth)) if total.any() else None


def _clustered(random: Random, size: int, n: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """Probabilities that are right, labels and components of n pairs, in components whose pairs are alike (probit, 0.5)."""
    component = np.arange(n) // size
    level, label = (random.normal(size=n // size + 1)[component] * sqrt(0.5) for _ in range(2))
    probability = ndtr(level + random.normal(size=n) * sqrt(0.5))
    return probability, ndtr(label + random.normal(size=n) * sqrt(0.5)) < probability, component


def precision(random: Random, setting: tuple[float, ...]) -> bool | None:
    """Whether the precision at the chosen threshold is what is wanted: that from t on is (1 + t) / 2."""
    size, n, wanted = setting
    try:
        chosen = choose_threshold(count_by_threshold(*_clustered(random, int(size), int(n))), wanted, "it")
    except CheckFailedError:
        return True  # nothing is promised
    return (1 + chosen.threshold) / 2 >= wanted - 1e-9


SCORES = ("spearman", "pearson", "kendall", "mae", "rmse")
"""Figures of predicted scores, numbered for settings."""
PAIRS = ("accuracy", "precision", "recall", "f1", "auc", "ap", "ece")
"""Figures of labelled pairs, numbered for settings."""
_TRUTH = dict.fromkeys(PAIRS, 3 / 4) | {"auc": 5 / 6, "ap": 5 / 6, "ece": 0.0}
"""With probabilities that are uniform and right: the density of duplicates is 2 p, and the precision from p on (1 + p) / 2."""


@lru_cache(maxsize=256)
def _evaluated(seed: int, size: int, n: int) -> dict[str, Estimate]:
    probability, duplicate, component = _clustered(np.random.default_rng(seed), size, n)
    place = np.arange(n)
    return evaluate_pairs(LabelledPairs([], place, place, duplicate, component, place), probability, seed=seed)


def pairs(random: Random, setting: tuple[float, ...]) -> bool | None:
    """One figure of pairs in components of this size."""
    which, size, n = setting
    name = PAIRS[int(which)]
    return holds(_evaluated(int(random.integers(1 << 30)), int(size), int(n))[name], _TRUTH[name])


def of_scores(random: Random, setting: tuple[float, ...]) -> bool | None:
    """One figure of predicted scores of a kind, of n examples or of groups."""
    which, kind, rho, n, groups = setting
    name = SCORES[int(which)]
    found = _scores.figures(int(random.integers(1 << 30)), int(kind), rho, int(n), int(groups))
    return holds(found[name], _scores.population(int(kind), rho)[name])


def two_scores(random: Random, setting: tuple[float, ...]) -> bool | None:
    """The difference of one figure of two networks on the same examples."""
    which, rho, other, n, groups = setting
    name = SCORES[int(which)]
    found = _scores.difference(int(random.integers(1 << 30)), rho, other, int(n), int(groups))
    truth = _scores.population(_scores.NORMAL, rho)[name] - _scores.population(_scores.NORMAL, other)[name]
    return holds(found.get(name), truth)


def of_raters(random: Random, setting: tuple[float, ...]) -> bool | None:
    """One figure of the agreement of raters."""
    which, noise, raters, n, missing = setting
    found = _scores.agreement(int(random.integers(1 << 30)), noise, int(raters), int(n), int(missing))
    return holds(found[int(which)], _scores.true_agreement(noise, int(raters), int(missing))[int(which)])


@lru_cache(maxsize=1 << 16)
def _held(seed: int, setting: tuple[float, ...]) -> tuple[bool | None, ...]:
    """Whether the intervals of all figures of one sample hold the truth."""
    classes, strength, n, uneven, size = setting
    of = _classes.Classifier(int(classes), strength, int(n), bool(uneven), int(size))
    found = _classes.intervals(np.random.default_rng(seed), of)
    return tuple(holds(one, truth) for one, truth in zip(found, _classes.truths(of), strict=True))


def _mistakes(setting: tuple[float, ...]) -> float:
    """Those that are expected of a figure of classes."""
    figure, classes, strength, n, uneven, size = setting
    return _classes.mistakes(_classes.Classifier(int(classes), strength, int(n), bool(uneven), int(size)), int(figure))


def _wrong(setting: tuple[float, ...]) -> float:
    """Mistakes of a network with this accuracy on so many images."""
    return (1 - setting[0]) * setting[1]


def _differing(setting: tuple[float, ...]) -> float:
    """Images on which two networks differ."""
    return setting[0] * setting[1]


def _missing(setting: tuple[float, ...]) -> float:
    """The part of the examples of the smaller side that an area lacks."""
    area, m, n, _ = setting
    return (1 - area) * min(m, n)


def of_classes(random: Random, setting: tuple[float, ...]) -> bool | None:
    """A figure of `_classes.FIGURES` of a simulated classifier."""
    return _held(int(random.integers(1 << 30)), setting[1:])[int(setting[0])]


def _grid(*axes: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, one)) for one in np.array(np.meshgrid(*axes, indexing="ij")).reshape(len(axes), -1).T)


def _sets() -> Iterator[Figure]:
    bp, tango = "Bonett and Price (2012), J. Educ. Behav. Stat. 37", "Tango (1998), Stat. Med. 17"
    groups_of = "that of a proportion for the effective number of examples: Cochran (1977), 6.5; Kish (1965), 8.2"
    shares = _grid((0.5, 0.9, 0.99, 0.998), (10, 100, 600, 5000))
    wilson = "Wilson, modified where few are wrong"
    brown = "Brown, Cai and DasGupta (2001), Stat. Sci. 16"
    yield Figure("accuracy", wilson, brown, shares, accuracy, 1000, 0.92, mistakes=_wrong)
    tried = _grid((0.02, 0.06, 0.2), (30, 100, 600, 5000))
    yield Figure("two networks, same images", "score", tango, tried, two_networks, 1000, 0.93, mistakes=_differing)
    yield Figure(
        "gain over the mean of members",
        "adjusted Wald",
        bp,
        _grid((2, 5, 10), (0.8, 0.95, 0.99), (30, 100, 600)),
        gain,
        800,
        0.93,
        mistakes=lambda setting: (1 - setting[1]) * setting[2],
    )
    yield Figure("mean of members", groups_of, "", _grid((5, 50), (0.8, 0.95), (100, 600)), mean_member, 1500, 0.94, 0.98)
    yield Figure(
        "training accuracy, two seeds", "t with the rounding of one image", "", _grid((1, 5)), over_two_seeds, 3000, 0.94
    )
    tried = _grid((0.6, 0.9, 0.98, 0.998, 0.9999), (50, 600, 5000), (1, 3))
    yield Figure("Brier score", groups_of, "", tried, brier, 100, 0.93, longer=1000, mistakes=_wrong)
    yield Figure(
        "negative log-likelihood",
        "bootstrap-t, none with fewer than 5 mistakes made or expected",
        "Hall (1992)",
        ((0.8, 100.0, 1.0), (0.9, 100.0, 1.0), (0.9, 200.0, 2.0), (0.95, 300.0, 1.0), (0.9, 600.0, 3.0), (0.97, 1500.0, 3.0)),
        likelihood,
        100,
        0.92,
        longer=1000,
        mistakes=_wrong,
    )
    sizes = ((10, 90), (50, 50), (20, 980), (100, 900), (500, 500))
    tried = tuple((a, float(m), float(n), s) for s in (1.0, 2.0, 0.5) for a in (0.7, 0.9, 0.97, 0.998) for m, n in sizes)
    delong = "DeLong et al. (1988), Biometrics 44"
    yield Figure("AUC", "a proportion with DeLong's variance", delong, tried, area, 100, 0.93, longer=1000, mistakes=_missing)
    debiased, kumar = "test inversion, debiased", "Kumar et al. (2019), NeurIPS"
    tried = _grid((0.02, 0.05, 0.18), tuple(range(len(_GAPS))), (100, 1000), (0,))
    yield Figure("ECE", debiased, kumar, tried, calibration, 8, 0.93, longer=1000)
    tried = _grid((0.02, 0.18), (0, 2, 4), (200, 1000), (5,))
    yield Figure("ECE by group", debiased, kumar, tried, calibration, 8, 0.93, longer=1000)
    tried = _grid((0.8, 0.9, 0.98, 0.998), (100, 1000), (0.5, 1, 3))
    yield Figure("ECE of a network", debiased, kumar, tried, network_calibration, 8, 0.93, longer=1000, mistakes=_wrong)
    exact = "Clopper-Pearson at 0.05 / k"
    yield Figure("worst class, worst slice", exact, "Bonferroni", _grid((2, 10, 100), (0.5, 0.9, 0.99)), worst, 300, 0.95)
    yield Figure("share by group", groups_of, "", _grid((2, 15), (0.6, 0.9), (100, 800)), groups, 500, 0.93)
    shapes = ((10, 20), (40, 10), (0, 0))
    grouped = tuple((float(k), a, float(m), float(n)) for k in range(2) for a in (0.7, 0.9, 0.98) for m, n in shapes)
    parts = tuple(f"{name} by group" for name in AREAS)
    jackknife = "jackknife on the logit"
    yield Figure(
        "areas by group", jackknife, "Efron and Stein (1981)", grouped, area_by_group, 60, 0.92, parts=parts, longer=600
    )
    yield Figure("recall of an approximate search", groups_of, "", _grid((2, 5, 20, 100), (0.05, 0.3)), recall, 300, 0.93)
    tried = tuple((d, float(m), float(n)) for d in (0.02, 0.2) for m, n in (*shapes, (400, 2)))
    yield Figure("two networks, by group", "jackknife", "Efron and Stein (1981)", tried, difference_by_group, 200, 0.93)
    wanted = tuple((s, n, w) for s in (1.0, 15.0) for n in (2000.0, 12_700.0) for w in (0.7, 0.81, 0.9))
    yield Figure("--precision is reached", "lower bound by component", "", wanted, precision, 60, 0.95)
    of_pairs = tuple(f"{name} of pairs" for name in PAIRS)
    by_component = tuple((float(k), size, 900.0) for k in range(len(PAIRS)) for size in (1.0, 9.0))
    yield Figure("figures of pairs", "by component", "", by_component, pairs, 40, 0.92, parts=of_pairs)
    yield from _class_figures()
    yield from _score_figures()
    method = "bootstrap by block, widened as Student's t is"
    blocks = tuple((b, p, s, t) for b, p in ((12.0, 20.0), (40.0, 5.0)) for s in (5.0, 30.0) for t in (1.0, 0.5))
    settings = tuple((float(k), *one) for k in range(len(_masks.FIGURES)) for one in blocks)
    drives = tuple((float(k), f, s) for k in range(3) for f, s in ((120.0, 2.0), (240.0, 5.0), (600.0, 5.0), (600.0, 15.0)))
    names = tuple(one.replace("by block", "of a drive") for one in _masks.FIGURES)
    yield Figure("masks of a drive", method, "Kunsch (1989)", drives, of_drive, 30, 0.92, 0.985, names, 600)
    yield Figure("masks by block", method, "Kunsch (1989)", settings, of_masks, 30, 0.92, 0.985, _masks.FIGURES, 600)


def _class_figures() -> Iterator[Figure]:
    method = "a proportion, on the effective number of examples"
    for kind, settings, name in (
        ("", _classes.SINGLE, "figures of classes"),
        (" by group", _classes.GROUPED, "the same, by group"),
    ):
        every = tuple((float(k), *map(float, one)) for k in range(len(_classes.FIGURES)) for one in settings)
        parts = tuple(f"{one}{kind}" for one in _classes.FIGURES)
        yield Figure(name, method, "delta method", every, of_classes, 15, 0.92, 1.0, parts, 1000, _mistakes)


def _score_figures() -> Iterator[Figure]:
    names = ("Spearman", "Pearson", "Kendall", "MAE", "RMSE")
    method = "jackknife, Student's t with the degrees of freedom of the kurtosis"
    five = tuple(float(k) for k in range(5))
    normal, steps, uneven = _scores.NORMAL, _scores.STEPS, _scores.UNEVEN
    kinds = ((normal, 0), (normal, 0.6), (normal, 0.9), (steps, 0.3), (steps, 0.8), (uneven, 0))
    source = "Efron and Stein (1981); Satterthwaite (1946)"
    single = tuple((k, float(kind), float(rho), 72.0, 0.0) for k in five for kind, rho in kinds)
    parts = tuple(f"{name} of scores" for name in names)
    yield Figure("scores", method, source, single, of_scores, 15, 0.93, 0.97, parts, 1000)
    grouped = tuple((k, float(kind), float(rho), 0.0, g) for k in five for kind, rho in kinds for g in (20.0, 40.0))
    parts = tuple(f"{name} of scores by group" for name in names)
    yield Figure("scores by group", method, source, grouped, of_scores, 15, 0.92, 0.97, parts, 1000)
    pairs_of = ((0.6, 0.6, 72.0, 0.0), (0.9, 0.9, 72.0, 0.0), (0.9, 0.8, 72.0, 0.0), (0.7, 0.7, 0.0, 20.0))
    both = tuple((k, *one) for k in five for one in pairs_of)
    parts = tuple(f"{name} of two networks" for name in names)
    yield Figure("scores of two networks", method, source, both, two_scores, 15, 0.92, 0.98, parts, 1000)
    raters = tuple((k, noise, r, 72.0, 0.0) for k in five for noise in (0.5, 2.0) for r in (3.0, 10.0))
    # Intraclass correlations are of complete ratings.
    raters += tuple((k, 1.0, 6.0, 72.0, 2.0) for k in five[:3])
    yield Figure("raters", method, source, raters, of_raters, 15, 0.92, 0.98, _scores.AGREEMENT, 1000)


FIGURES = tuple(_sets())
