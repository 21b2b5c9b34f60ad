"""Each check fires on what it is made for, and on nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dlcli.engines.attack.checks import CHECKS, CheckInputs, findings

N = 200


def first(share: float) -> np.ndarray:
    """The first part of the images is right."""
    return np.arange(N) < round(share * N)


SOUND = CheckInputs(
    classes=10,
    clean=first(0.95),
    by_method={
        "pgd": {0.1: first(0.5), 0.2: first(0.2)},
        "square": {0.1: first(0.55), 0.2: first(0.3)},
        "fgsm": {0.1: first(0.6), 0.2: first(0.4)},
        "noise": {0.1: first(0.9), 0.2: first(0.9)},
    },
    asked=("pgd", "square"),
    looks=("pgd",),
    blind=("square",),
    huge=np.zeros(50, dtype=bool),
    doubled=(0.1, first(0.5), first(0.495)),
    through_rules={"max rule": {0.1: (first(0.4), first(0.6))}},
)


def with_method(name: str, **by_eps: float) -> CheckInputs:
    return replace(SOUND, by_method={**SOUND.by_method, name: {0.1: first(by_eps["small"]), 0.2: first(by_eps["large"])}})


BROKEN: dict[str, tuple[CheckInputs, CheckInputs]] = {
    "clean accuracy at chance": (replace(SOUND, clean=first(0.1)), replace(SOUND, clean=first(0.2))),
    "probabilities for logits": (replace(SOUND, probabilities=True), SOUND),
    "two calls differ": (replace(SOUND, unsteady=1), SOUND),
    "zero gradients": (replace(SOUND, zero_gradients=1), SOUND),
    "weaker than fgsm": (with_method("fgsm", small=0.4, large=0.2), with_method("fgsm", small=0.495, large=0.2)),
    "blind beats white-box": (with_method("square", small=0.4, large=0.2), with_method("square", small=0.495, large=0.2)),
    "transfer beats white-box": (
        replace(SOUND, through_rules={"max rule": {0.1: (first(0.6), first(0.4))}}),
        replace(SOUND, through_rules={"max rule": {0.1: (first(0.5), first(0.495))}}),
    ),
    "not monotone in eps": (with_method("square", small=0.55, large=0.7), with_method("square", small=0.55, large=0.555)),
    "large eps leaves accuracy": (replace(SOUND, huge=np.arange(50) < 20), replace(SOUND, huge=np.arange(50) < 5)),
    "not converged": (
        replace(SOUND, doubled=(0.1, first(0.5), first(0.48))),
        replace(SOUND, doubled=(0.1, first(0.5), first(0.495))),
    ),
}


def test_every_check_has_a_case() -> None:
    assert list(BROKEN) == list(CHECKS)


def test_a_sound_result_is_not_doubted() -> None:
    assert findings(SOUND) == ()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_fires_alone_on_its_own_case_and_not_within_the_noise(name: str) -> None:
    broken, near = BROKEN[name]
    assert [one.check for one in findings(broken)] == [name]
    assert findings(near) == ()


@pytest.mark.parametrize("name", CHECKS)
def test_what_was_seen_is_said_in_one_line(name: str) -> None:
    check: Callable[[CheckInputs], str] = CHECKS[name]
    said = check(BROKEN[name][0])
    assert said and "\n" not in said and not said.endswith(".") and check.__doc__


def test_noise_that_beats_gradients_is_told() -> None:
    (found,) = findings(with_method("noise", small=0.3, large=0.2))
    assert found.check == "blind beats white-box" and "at eps 0.1 pgd" in found.seen and found.seen.endswith("more than noise")


def test_methods_that_look_count_together_against_one_that_does_not() -> None:
    """FGSM alone may well leave more than square, if PGD beside it does not."""
    both = replace(with_method("square", small=0.52, large=0.22), asked=("fgsm", "pgd", "square"))
    assert findings(both) == ()


def test_black_box_methods_alone_are_compared_with_nothing() -> None:
    assert findings(replace(with_method("noise", small=0.1, large=0.1), asked=("square",), looks=())) == ()


def test_a_handful_of_images_says_nothing_of_chance() -> None:
    assert findings(replace(SOUND, clean=np.array([True, False]))) == ()


def test_without_runs_beside_there_is_nothing_to_find() -> None:
    alone = CheckInputs(classes=2, clean=first(0.9), by_method={"noise": {0.1: first(0.9)}}, asked=("noise",), blind=("noise",))
    assert findings(alone) == ()
