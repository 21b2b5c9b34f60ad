"""Networks of an attack that are trained on several GPUs; the CPU stands in for them in the workers."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dlcli.core.compute.worker_plan import WorkerPlan
from dlcli.core.compute.workers import in_parallel
from dlcli.engines import attack
from dlcli.engines.attack import trained_networks
from dlcli.specs.attack import AttackConfig
from dlcli.support.reporter import SILENT, Reporter

CONFIG = AttackConfig(ensemble="max", members=2, epochs=1, eps=(0.1,), limit=40, device="cpu")
GPUS = (torch.device("cuda", 0), torch.device("cuda", 1))


@pytest.fixture
def calls(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], object]]:
    """Give the run two GPUs; the jobs of each call of `in_parallel` and their GPUs."""
    found = []

    def plan(jobs: int, device: torch.device, **_: object) -> WorkerPlan:
        workers = min(jobs, len(GPUS))
        return WorkerPlan(workers, torch.get_num_threads(), GPUS if workers > 1 else ())

    def spy(function: object, jobs: Sequence[str], *, gpus: object, report: Reporter, **options: int) -> object:
        found.append((list(jobs), gpus))
        return in_parallel(function, jobs, gpus=gpus, report=report, **options)

    gpus("H100", "H100")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # there is no state of theirs to save
    monkeypatch.setattr(trained_networks, "plan_workers", plan)
    monkeypatch.setattr("dlcli.core.compute.executor.jobs.in_parallel", spy)
    return found


def test_networks_are_trained_on_all_gpus_and_are_the_same(calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "gpus"))
    plan = attack.plan(CONFIG)
    assert " on cuda:0, cuda:1 H100: baseline and 2 bootstrapped members" in plan[1]
    found = attack.run(CONFIG)
    assert calls == [(["baseline", "member-0", "member-1"], GPUS)]
    assert (found.trained, found.reused, found.notes[0]) == (3, 0, "Trained 3 networks on cuda:0, cuda:1 H100.")
    again = attack.run(CONFIG)
    assert (again.trained, again.reused, len(calls)) == (0, 3, 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "alone"))
    monkeypatch.setattr(trained_networks, "plan_workers", lambda *_, **__: WorkerPlan(1, torch.get_num_threads()))
    alone = attack.run(CONFIG)
    assert (alone.trained, len(calls)) == (3, 1)
    for other in (again, found):
        assert (other.rows, other.per_class, other.model_sha256) == (alone.rows, alone.per_class, alone.model_sha256)
    assert again.notes == alone.notes == found.notes[1:]


def test_only_what_the_cache_lacks_is_trained(calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one = attack.run(replace(CONFIG, ensemble=None, members=None))
    assert (one.trained, calls) == (1, [])  # a single network needs no process of its own
    found = attack.run(CONFIG)
    assert calls == [(["member-0", "member-1"], GPUS)] and (found.trained, found.reused) == (2, 1)


class Stopping:
    """A reporter that has been asked to stop."""

    note, warn, task, log = SILENT.note, SILENT.warn, SILENT.task, SILENT.log

    @contextmanager
    def stoppable(self):
        yield lambda: True


def test_a_signal_is_not_postponed_to_the_end_of_training():
    report = trained_networks.Unstoppable(Stopping())
    with report.stoppable() as stop:
        assert not stop()
