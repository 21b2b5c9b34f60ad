"""What all tests share: running the real program, and where the real data lies."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import program

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
DLCLI = [sys.executable, "-m", "dlcli"]

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Start = Callable[..., program.Program]

with suppress(ImportError):  # a GPU machine may lack it
    from hypothesis import HealthCheck, settings

    # How long an example takes depends on what else the machine does.
    settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any speed")
# By default every 700 new objects start a collection, and the largest of these look through all that torch has made.
gc.set_threshold(10_000, 20, 50)


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of every later collection."""
    gc.collect()
    gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m device`, import the tests of devices only: the others need packages that a GPU machine may lack."""
    devices = ROOT / "tests" / "device"
    elsewhere = not collection_path.is_relative_to(devices) and not devices.is_relative_to(collection_path)
    return True if config.option.markexpr == "device" and elsewhere else None


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session and all its workers, so that each network is trained once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


@pytest.fixture(scope="session")
def environment(cache_home: Path) -> dict[str, str]:
    """The environment of a cron job, more or less: no terminal, no settings of the person who runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DLCLI_", "_DLCLI"))}
    return {**kept, "XDG_CACHE_HOME": str(cache_home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="session")
def preloaded(environment: dict[str, str]) -> None:
    """A process with the heavy packages imported, from which runs of `dlcli` are forked."""
    program.start(environment)


@pytest.fixture
def forked_workers(preloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes that are forked with torch imported; those of dlcli.core.compute.workers' own tests are not."""
    from dlcli.core.compute import workers

    monkeypatch.setattr(workers, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": program.Worker}))


@pytest.fixture
def start_dlcli(environment: dict[str, str], preloaded: None, tmp_path: Path) -> Start:
    """Start `dlcli ARGUMENTS` in a process of its own, in an empty folder; see `tests.program.Program` for the options."""

    def start(*arguments: str | Path, **options: Any) -> program.Program:
        return program.Program(["dlcli", *arguments], **{"cwd": tmp_path, "env": environment, **options})

    return start


@pytest.fixture
def dlcli(environment: dict[str, str], preloaded: None, tmp_path: Path) -> Run:
    """Run `dlcli ARGUMENTS` in a process of its own, in an empty folder; stdin is empty unless given.

    Environment variables that a package reads when it is imported take a fresh interpreter.
    """

    def run(*arguments: str | Path, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        settings = {"cwd": tmp_path, "env": environment, "timeout": 300, **options}
        changed = {name for name, value in settings["env"].items() if environment.get(name) != value}
        if all(name.startswith(("DLCLI_", "_DLCLI")) for name in changed):
            return program.run(["dlcli", *arguments], stdin=stdin, **settings)
        return subprocess.run([*DLCLI, *map(str, arguments)], input=stdin, check=False, capture_output=True, **settings)

    return run


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The path of a file of real data; skips the test where the data is not there."""

    def find(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"real data {name} is not on this machine; a twin of this test runs on embedded data")
        return DATA / name

    return find


@pytest.fixture
def no_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A device that computes but refuses float64 and tensors of other devices, as Apple's GPUs do."""
    from dlcli.core.compute import precision
    from tests.fake_device import FAKE, fake_device

    monkeypatch.setattr(precision, "WITHOUT_FLOAT64", {FAKE.type})
    with fake_device() as device:
        yield device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make torch report GPUs of these models in this process; its workers find the machine as it is."""

    def found(*names: str) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: bool(names))
        monkeypatch.setattr("torch.cuda.device_count", lambda: len(names))
        monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda device: names[getattr(device, "index", device) or 0])
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (9, 0))

    return found
