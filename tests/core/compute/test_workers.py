"""Jobs in parallel processes: the same results as one after the other, and no process is left behind."""

import os
import pickle
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from dlcli.core.compute import worker_process, workers
from dlcli.core.compute.workers import in_parallel
from dlcli.support import errors
from dlcli.support.errors import DlcliError, InputError, MissingExtraError, NumericError, ResourceError
from dlcli.support.reporter import SILENT
from tests.conftest import ROOT
from tests.core.compute.jobs import (
    Asked,
    end,
    fail,
    fit_small,
    setting,
    square,
    step_by_step,
    talk,
    until_stopped,
    visible_gpus,
    where,
)


class Listener:
    """A reporter that records everything, and asks to stop once all tasks with the labels `until` have started."""

    log = SILENT.log

    def __init__(self, until=("never",)):
        self.notes, self.warnings, self.steps, self.status, self.open = [], [], {}, {}, set()
        self.note, self.warn, self.until = self.notes.append, self.warnings.append, set(until)

    @contextmanager
    def task(self, label, total=None):
        self.open.add(label)
        self.steps[label, total] = 0
        with SILENT.task(label, total) as silent:
            silent.advance = lambda steps=1: self.steps.update({(label, total): self.steps[label, total] + steps})
            silent.set_status = lambda text: self.status.update({label: text})
            yield silent
        self.open.remove(label)

    @contextmanager
    def stoppable(self):
        yield lambda: self.until <= {label for label, _ in self.steps}


def alive(pid):
    status = Path(f"/proc/{pid}/status")
    try:
        os.kill(int(pid), 0)
        return not (status.exists() and "\nState:\tZ" in status.read_text())  # a zombie has ended too
    except (FileNotFoundError, ProcessLookupError):
        return False


def within_a_minute(happened):
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened()


@pytest.mark.parametrize(("number", "jobs"), [(1, 5), (2, 5), (9, 2)])
def test_results_are_in_the_order_of_the_jobs_however_many_workers(number: int, jobs: int):
    assert in_parallel(square, range(jobs), workers=number, threads=1, report=SILENT) == [k * k for k in range(jobs)]


def test_no_jobs_no_results():
    assert in_parallel(square, [], workers=4, threads=1, report=SILENT) == []


@pytest.mark.parametrize("number", [1, 3])
def test_results_are_stored_as_they_come(number: int):
    stored: dict[int, int] = {}
    found = in_parallel(square, range(7), workers=number, threads=1, report=SILENT, store=stored.__setitem__)
    assert stored == dict(enumerate(found))


