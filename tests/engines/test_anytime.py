import numpy as np
import pytest

from dlcli.engines.anytime import Watch, describe_stop, fails_so_far, parts, random_order
from dlcli.specs.durations import seconds, show_seconds
from dlcli.specs.gate import Gate


def watched(
    right: np.ndarray, bound: float, *, limit: float | None = None, established: bool = False, by_group: bool = False
) -> Watch:
    """The watch at the end of a run in which each part takes a second."""
    ticks = iter(range(10_000))
    gate = Gate("robust", bound, established)
    watch = Watch(len(right), "robust accuracy", gate, limit is None, limit, by_group, clock=lambda: float(next(ticks)))
    for part in parts(len(right)):
        watch.add(right[part])
        if watch.over:
            break
    return watch


@pytest.mark.parametrize("bound", [0.5, 0.615, 0.63, 0.8])
def test_decisions_are_rarely_wrong(bound: float) -> None:
    truth = np.arange(400) < 250  # .625
    fails, wrong, runs = bool(truth.mean() < bound), 0, 300
    for seed in range(runs):
        stopped = watched(truth[random_order(400, seed)], bound).stopped()
        assert stopped.decided and stopped.fails is not None
        wrong += stopped.fails is not fails
    assert wrong <= 0.05 * runs + 2 * (0.05 * 0.95 * runs) ** 0.5


def test_a_clear_gate_takes_few_examples_and_a_close_one_all() -> None:
    right = np.random.default_rng(0).random(2000) < 0.9
    few, many = (watched(right, bound).stopped() for bound in (0.4, float(right.mean())))
    assert few.seen <= 100 and few.fails is False and few.seconds_saved > 0
    assert many.seen == 2000 and many.fails is False and many.seconds_saved == 0


def test_a_gate_of_the_whole_interval_passes_where_the_point_fails() -> None:
    right = (np.arange(100) < 88)[random_order(100, 0)]
    assert watched(right, 0.9).stopped().fails is True
    assert watched(right, 0.9, established=True).stopped().fails is False  # its interval reaches to .93


def test_of_groups_only_the_point_is_below_before_the_end() -> None:
    """How wide the interval by group is, is known once all are seen; one of independent examples that passes is inside it."""
    right = (np.arange(400) < 300)[random_order(400, 0)]
    assert watched(right, 0.95, established=True).stopped().early
    grouped = watched(right, 0.95, established=True, by_group=True).stopped()
    assert (grouped.seen, grouped.decided, grouped.fails) == (400, False, None)
    for bound, established, fails in ((0.95, False, True), (0.5, True, False)):
        stopped = watched(right, bound, established=established, by_group=True).stopped()
        assert stopped.early and stopped.fails is fails


def test_what_is_not_decided_fails_by_its_point_unless_the_whole_interval_counts() -> None:
    right = (np.arange(400) < 300)[random_order(400, 0)]
    for established in (False, True):
        stopped = watched(right, 0.99, limit=2.0, established=established, by_group=True).stopped()
        gate = Gate("robust", 0.99, established)
        assert stopped.share.high < 0.99 and stopped.fails is (None if established else True)
        assert fails_so_far(gate, stopped) is not established
    undecided = watched(right, float(right.mean()), limit=2.0).stopped()
    assert undecided.fails is None
    for bound in (undecided.share.value - 0.01, undecided.share.value + 0.01):
        assert fails_so_far(Gate("robust", bound), undecided) is (bound > undecided.share.value)


def test_time_ends_a_run_without_a_decision() -> None:
    right = np.arange(1000) % 2 == 0
    stopped = watched(right, 0.5, limit=3.0).stopped()
    assert 25 <= stopped.seen <= 100 and stopped.decided is False and stopped.fails is None
    note = describe_stop(stopped, "image", "")
    assert "not decided" in note and "of 1,000" in note


@pytest.mark.parametrize("n", [1, 15, 599, 10_000, 60_000])
def test_parts_are_the_whole(n: int) -> None:
    found = list(parts(n))
    assert [k for part in found for k in range(n)[part]] == list(range(n))
    assert sorted(random_order(n, 3)) == list(range(n))


@pytest.mark.parametrize(("text", "value"), [("60s", 60), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5), ("3", 3), (4, 4)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value
    assert seconds(show_seconds(float(value))) == value


@pytest.mark.parametrize("text", ["", "s", "1d", "one", "nan", "inf s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)
