"""A gate that passes early has the status of the whole run: whether the attack converged is decided with the share."""

import numpy as np
import pytest

from dlcli.core.anytime import possible_successes
from dlcli.engines.anytime import Watch, fails_so_far, part_size, random_order
from dlcli.engines.attack.checks import MAX_CHANGE, DoubledSteps
from dlcli.engines.attack.convergence import PRIOR, Convergence, least_to_pass
from dlcli.engines.attack.random_order import parts_until_sure
from dlcli.specs.gate import Gate

TOTAL = 400


class TwiceTheSteps:
    """Stands for `ReferenceChecks`: an image is its number, and twice the steps fool the first `more` of the robust ones."""

    tried, calls = 0, 0

    def __init__(self, images: np.ndarray, more: int) -> None:
        self.images, self.more = images, more

    def doubled_steps(self, once: np.ndarray, eps: float, attack: None) -> DoubledSteps:
        type(self).tried += len(once)
        type(self).calls += 1
        return DoubledSteps(eps, once, once & (self.images >= self.more))


def status(seed: int, robust: int, more: int, bound: float) -> tuple[bool, int]:
    """Whether a run that stops when it is sure fails, by its share or since twice the steps fool more, and images attacked."""
    order, made_of = random_order(TOTAL, seed), lambda picked: TwiceTheSteps(picked, more)
    convergence = Convergence(None, TOTAL, made_of)  # type: ignore[arg-type]
    gate, seen = Gate("robust", bound), np.empty(0, int)
    watch = Watch(TOTAL, "robust accuracy", gate, when_sure=True, limit=None, passes_surely=convergence.decided)
    for part in parts_until_sure(watch, convergence):
        right, seen = order[part] < robust, np.append(seen, order[part])
        convergence.add(order[part], {0.1: right})
        watch.add(right)
    measured = convergence.measured(np.argsort(seen))
    change = float((measured.once & ~measured.twice).mean()) if measured is not None else 0.0
    return fails_so_far(gate, watch.stopped()) or change >= MAX_CHANGE, len(seen)


@pytest.mark.parametrize("more", [0, 2, 3, 4, 5, 8, 16, 80])
@pytest.mark.parametrize("bound", [0.3, 0.55, 0.65])
def test_an_early_stop_has_the_status_of_the_whole_run(more: int, bound: float) -> None:
    robust, runs = 240, 150
    whole = robust / TOTAL < bound or more / TOTAL >= MAX_CHANGE
    wrong = sum(status(seed, robust, more, bound)[0] is not whole for seed in range(runs))
    assert wrong <= 0.05 * runs + 2 * (0.05 * 0.95 * runs) ** 0.5


def test_a_share_that_fails_does_not_wait_and_one_that_passes_does() -> None:
    TwiceTheSteps.tried = 0
    assert status(0, robust=80, more=0, bound=0.6)[1] < TOTAL / 4
    assert TwiceTheSteps.tried == 0
    many, few = status(0, robust=360, more=0, bound=0.3)[1], status(0, robust=360, more=120, bound=0.3)[1]
    assert few < TOTAL / 4 < many
    assert TwiceTheSteps.tried == many + few  # each image once


@pytest.mark.parametrize("total", [50, 99, 599, 2000])
@pytest.mark.parametrize("fooled", [0, 1, 5])
def test_the_least_images_that_decide_are_those_of_a_search_one_by_one(total: int, fooled: int) -> None:
    def passes(seen: int) -> bool:
        return possible_successes(fooled, seen, total, level=0.025, prior=PRIOR)[1] / total < MAX_CHANGE

    found = least_to_pass(fooled, 20, total, 0.025)
    assert found == next((seen for seen in range(21, total) if passes(seen)), total)


def test_a_clear_pass_takes_few_parts_and_looks() -> None:
    TwiceTheSteps.calls = 0
    seen = status(0, robust=360, more=0, bound=0.3)[1]
    assert seen == least_to_pass(0, 1, TOTAL, 0.025) < 0.7 * TOTAL
    assert TwiceTheSteps.calls <= 4


def test_parts_stay_small_where_time_is_limited() -> None:
    convergence = Convergence(None, TOTAL, lambda picked: TwiceTheSteps(picked, 0))  # type: ignore[arg-type,return-value]
    gate = Gate("robust", 0.3)
    watch = Watch(TOTAL, "robust accuracy", gate, when_sure=True, limit=1e9, passes_surely=convergence.decided)
    sizes = []
    for part in parts_until_sure(watch, convergence):
        sizes.append(part.stop - part.start)
        right = np.ones(sizes[-1], bool)
        convergence.add(np.arange(part.start, part.stop), {0.1: right})
        watch.add(right)
    assert len(sizes) > 10 and set(sizes) == {part_size(TOTAL)}
