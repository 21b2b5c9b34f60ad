"""Attacks in the norm l1 beside those of foolbox and ART: at least as strong at the same eps."""

import pytest
import torch
from torch import Tensor

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.methods.fmn import FMN
from dlcli.core.attacks.norms import NORMS
from tests.peers.problems import Problem, digits

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")
STEPS = 40


@pytest.fixture(scope="module")
def problem() -> Problem:
    return digits(100)


def robust(problem: Problem, images: Tensor, eps: float) -> int:
    """How many images keep their label, all of them changed by at most eps."""
    model, x, y = problem
    assert float(NORMS["l1"].length(images.double() - x.double()).max()) <= eps * (1 + 1e-5)
    assert 0 <= float(images.min()) and float(images.max()) <= 1
    return int((model(images).argmax(1) == y).sum())


@pytest.mark.parametrize("eps", [1.0, 3.0])
@pytest.mark.parametrize("name", ["pgd", "apgd-ce"])
def test_iterated_attacks_are_at_least_as_strong_as_those_of_foolbox(problem: Problem, name: str, eps: float) -> None:
    model, x, y = problem
    peer = foolbox.attacks.L1ProjectedGradientDescentAttack(steps=STEPS)
    _, theirs, _ = peer(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=eps)
    ours = load_attack(name).with_options(steps=STEPS)(model, x, y, eps=eps, norm="l1")
    assert robust(problem, ours, eps) <= robust(problem, theirs, eps) + 2


def test_fgsm_is_at_least_as_strong_as_the_step_of_art(problem: Problem) -> None:
    evasion = pytest.importorskip("art.attacks.evasion")
    from art.estimators.classification import PyTorchClassifier

    model, x, y = problem
    classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0, 1))
    theirs = torch.from_numpy(evasion.FastGradientMethod(classifier, norm=1, eps=2.0).generate(x.numpy(), y.numpy()))
    ours = load_attack("fgsm")(model, x, y, eps=2.0, norm="l1")
    assert robust(problem, ours, 2.0) <= robust(problem, theirs, 2.0) + 2


def test_fmn_finds_changes_as_small_as_that_of_foolbox(problem: Problem) -> None:
    model, x, y = problem
    peer = foolbox.attacks.L1FMNAttack(steps=100)
    _, theirs, success = peer(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilons=None)
    found = FMN(steps=100).nearest(model, x, y, norm="l1")
    lengths = NORMS["l1"].length(theirs.double() - x.double())
    both = found.success & success
    assert int(found.success.sum()) >= int(success.sum()) and int(both.sum()) >= 60
    assert float((found.norms[both] <= 1.02 * lengths[both]).double().mean()) >= 0.95
