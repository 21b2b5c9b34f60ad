"""Each check fails on the case that it is made for, and on nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dlcli.engines.attack.checks import CHECKS, CheckInputs, DoubledSteps, RuleImages, failed_checks
from dlcli.specs.attack import Classifier

N = 200


def first(share: float) -> np.ndarray:
    """The first share of the images is right."""
    return np.arange(N) < round(share * N)


SOUND = CheckInputs(
    classes=10,
    clean=first(0.95),
    robust={
        "pgd": {0.1: first(0.5), 0.2: first(0.2)},
        "square": {0.1: first(0.55), 0.2: first(0.3)},
        "fgsm": {0.1: first(0.6), 0.2: first(0.4)},
        "noise": {0.1: first(0.9), 0.2: first(0.9)},
    },
    methods=("pgd", "square"),
    iterative=("pgd",),
    gradient_free=("square",),
    at_max_eps=np.zeros(50, dtype=bool),
    doubled=DoubledSteps(0.1, first(0.5), first(0.495)),
    rules={Classifier.MAX: {0.1: RuleImages(first(0.4), first(0.6))}},
)


def with_method(name: str, **by_eps: float) -> CheckInputs:
    return replace(SOUND, robust={**SOUND.robust, name: {0.1: first(by_eps["small"]), 0.2: first(by_eps["large"])}})


BROKEN: dict[str, tuple[CheckInputs, CheckInputs]] = {
    "clean accuracy at chance": (replace(SOUND, clean=first(0.1)), replace(SOUND, clean=first(0.2))),
    "probabilities for logits": (replace(SOUND, probabilities=True), SOUND),
    "two calls differ": (replace(SOUND, nondeterministic=1), SOUND),
    "two batches differ": (replace(SOUND, sees_batch=True), SOUND),
    "zero gradients": (replace(SOUND, zero_gradients=1), SOUND),
    "weaker than fgsm": (with_method("fgsm", small=0.4, large=0.2), with_method("fgsm", small=0.495, large=0.2)),
    "blind beats white-box": (with_method("square", small=0.4, large=0.2), with_method("square", small=0.495, large=0.2)),
    "transfer beats white-box": (
        replace(SOUND, rules={Classifier.MAX: {0.1: RuleImages(first(0.6), first(0.4))}}),
        replace(SOUND, rules={Classifier.MAX: {0.1: RuleImages(first(0.5), first(0.495))}}),
    ),
    "not monotone in eps": (with_method("square", small=0.55, large=0.7), with_method("square", small=0.55, large=0.555)),
    "large eps leaves accuracy": (replace(SOUND, at_max_eps=np.arange(50) < 20), replace(SOUND, at_max_eps=np.arange(50) < 5)),
    "not converged": (
        replace(SOUND, doubled=DoubledSteps(0.1, first(0.5), first(0.48))),
        replace(SOUND, doubled=DoubledSteps(0.1, first(0.5), first(0.495))),
    ),
}


def test_every_check_has_a_case() -> None:
    assert list(BROKEN) == list(CHECKS)


def test_no_check_fails_on_a_sound_result() -> None:
    assert failed_checks(SOUND) == ()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_fails_alone_on_its_own_case_and_not_within_the_noise(name: str) -> None:
    broken, near = BROKEN[name]
    assert [one.check for one in failed_checks(broken)] == [name]
    assert failed_checks(near) == ()


@pytest.mark.parametrize("name", CHECKS)
def test_a_detail_is_one_line(name: str) -> None:
    check: Callable[[CheckInputs], str] = CHECKS[name]
    detail = check(BROKEN[name][0])
    assert detail and "\n" not in detail and not detail.endswith(".") and check.__doc__


def test_noise_that_beats_gradients_is_reported() -> None:
    (found,) = failed_checks(with_method("noise", small=0.3, large=0.2))
    assert (
        found.check == "blind beats white-box"
        and "at eps 0.1 pgd" in found.detail
        and found.detail.endswith("more accuracy than noise")
    )


def test_gradient_attacks_count_together_against_a_gradient_free_one() -> None:
    """FGSM alone may well leave more than square, if PGD beside it does not."""
    both = replace(with_method("square", small=0.52, large=0.22), methods=("fgsm", "pgd", "square"))
    assert failed_checks(both) == ()


def test_black_box_methods_alone_are_compared_with_nothing() -> None:
    assert failed_checks(replace(with_method("noise", small=0.1, large=0.1), methods=("square",), iterative=())) == ()


def test_a_handful_of_images_is_not_compared_with_chance() -> None:
    assert failed_checks(replace(SOUND, clean=np.array([True, False]))) == ()


def test_without_extra_runs_no_check_fails() -> None:
    alone = CheckInputs(
        classes=2, clean=first(0.9), robust={"noise": {0.1: first(0.9)}}, methods=("noise",), gradient_free=("noise",)
    )
    assert failed_checks(alone) == ()
