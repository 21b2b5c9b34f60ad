"""Where nothing differs, at most 6% of the tables of each command name anything as established.

Each table is made by the functions of the engine that build its rows, from simulated outcomes of images, so the corrections for
several tests in one table are those that a user gets. Every figure has a twin in which there is a difference, which is named.
"""

from itertools import product

import numpy as np
import pytest
import torch

from dlcli.core.evaluation.diagnosis import diagnose
from dlcli.core.evaluation.slices import compare_slices, cut
from dlcli.core.gradients.lesion import Lesion
from dlcli.core.proportion import proportion
from dlcli.core.stats import paired_difference
from dlcli.core.tasks.images import TASK as IMAGES
from dlcli.engines.attack.checks import CheckInputs, RuleImages, failed_checks
from dlcli.engines.attack.notes import notes as attack_notes
from dlcli.engines.ensemble.engine import verdict_notes
from dlcli.engines.probe_gradients.engine import lesion_rows
from dlcli.engines.train.versus import compare
from dlcli.specs.attack import AttackRow, Classifier, ThreatKind
from dlcli.specs.diagnosis import SPLITS
from dlcli.specs.ensemble import EnsembleRow
from dlcli.specs.train_result import TrainRow

AT_MOST = 0.06
RANDOM = np.random.default_rng


def rate(named: list[bool]) -> float:
    """The share of tables that name something, less 3 standard errors of the simulation."""
    return float(np.mean(named)) - 3 * float(np.sqrt(AT_MOST * (1 - AT_MOST) / len(named)))


def train_rows(random, seeds, names=("this", "other"), better=0.0):
    """Networks whose figures do not depend on each other, on 600 test images; `better` is what the first gains in accuracy."""
    for k, name in product(range(seeds), names):
        right = random.binomial(600, min(1.0, 0.95 + random.normal(0, 0.004) + better * (name == names[0])))
        fit = int(random.integers(3, 12))
        yield TrainRow(
            variant=name,
            seed=k,
            accuracy=proportion(right, 600),
            n_watched=1200,
            train_accuracy=round(1200 * min(1.0, random.normal(0.985, 0.004))) / 1200,
            train_loss=0.1,
            epochs=10,
            best_epoch=10,
            epochs_to_fit=fit if fit <= 10 else None,
            steps_to_fit=19 * fit if fit <= 10 else None,
            steps=190,
            epochs_to_level=int(random.integers(2, 9)),
            seconds=float(random.normal(5, 1)),
            weights_sha256="",
        )


def established(table):
    return any(one.verdict == "established" for one in table)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_train_of_two_variants(seeds):
    random = RANDOM(seeds)
    tables = [compare(IMAGES, list(train_rows(random, seeds)), ("this", "other")) for _ in range(500)]
    assert rate([established(table) for table in tables]) <= AT_MOST
    named = [
        {one.metric for one in compare(IMAGES, list(train_rows(random, 10, better=0.03)), ("this", "other")) if one.verdict}
    ]
    assert len(named[0]) == 6


def test_train_of_four_variants():
    random, names = RANDOM(0), ("a", "b", "c", "d")
    tables = [compare(IMAGES, list(train_rows(random, 5, names)), names) for _ in range(500)]
    assert rate([established(table) for table in tables]) <= AT_MOST
    assert established(compare(IMAGES, list(train_rows(random, 5, names, better=0.03)), names))


@pytest.mark.parametrize(("n", "error"), [(200, 0.1), (600, 0.05), (5000, 0.02)])
def test_eval_diagnose_where_all_errors_are_equal(n, error):
    random = RANDOM(n)

    def table(errors):
        return diagnose(
            error, {split: proportion(int(random.binomial(n, one)), n) for split, one in zip(SPLITS, errors, strict=True)}
        )

    found = [table([error] * 4) for _ in range(700)]
    assert rate([any(gap.status in ("established", "reversed") for gap in one.gaps) for one in found]) <= AT_MOST
    assert table([error, error, error + 0.3, error + 0.3]).largest == "data mismatch"


@pytest.mark.parametrize(("n", "gaps"), [(200, (4, 6)), (600, (4, 6)), (5000, (4, 6)), (600, (5, 5))])
def test_eval_diagnose_names_the_largest_gap_only_where_it_is_told_apart(n, gaps):
    random, (first, second) = RANDOM(n + gaps[0]), (gaps[0] / 100, gaps[1] / 100)
    truth = {"train": 0.02 + first, "train-dev": 0.02 + first + second, "dev": 0.02 + first + second}
    found = [
        diagnose(0.02, {split: proportion(int(random.binomial(n, one)), n) for split, one in truth.items()}) for _ in range(500)
    ]
    wrong = [one.told_apart and one.largest not in ("", "variance" if gaps == (4, 6) else "") for one in found]
    assert rate(wrong) <= 0.05
    if (n, gaps) == (5000, (4, 6)):
        assert np.mean([one.told_apart and one.largest == "variance" for one in found]) > 0.5


