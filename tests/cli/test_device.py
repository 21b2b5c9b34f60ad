"""Every command that takes --device runs on the CPU of a machine whose GPU driver is broken."""

import subprocess
from pathlib import Path

import pytest

from dlcli.cli.command import SUBCOMMANDS
from tests.cli.cases import CASES, Case
from tests.conftest import DLCLI, ROOT

BROKEN_DRIVER = '''
"""Python imports this file at the start. When torch is imported it finds a GPU, and fails to initialise it."""

import importlib.abc
import importlib.util
import pathlib
import sys


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            break_cuda(module)

        spec.loader.exec_module = exec_module
        return spec


def failing():
    def fail(*args, **options):  # a new one each time: torch._dynamo keeps what it knows of a function by the function
        pathlib.Path(__file__).with_name("initialised").touch()
        raise RuntimeError("CUDA unknown error")

    return fail


def break_cuda(torch):
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch._C._cuda_init = failing()
    for name in ("_lazy_init", "get_rng_state", "get_rng_state_all", "set_rng_state", "set_rng_state_all", "mem_get_info"):
        setattr(torch.cuda, name, failing())


sys.meta_path.insert(0, Finder())
'''


def takes_device(case: Case) -> bool:
    name = case.name.replace("-", "_")
    module = __import__(f"dlcli.specs.{name}", fromlist=["x"])
    return "device" in getattr(module, f"{case.name.title().replace('-', '')}Config").__dataclass_fields__


WITH_DEVICE = [case for case in CASES if takes_device(case)]


@pytest.fixture
def broken_driver(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a process, and of those that it starts, for which the GPU of this machine is broken."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BROKEN_DRIVER)
    return {**environment, "PYTHONPATH": f"{folder}:{ROOT}", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_most_commands_take_a_device():
    assert {"train", "eval", "predict", "ensemble", "attack", "probe-gradients"} <= {case.name for case in WITH_DEVICE}
    assert len(WITH_DEVICE) <= len(SUBCOMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("case", WITH_DEVICE, ids=lambda case: case.name)
def test_a_broken_driver_is_not_asked(case: Case, broken_driver: dict[str, str], tmp_path: Path):
    words = case.quick if "--device" in case.quick else (*case.quick, "--device", "cpu")
    words += ("--workers", "2") if case.name == "ensemble" else ()  # processes of their own
    command = [*DLCLI, case.name, *words, "-o", str(tmp_path / case.output)]
    done = subprocess.run(command, env=broken_driver, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "site" / "initialised").exists()


@pytest.mark.slow
def test_the_driver_is_broken(broken_driver: dict[str, str], tmp_path: Path):
    done = subprocess.run(
        [*DLCLI, "predict", "--limit", "5"], env=broken_driver, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0 and b"CUDA unknown error" in done.stderr
    assert (tmp_path / "site" / "initialised").exists()