def test_jobs_that_do_not_use_torch_do_not_import_it(tmp_path: Path):
    (tmp_path / "plain_jobs.py").write_text("import sys\ndef loaded(job, report):\n    return 'torch' in sys.modules\n")
    script = (
        "import sys\n"
        "from dlcli.core.compute.workers import in_parallel\n"
        "from dlcli.support.reporter import SILENT\n"
        "from plain_jobs import loaded\n"
        "print([in_parallel(loaded, [0, 1], workers=k, threads=1, report=SILENT) for k in (1, 2)])\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "[[False, False], [False, False]]\n", done.stderr


def test_each_worker_is_a_separate_process_with_its_own_threads():
    before = torch.get_num_threads()
    here = in_parallel(where, range(2), workers=1, threads=3, report=SILENT)
    assert [found[:2] for found in here] == [(os.getpid(), 3)] * 2
    there = in_parallel(where, range(2), workers=2, threads=3, report=SILENT)
    assert len({pid for pid, _, _ in there} | {os.getpid()}) == 3
    assert [found[1:] for found in there] == [(3, "3")] * 2
    assert not any(alive(pid) for pid, _, _ in there) and torch.get_num_threads() == before


def test_workers_set_what_cublas_reads_with_its_first_product(monkeypatch: pytest.MonkeyPatch):
    """Also where the parent, a program of the user's, does not."""
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.setenv(name, ":16:8")
    assert in_parallel(setting, [name] * 2, workers=2, threads=1, report=SILENT) == [":16:8"] * 2
    monkeypatch.delenv(name)
    assert in_parallel(setting, [name] * 2, workers=2, threads=1, report=SILENT) == [":4096:8"] * 2


def test_messages_of_workers_reach_the_parent_and_nothing_reaches_standard_output(capfd: pytest.CaptureFixture[str]):
    report = Listener()
    in_parallel(talk, range(3), workers=2, threads=1, report=report)
    assert report.warnings == ["warning of every job"] and sorted(report.notes) == ["note 0", "note 1", "note 2"]
    assert report.steps == {(f"job {job}", 1000): 1000 for job in range(3)}
    assert set(report.status.values()) == {"step 999"} and not report.open
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err.count("this belongs on standard error") == 3


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("job", ["extra", "bug"])
def test_errors_keep_their_type_message_and_hint(number: int, job: str):
    with pytest.raises(Exception) as original:  # noqa: B017, PT011 - any type: the other one is compared with it
        fail(job, SILENT)
    with pytest.raises(original.type) as caught:
        in_parallel(fail, [job, job], workers=number, threads=1, report=SILENT)
    assert caught.type is original.type and str(caught.value) == str(original.value)
    if job == "extra":
        assert caught.value.hint == original.value.hint != ""
    elif number == 2:
        assert "raise {" in "".join(caught.value.__notes__)  # where in the worker, for --debug


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DlcliError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_dlcli_error_is_rebuilt_in_the_parent(kind: type[DlcliError]):
    sent = kind("reading", "parquet") if kind is MissingExtraError else kind("what [x]", hint="do that")
    how, *content = pickle.loads(worker_process.pickled_error(sent))
    found = workers.rebuilt_error(*content)
    assert how == "dlcli error" and type(found) is kind
    assert (found.message, found.hint, str(found)) == (sent.message, sent.hint, str(sent))


@pytest.mark.parametrize(("job", "kind", "words"), [("odd", RuntimeError, "Odd: 1"), ("exit", SystemExit, "7")])
def test_other_errors_keep_their_text(job: str, kind: type[BaseException], words: str):
    """An error that cannot be pickled, too."""
    with pytest.raises(BaseException) as caught:  # noqa: B017, PT011
        fail(job, SILENT)
    how, found = pickle.loads(worker_process.pickled_error(caught.value))
    assert (how, type(found), str(found)) == ("exception", kind, words)


def test_a_function_that_cannot_be_unpickled_in_a_worker_is_an_error():
    with pytest.raises(InputError, match="cannot be opened here") as caught:
        in_parallel(Asked(), [1, 2], workers=2, threads=1, report=SILENT)
    assert caught.value.hint == "open it elsewhere"


@pytest.mark.parametrize(("job", "message"), [("kill", "killed by SIGKILL"), ("exit", "exited with status 3")])
def test_a_worker_that_dies_is_a_resource_error(job: str, message: str):
    with pytest.raises(ResourceError, match=message):
        in_parallel(end, [job, job], workers=2, threads=1, report=SILENT)


def test_after_a_failure_the_others_may_finish_their_step(tmp_path: Path):
    with pytest.raises(NumericError, match="diverged"):
        in_parallel(until_stopped, [(tmp_path, "patient"), (tmp_path, "fail")], workers=2, threads=1, report=SILENT)
    assert (tmp_path / "finished").exists()
    assert not any(alive((tmp_path / name).read_text()) for name in ("patient", "fail"))


def test_after_a_failure_jobs_that_do_not_stop_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "_GRACE_S", 0.2)
    with pytest.raises(NumericError, match="diverged"):
        in_parallel(until_stopped, [(tmp_path, "deaf"), (tmp_path, "fail")], workers=2, threads=1, report=SILENT)
    assert not any(alive((tmp_path / name).read_text()) for name in ("deaf", "fail"))


