"""What `benchmarks/gpu.py` asks of torch.cuda, with fakes in its place."""

import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from benchmarks._gpu import memory
from benchmarks._gpu.attack_speed import _syncs
from benchmarks._gpu.setup import Setup
from benchmarks._gpu.timing import median_seconds

CARD = torch.device("cuda", 1)
SETUP = Setup(CARD, small=False)


@pytest.fixture
def clock(monkeypatch):
    """The time of the fake events, in milliseconds."""
    now = SimpleNamespace(ms=0.0)

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing
            self.at = None

        def record(self):
            self.at = now.ms

        def synchronize(self):
            assert self.at is not None

        def elapsed_time(self, end):
            return end.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return now


def test_contestants_run_in_turn_after_warm_ups_and_medians_are_of_five_rounds(clock):
    calls, times = [], {"a": iter([1, 1, 1, 9, 2, 3, 100, 4]), "b": iter([7] * 8)}

    def run(name):
        def call():
            calls.append(name)
            clock.ms += next(times[name])

        return call

    assert median_seconds(SETUP, {"a": run("a"), "b": run("b")}) == {"a": 0.004, "b": 0.007}
    assert calls == ["a", "b"] * 8


def test_warm_ups_may_be_shorter(clock):
    calls = []
    found = median_seconds(SETUP, {"a": lambda: calls.append("run")}, warm_ups={"a": lambda: calls.append("warm")})
    assert calls == ["warm"] * 3 + ["run"] * 5
    assert found == {"a": 0.0}


def test_the_limit_on_memory_is_lifted_afterwards(monkeypatch):
    fractions = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80 << 30))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device: fractions.append((share, device)))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    with pytest.raises(KeyError), memory.little_memory(SETUP):
        raise KeyError
    assert fractions == [(1 / 80, CARD), (1.0, CARD)]


def test_synchronisations_are_the_warnings_that_torch_gives_in_that_mode(monkeypatch):
    modes = ["default"]
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[0])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def run():
        assert modes[-1] == "warn"
        for text in ("called a synchronizing CUDA operation", "something else", "called a synchronizing CUDA operation"):
            warnings.warn(text, stacklevel=1)

    assert _syncs(run) == 2
    assert modes[-1] == "default"
