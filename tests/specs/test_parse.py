"""What is typed and what is meant."""

import json
import pickle

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
        ("8/255", (0.03137254901960784,)),
        ("4/255, 8/255", (4 / 255, 8 / 255)),
        ("0:8/255:4/255", (0.0, 4 / 255, 8 / 255)),
        (["1/3", 0.5], (1 / 3, 0.5)),
    ],
)
def test_floats(typed: object, meant: tuple[float, ...]):
    assert parse.floats(typed) == meant


@given(st.integers(0, 255), st.integers(1, 1000))
def test_fractions_print_as_typed_and_are_the_nearest_number(over: int, under: int):
    text = f"{over}/{under}"
    (found,) = parse.floats(text)
    assert found == over / under and f"{found:g}" == text == parse.show_floats((found,))
    assert f"{found:.3f}" == f"{over / under:.3f}" and json.loads(json.dumps(found)) == found
    assert f"{pickle.loads(pickle.dumps(found)):g}" == text


def test_ranges_of_fractions_print_over_what_was_typed():
    assert [f"{value:g}" for value in parse.floats("0:8/255:2/255")] == ["0", "2/255", "4/255", "6/255", "8/255"]
    assert [f"{value:g}" for value in parse.floats("0:1/2:1/3")] == ["0", "0.333333"]


@given(st.integers(0, 99), st.integers(0, 50), st.integers(1, 20))
def test_ranges_are_those_of_decimals(start: int, steps: int, step: int):
    found = parse.floats(f"0.{start:02}:{(start + steps * step) / 100:.2f}:0.{step:02}")
    assert found == tuple((start + k * step) / 100 for k in range(steps + 1))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_are_shown_as_they_are_read(values: list[float]):
    assert parse.floats(parse.show_floats(tuple(values))) == tuple(values)


@pytest.mark.parametrize("typed", ["", "x", "1,", "0:1", "0:1:0", "1:0:0.1", "0:1:-1", "1/0", "8/", "/3", "1/2/3", "0:1:1/0"])
def test_floats_refused(typed: str):
    with pytest.raises(ValueError, match="number|range|zero"):
        parse.floats(typed)


def test_condition():
    assert parse.condition("robust=0.5") == ("robust", 0.5)
    assert parse.condition(parse.show_condition(("clean", 0.25))) == ("clean", 0.25)
    assert parse.condition(None) is None
    for wrong in ("robust", "robust=x"):
        with pytest.raises(ValueError, match="condition|number"):
            parse.condition(wrong)


@given(st.text(alphabet="ab:= 0.", min_size=1).map(str.strip).filter(bool), st.floats(0, 1), st.booleans())
def test_a_metric_of_a_class_may_hold_signs_of_a_condition(name: str, bound: float, established: bool):  # noqa: FBT001
    meant = (f"f1:{name}", bound, *(["established"] * established))
    assert parse.condition(parse.show_condition(meant)) == meant


@pytest.mark.parametrize(("typed", "meant"), [("1,2", (1, 2)), ("3", (3,)), (3, (3,)), ([1, 4], (1, 4)), (None, None)])
def test_whole_numbers(typed: object, meant: tuple[int, ...] | None):
    assert parse.whole_numbers(typed) == meant
    assert meant is None or parse.whole_numbers(parse.show_whole_numbers(meant)) == meant


@pytest.mark.parametrize("typed", ["", "x", "1,", "-1", "1.5", "²"])
def test_whole_numbers_refused(typed: str):
    with pytest.raises(ValueError, match="whole number"):
        parse.whole_numbers(typed)
