"""From the members' logits to the rows of `dlcli ensemble`: every classifier by the number of members."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.ensembles.combine import RULES, any_correct, ensemble_logits
from dlcli.core.ensembles.diversity import disagreement, error_correlation
from dlcli.core.evaluation import calibration, metrics
from dlcli.core.grouped import difference_of, mean_share
from dlcli.specs.ensemble import Diversity, EnsembleRow
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.seeds import derive

SIZES = (1, 2, 3, 5, 10, 25, 50)
"""The numbers of members at which an ensemble of more than `FEW` is evaluated, besides all of them."""

FEW = 10
"""The most members of an ensemble that is evaluated at every number of them."""

MOST_NUMBERS = 50
"""For how many numbers of members gains are drawn."""

BEST, MEAN_OF_MEMBERS, ORACLE = "best member", "mean of members", "oracle"

Correct = NDArray[np.float64]
Groups = NDArray[np.int64] | None


def sizes(members: int) -> list[int]:
    """The numbers of members at which an ensemble of `members` is evaluated."""
    numbers = range(1, members) if members <= FEW else SIZES
    return [*(size for size in numbers if size < members), members]


def drawn_rules(rule: str) -> list[str]:
    """The rules whose gain is drawn: the one asked for, and three that differ in kind."""
    return list(dict.fromkeys((rule, "mean", "max", "vote")))


def rule_name(rule: str) -> str:
    """Name, in the rows, of the ensemble that is combined by `rule`."""
    return f"{rule} rule"


def rows(logits: Tensor, y: Tensor, group: Groups = None, *, seed: int) -> list[EnsembleRow]:
    """The rows for all numbers of members; of fewer members than all, the first ones count.

    Args:
        logits: Of the members, (members, n, classes), of test images.
        y: Labels of the images, (n,).
        group: The group of each image, (n,) from 0 on, if they come in groups.
        seed: That of the bootstrap intervals.
    """
    return [row for size in sizes(len(logits)) for row in _rows(logits[:size], y, group, seed)]


def diversity(logits: Tensor, y: Tensor, group: Groups = None) -> list[Diversity]:
    """How differently the members decide, for all numbers of members from 2 on.

    Args:
        logits: Of the members, (members, n, classes), of test images.
        y: Labels of the images, (n,).
        group: The group of each image, (n,) from 0 on, if they come in groups.
    """
    labels = logits.argmax(-1).numpy()
    wrong = labels != y.numpy()
    numbers = [size for size in sizes(len(logits)) if size > 1]
    return [
        Diversity(
            members=k, disagreement=disagreement(labels[:k], group), error_correlation=error_correlation(wrong[:k], group)
        )
        for k in numbers
    ]


def _rows(logits: Tensor, y: Tensor, group: Groups, seed: int) -> Iterator[EnsembleRow]:
    each = (logits.argmax(-1) == y).numpy().astype(np.float64)
    members, mean = each.mean(0), _correct(RULES["mean"](logits), y)
    columns: dict[str, Correct] = {BEST: each[int(each.sum(1).argmax())], MEAN_OF_MEMBERS: members}
    columns |= {rule_name(rule): _correct(decide(logits), y) for rule, decide in RULES.items()}
    columns[ORACLE] = any_correct(logits, y).numpy().astype(np.float64)
    sure = {
        rule_name(rule): _calibration(ensemble_logits(logits, rule), right, y, group, seed) for rule, right in _rules(columns)
    }
    for name, right in columns.items():
        ece, nll = sure.get(name, (None, None))
        yield EnsembleRow(
            members=len(logits),
            classifier=name,
            accuracy=mean_share(right, group),
            gain=None if name == MEAN_OF_MEMBERS else difference_of(right, members, group),
            minus_mean=None if name == rule_name("mean") else difference_of(right, mean, group),
            ece=ece,
            nll=nll,
        )


def gain_curves(logits: Tensor, y: Tensor, rules: Sequence[str], group: Groups = None) -> dict[str, dict[int, Difference]]:
    """The gain of each rule over the mean of its members by the number of members, from 1 on.

    Intervals are of paired differences: those of two accuracies on the same images overlap even where they differ.

    Args:
        logits: Of the members, (members, n, classes).
        y: Labels of the images, (n,).
        rules: Names of the rules.
        group: The group of each image, (n,) from 0 on, if they come in groups.

    Returns:
        By rule and number of members; of many members for at most `MOST_NUMBERS` numbers.
    """
    each = (logits.argmax(-1) == y).numpy().astype(np.float64)
    numbers = np.unique(np.linspace(1, len(logits), min(len(logits), MOST_NUMBERS)).round().astype(int)).tolist()
    means = {k: each[:k].mean(0) for k in numbers}
    return {
        rule: {k: difference_of(_correct(RULES[rule](logits[:k]), y), mean, group) for k, mean in means.items()}
        for rule in rules
    }


def _rules(columns: dict[str, Correct]) -> Iterator[tuple[str, Correct]]:
    return ((rule, columns[rule_name(rule)]) for rule in RULES)


def _correct(labels: Tensor, y: Tensor) -> Correct:
    return (labels == y).numpy().astype(np.float64)


def _calibration(
    logits: Tensor, right: Correct, y: Tensor, group: Groups, seed: int
) -> tuple[Estimate, Estimate | PointEstimate]:
    log_p, hits = metrics.log_probabilities(logits.numpy()), right.astype(bool)
    ece = calibration.expected_error(np.exp(log_p.max(1)), hits, group=group, seed=derive(seed, "calibration"))
    return ece, metrics.negative_log_likelihood(log_p, y.numpy(), group, seed=derive(seed, "likelihood"))


def best_of(rows: Sequence[EnsembleRow], rule: str) -> EnsembleRow:
    """The row of the rule asked for, of all members."""
    return max((row for row in rows if row.classifier == rule_name(rule)), key=lambda row: row.members)