def test_eval_slices():
    random, cameras = RANDOM(4), np.array([f"camera {k}" for k in range(12)] * 50)
    tables = [compare_slices(cut("camera", cameras), random.random(600) < 0.9) for _ in range(80)]
    assert rate([any(row.status in ("worse", "better") for row in table) for table in tables]) <= AT_MOST
    right = np.where(cameras == "camera 3", random.random(600) < 0.4, random.random(600) < 0.9)
    assert {row.name: row.status for row in compare_slices(cut("camera", cameras), right)}["camera 3"] == "worse"


@pytest.mark.parametrize(("blocks", "changes"), [(9, 3), (9, 30), (27, 10), (54, 3), (54, 30)])
def test_probe_gradients_lesions_of_blocks_that_do_not_matter(blocks, changes):
    random, n = RANDOM(blocks * changes), 600

    def without(right, lost):
        share = np.where(right, (changes + lost) / right.sum(), changes / max((~right).sum(), 1))
        return torch.from_numpy(right ^ (random.random(n) < share))

    def table(lost=0):
        right = random.random(n) < 0.9
        others = [Lesion(f"b{k}", "block", without(right, lost)) for k in range(blocks)]
        return lesion_rows(Lesion("", "", torch.from_numpy(right)), *others)

    assert rate([any(row.loses for row in table()) for _ in range(100)]) <= AT_MOST
    assert all(row.loses for row in table(150) if row.block)


def attack_row(classifier, right, mean, eps):
    one = proportion(right.sum(), len(right))
    gap = None if classifier is Classifier.MEAN else paired_difference(right, mean)
    figures = {"clean": one, "adversarial": one, "eight_bit": one, "minus_mean": gap}
    return AttackRow(eps=eps, classifier=classifier, threat=ThreatKind.WORST_CASE, **figures)


def test_attack_names_one_difference():
    random, rules = RANDOM(6), (Classifier.MEAN, Classifier.MAX, Classifier.VOTE)

    def table(better=0.0):
        rows = []
        for eps in (0.05, 0.1, 0.2, 0.3):
            common = random.random(500) < 0.5
            each = {}
            for rule in rules:
                own, alike = random.random(500) < 0.5, random.random(500) < 0.6
                won = random.random(500) < better * (rule is Classifier.MAX)
                each[rule] = (np.where(alike, common, own) | won).astype(float)
            rows += [attack_row(rule, right, each[Classifier.MEAN], eps) for rule, right in each.items()]
        return attack_notes(rows, method="pgd", threat=ThreatKind.WHITE_BOX)

    def names(lines):
        return any("established" in line and "not established" not in line for line in lines)

    assert rate([names(table()) for _ in range(500)]) <= AT_MOST
    found = table(better=0.5)
    assert names(found) and any("The other 7 differences" in line and "0.35 of 7" in line for line in found)


def test_attack_checks_of_attacks_that_do_equally_well():
    random, eps = RANDOM(7), (0.02, 0.05, 0.1, 0.2)

    def outcomes(share=0.5, draws=4):
        common = random.random(300) < 0.5
        return [np.where(random.random(300) < 0.6, common, random.random(300) < share) for _ in range(draws)]

    def found(share=0.5):
        names = ("pgd", "bim", "apgd-ce", "fgsm", "noise", "square")
        robust = {name: dict(zip(eps, outcomes(share if name == "pgd" else 0.5), strict=True)) for name in names}
        decided = (Classifier.MEAN, Classifier.MAX, Classifier.VOTE)
        rules = {rule: {one: RuleImages(*outcomes(draws=2)) for one in eps} for rule in decided}
        methods = ("pgd", "bim", "apgd-ce", "square")
        return failed_checks(
            CheckInputs(
                classes=10,
                clean=np.ones(300, dtype=bool),
                robust=robust,
                methods=methods,
                iterative=methods[:3],
                gradient_free=("square",),
                rules=rules,
            )
        )

    assert rate([bool(found()) for _ in range(150)]) <= AT_MOST
    assert "weaker than fgsm" in {one.check for one in found(share=1.0)}


def test_ensemble_names_the_gain_of_its_rule():
    random = RANDOM(8)

    def table(better=0.0):
        each = random.random((5, 500)) < 0.9
        rules = {}
        for rule in ("mean rule", "max rule"):
            chosen = each[random.integers(5, size=500), np.arange(500)]
            rules[rule] = (chosen | (random.random(500) < better)).astype(float)
        rows = [
            EnsembleRow(
                members=5,
                classifier=name,
                accuracy=proportion(right.sum(), 500),
                gain=paired_difference(right, each.mean(0)),
                minus_mean=None if "mean" in name else paired_difference(right, rules["mean rule"]),
                ece=None,
                nll=None,
            )
            for name, right in rules.items()
        ]
        return verdict_notes(rows[0], rows)

    def names(lines):
        return any("established" in line and "not established" not in line for line in lines)

    assert rate([names(table()) for _ in range(500)]) <= AT_MOST
    assert names(table(better=0.9))