def test_on_a_stop_running_jobs_stop_and_no_others_start():
    report = Listener(until={"job 1", "job 2"})
    found = in_parallel(step_by_step, range(5), workers=2, threads=1, report=report)
    assert found == [0, None, None, None, None]
    assert {label for label, _ in report.steps} == {"job 0", "job 1", "job 2"} and not report.open


def test_in_one_process_a_job_that_stopped_is_the_last_too():
    report = Listener(until={"job 1"})
    assert in_parallel(step_by_step, range(3), workers=1, threads=1, report=report) == [0, None, None]
    assert {label for label, _ in report.steps} == {"job 0", "job 1"}


def test_a_script_without_a_guard_runs_once(tmp_path: Path):
    (tmp_path / "script.py").write_text(
        "from dlcli.core.compute.workers import in_parallel\n"
        "from dlcli.support.reporter import SILENT\n"
        "from tests.core.compute.jobs import square\n"
        "print('once')\n"
        "print(in_parallel(square, [1, 2, 3], workers=2, threads=1, report=SILENT))\n"
    )
    (tmp_path / "socket.py").write_text("raise SystemExit('a file of the folder was taken for a module')\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("once\n[1, 4, 9]\n", 0), done.stderr


def test_workers_exit_when_the_parent_is_killed(tmp_path: Path):
    script = (
        "from pathlib import Path\n"
        "from dlcli.core.compute.workers import in_parallel\n"
        "from dlcli.support.reporter import SILENT\n"
        "from tests.core.compute.jobs import until_stopped\n"
        "jobs = [(Path('one'), 'deaf'), (Path('two'), 'deaf')]\n"
        "in_parallel(until_stopped, jobs, workers=2, threads=1, report=SILENT)\n"
    )
    files = [tmp_path / name / "deaf" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-P", "-c", script], cwd=tmp_path, env=environment) as process:
        assert within_a_minute(lambda: all(file.exists() and file.read_text() for file in files))
        process.kill()
    assert within_a_minute(lambda: not any(alive(file.read_text()) for file in files))


@pytest.mark.parametrize("visible", [None, "3,1,0", " 2 , 0,1", "GPU-1c8f,GPU-77ab,GPU-90de"])
def test_a_worker_finds_one_gpu_which_has_this_index_here(monkeypatch: pytest.MonkeyPatch, visible: str | None):
    """By torch's own reading of the environment."""
    for index in range(3):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        here = torch.cuda._parse_visible_devices()
        for name, value in workers._only(torch.device("cuda", index)).items():
            monkeypatch.setenv(name, value)
        assert torch.cuda._parse_visible_devices() == [here[index]]


def test_workers_take_the_gpus_in_turn_and_without_gpus_find_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    spread = [torch.device("cuda", 2), torch.device("cuda", 0)]
    assert in_parallel(visible_gpus, range(3), workers=3, threads=1, gpus=spread, report=SILENT) == [[6], [4], [6]]
    assert in_parallel(visible_gpus, range(2), workers=2, threads=1, report=SILENT) == [[4, 5, 6]] * 2


def test_out_of_memory_in_one_worker_splits_the_batches_of_its_own_job_only():
    """The others are as alone; the split one has, as in one process, the same weights but for rounding."""
    jobs = [1000, 7, 1000]
    here = in_parallel(fit_small, jobs, workers=1, threads=1, report=SILENT)
    gpus = [torch.device("cuda", 0), torch.device("cuda", 1)]
    there = in_parallel(fit_small, jobs, workers=2, threads=1, gpus=gpus, report=SILENT)
    assert there == here and [parts for parts, _ in there] == [1, 4, 1]
    assert there[0] == there[2] and there[1][1] == pytest.approx(there[0][1], abs=1e-6)
