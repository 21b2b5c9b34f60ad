"""What is typed and what is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.specs import parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("0.1", (0.1,)),
        ("0.1,0.2", (0.1, 0.2)),
        ("0:0.3:0.1", (0.0, 0.1, 0.2, 0.3)),
        ("0.5, 0:0.1:0.05", (0.5, 0.0, 0.05, 0.1)),
        (0.2, (0.2,)),
        ([0, 1], (0.0, 1.0)),
    ],
)
def test_floats(typed: object, meant: tuple[float, ...]):
    assert parse.floats(typed) == meant


@given(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.125, 0.3, 1.0]), min_size=1))
def test_floats_are_shown_as_they_are_read(values: list[float]):
    assert parse.floats(parse.show_floats(tuple(values))) == tuple(values)


@pytest.mark.parametrize("typed", ["", "x", "1,", "0:1", "0:1:0", "1:0:0.1", "0:1:-1"])
def test_floats_refused(typed: str):
    with pytest.raises(ValueError, match="number|range"):
        parse.floats(typed)


def test_condition():
    assert parse.condition("robust=0.5") == ("robust", 0.5)
    assert parse.condition(parse.show_condition(("clean", 0.25))) == ("clean", 0.25)
    assert parse.condition(None) is None
    for wrong in ("robust", "robust=x"):
        with pytest.raises(ValueError, match="condition|number"):
            parse.condition(wrong)


@pytest.mark.parametrize(("typed", "meant"), [("1,2", (1, 2)), ("3", (3,)), (3, (3,)), ([1, 4], (1, 4)), (None, None)])
def test_whole_numbers(typed: object, meant: tuple[int, ...] | None):
    assert parse.whole_numbers(typed) == meant
    assert meant is None or parse.whole_numbers(parse.show_whole_numbers(meant)) == meant


@pytest.mark.parametrize("typed", ["", "x", "1,", "-1", "1.5", "²"])
def test_whole_numbers_refused(typed: str):
    with pytest.raises(ValueError, match="whole number"):
        parse.whole_numbers(typed)
