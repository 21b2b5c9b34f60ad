"""The ladder of errors: the textbook cases, and what holds for any figures."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.command import SUBCOMMANDS
from dlcli.core.diagnose import diagnose
from dlcli.core.models import MODELS
from dlcli.core.stats import wilson
from dlcli.specs.diagnosis import RUNGS, SPLITS
from dlcli.specs.estimates import Estimate
from dlcli.specs.option import declared, flag

MANY = 1_000_000


def ladder(human: float, *percents: float | None, n: int = MANY):
    """The diagnosis of errors in percent on train, train-dev, dev, test; None where there is none."""
    pairs = zip(SPLITS, percents, strict=False)
    return diagnose(human / 100, {split: wilson(error / 100 * n, n) for split, error in pairs if error is not None})


@pytest.mark.parametrize(
    ("human", "percents", "largest", "named"),
    [
        (0, (1, 5, 5), "variance", ("variance",)),
        (0, (10, 11, 12), "avoidable bias", ("avoidable bias",)),
        (0, (10, 11, 20), "avoidable bias", ("avoidable bias", "data mismatch")),
        (0, (1, 1.5, 10), "data mismatch", ("data mismatch",)),
        (1, (8, None, 10), "avoidable bias", ("avoidable bias",)),
        (7.5, (8, None, 10), "variance", ("variance",)),
        (0, (1, 1, 1, 6), "overfitting to dev", ("overfitting to dev",)),
    ],
)
def test_textbook_cases(human, percents, largest, named):
    """A. Ng, Structuring Machine Learning Projects, weeks 1 and 2."""
    found = ladder(human, *percents)
    assert (found.largest, found.named) == (largest, named)
    assert {move.rung for move in found.moves} == set(named)
    assert [move.rung for move in found.moves] == sorted((move.rung for move in found.moves), key=RUNGS.index)


def test_few_images_establish_nothing():
    found = ladder(0, 0, 5, 5, 5, n=20)
    assert (found.largest, found.named, found.moves) == ("", (), ())
    assert [rung.status for rung in found.rungs] == ["not established"] * 4


def test_a_gap_across_a_missing_split_names_all_it_may_be():
    found = ladder(0, 1, None, None, 9)
    variance = found.rungs[1]
    assert (variance.upper, variance.lower) == ("train", "test")
    assert variance.causes == ("variance", "data mismatch", "overfitting to dev")
    assert [rung.status for rung in found.rungs] == ["established", "established", "missing", "missing"]
    assert found.missing == ("train-dev", "dev")
    assert [move.what for move in found.moves][:2] == [
        "measure train-dev, to tell variance from data mismatch",
        "measure dev, to tell variance from overfitting to dev",
    ]


def test_an_easier_lower_split_is_reversed_and_not_named():
    found = ladder(0, 5, 2)
    assert (found.rungs[1].status, found.named) == ("reversed", ("avoidable bias",))


@given(
    st.floats(0, 1),
    st.dictionaries(st.sampled_from(SPLITS), st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))),
)
def test_the_gaps_add_up_whatever_is_missing(human, counts):
    errors = {split: wilson(*pair) for split, pair in counts.items()}
    if not errors:
        with pytest.raises(ValueError, match="no split"):
            diagnose(human, errors)
        return
    found = diagnose(human, errors)
    assert tuple(rung.name for rung in found.rungs) == RUNGS
    assert set(found.missing) == set(SPLITS) - set(errors) and list(found.errors) == [s for s in SPLITS if s in errors]
    gaps = [rung.gap for rung in found.rungs if rung.gap is not None]
    assert len(gaps) == len(errors)
    assert sum(gap.value for gap in gaps) == pytest.approx(list(found.errors.values())[-1].value - human)
    for rung in found.rungs:
        assert (rung.gap is None) == (rung.status == "missing")
        if rung.gap is not None:
            assert (rung.status == "established") == (rung.gap.low > 0)
    assert (found.largest in found.named) if found.named else found.largest == ""


@pytest.mark.parametrize(("human", "errors"), [(1.5, {"test": wilson(1, 2)}), (0, {"validation": wilson(1, 2)})])
def test_impossible_input_is_refused(human, errors):
    with pytest.raises(ValueError, match="under a human error"):
        diagnose(human, errors)


def test_every_move_is_a_command_that_there_is():
    """For each rung, alone and ambiguous: the subcommand exists and has the options."""
    commands = set()
    for there in product([True, False], repeat=3):
        for wide in range(4):
            known = [split for split, kept in zip(SPLITS, (*there, True), strict=True) if kept]
            errors = {s: Estimate(*[0.4 if SPLITS.index(s) >= wide else 0.0] * 3, MANY) for s in known}
            commands |= {move.command for move in diagnose(0, errors, data="mine.npz", model="lenet", run="runs/a").moves}
    assert len(commands) > 10
    for command in commands:
        program, name, *rest = command.split()
        assert program == "dlcli" and name in SUBCOMMANDS and "{" not in command
        module = __import__(f"dlcli.specs.{name}", fromlist=["x"])
        config = getattr(module, f"{name.title()}Config")
        known = {flag(item) for item, _ in declared(config)} | {"-o"}
        if model := re.search(r"--model (\S+)", command):
            assert model[1].rpartition("-")[0] in MODELS.names() or model[1] in MODELS.names(), command
        assert set(re.findall(r"(?<= )--?[a-z][-a-z]*", " " + " ".join(rest))) <= known, command
