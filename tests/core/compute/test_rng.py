"""Seeds by name."""

import json
import random
from hashlib import sha256

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.compute.rng import generator, preserved
from dlcli.support.seeds import derive

_PATHS = st.lists(st.one_of(st.text(max_size=8), st.integers(0, 1000)), max_size=4).map(tuple)
_SEEDS = st.integers(0, 2**63 - 1)


@given(seed=_SEEDS, path=_PATHS)
def test_a_seed_is_the_upper_63_bits_of_the_digest(seed, path):
    digest = sha256(json.dumps([seed, *path]).encode()).hexdigest()
    assert derive(seed, *path) == int(digest[:16], 16) // 2
    assert generator(derive(seed, *path)).initial_seed() == derive(seed, *path)


@given(one=st.tuples(_SEEDS, _PATHS), other=st.tuples(_SEEDS, _PATHS))
def test_different_uses_have_different_seeds(one, other):
    same = one == other and [type(item) for item in one[1]] == [type(item) for item in other[1]]
    assert (derive(one[0], *one[1]) == derive(other[0], *other[1])) == same


def test_paths_are_not_concatenated():
    assert len({derive(0, "ab"), derive(0, "a", "b"), derive(0, "a", "b", ""), derive(0, "1"), derive(0, 1), derive(1)}) == 6


def test_streams_of_neighbouring_names_are_uncorrelated():
    draws = torch.stack([torch.randn(10_000, generator=generator(derive(0, "member", k))) for k in range(4)])
    correlations = torch.corrcoef(draws) - torch.eye(4)
    assert correlations.abs().max() < 5 / 100  # five standard errors at n = 10,000


def _draw():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()  # noqa: NPY002


def test_global_states_are_restored():
    with preserved():
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        torch.manual_seed(5)
        expected = _draw()
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        torch.manual_seed(5)
        with preserved():
            _draw()
            torch.manual_seed(99)
        assert _draw() == expected


def test_global_states_are_restored_after_an_error():
    with preserved():
        torch.manual_seed(7)
        expected = torch.rand(2)
        torch.manual_seed(7)
        with pytest.raises(KeyError), preserved():
            torch.rand(9)
            raise KeyError
        assert torch.equal(torch.rand(2), expected)


def test_states_of_gpus_are_restored(monkeypatch):
    kept = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["state 0", "state 1"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", kept.extend)
    with preserved():
        assert kept == []
    assert kept == ["state 0", "state 1"]


@pytest.fixture
def sleeping_gpus(monkeypatch):
    """GPUs that nothing has used yet, and the seeds that they are given for later; to ask for more is an error."""

    def fail(*args):
        raise RuntimeError("CUDA initialisation failed")

    seeds = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    for name in ("_lazy_init", "get_rng_state", "get_rng_state_all", "set_rng_state", "set_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, fail)
    return seeds


def test_gpus_that_are_not_in_use_stay_so_and_get_their_seed_back(sleeping_gpus):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        with preserved():
            torch.rand(2)
        assert sleeping_gpus == [11]
        with preserved():
            torch.manual_seed(5)
        assert sleeping_gpus == [11, 5, 11] and torch.initial_seed() == 11
        with pytest.raises(KeyError), preserved():
            torch.manual_seed(6)
            raise KeyError
        assert sleeping_gpus[-2:] == [6, 11]
