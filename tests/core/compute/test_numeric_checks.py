"""Checks that are looked at together: the first that fails is raised, never later than the end of the block."""

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.compute.numeric_checks import deferred_checks, require_none
from dlcli.support.errors import NumericError
from tests.fake_device import fake_device
from tests.synchronisations import Synchronisations


def check(bad: int, name: str = "logits") -> None:
    require_none(torch.tensor(bad), lambda n: NumericError(f"{n} bad {name}"))


def test_outside_a_block_a_check_is_looked_at_at_once():
    check(0)
    with pytest.raises(NumericError, match="3 bad logits"):
        check(3)


@given(st.lists(st.integers(0, 3), max_size=100))
def test_the_first_that_fails_is_raised_by_the_end_of_the_block(counts):
    first = next(((k, bad) for k, bad in enumerate(counts) if bad), None)
    made = 0
    try:
        with deferred_checks():
            for k, bad in enumerate(counts):
                made = k
                check(bad, f"at {k}")
    except NumericError as error:
        assert first is not None and error.message == f"{first[1]} bad at {first[0]}"
        assert made - first[0] < 32
    else:
        assert first is None


def test_nan_explains_an_exception_that_follows_it():
    with pytest.raises(NumericError, match="1 bad logits"), deferred_checks():
        check(1)
        raise IndexError("index 9 is out of bounds")


def test_an_exception_without_nan_is_raised_as_it_is():
    with pytest.raises(IndexError, match="out of bounds"), deferred_checks():
        check(0)
        raise IndexError("index 9 is out of bounds")


def test_a_block_inside_a_block_has_its_own_checks():
    with deferred_checks():
        check(0, "outside")
        with pytest.raises(NumericError, match="2 bad inside"), deferred_checks():
            check(2, "inside")
        check(0, "outside")
    with pytest.raises(NumericError, match="4 bad"):
        check(4)  # at once again


def test_a_failed_check_is_raised_once():
    with deferred_checks():
        with pytest.raises(NumericError):
            for _ in range(32):
                check(1)
        check(0)


def test_the_host_waits_once_for_many_checks():
    with fake_device() as device, Synchronisations() as waits:
        with deferred_checks():
            for _ in range(100):
                require_none(torch.zeros((), dtype=torch.int64, device=device), lambda n: NumericError("never"))
        assert waits.total == 4


def test_a_network_s_images_are_not_kept_until_their_check():
    from dlcli.core.compute.forward import logits_of

    with deferred_checks():
        x = torch.rand(4, 3)
        alive = weakref.ref(x)
        logits_of(torch.nn.Linear(3, 2), x)
        del x
        gc.collect()
        assert alive() is None
