"""Jobs on a real Ray cluster: the results of one machine, whatever happens to nodes, and one line for what is wrong."""

import hashlib
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import dlcli
from dlcli.support.errors import UsageError
from tests.cluster.conftest import LocalCluster
from tests.conftest import ROOT

pytestmark = pytest.mark.cluster

NETS = """
from torch import nn
def net():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(288, 10))
"""
_LISTENING = "0A"
_LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
ENSEMBLE = ("ensemble", "--data", "digits", "--model", "nets.py:net", "--members", "3", "--epochs", "40")


def commands_of(page: str) -> list[str]:
    """The commands of a page of the documentation that run as they stand."""
    found: list[str] = re.findall(r"^\$ (dlcli .*)$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    assert any("--cluster auto" in line for line in found)
    return found


class Driver:
    """`dlcli ARGUMENTS` in a process of its own."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "dlcli", *arguments]
        self.process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, status: int = 0, seconds: float = 300) -> tuple[str, str]:
        """Standard output and standard error, once it has ended with this status."""
        out, err = self.process.communicate(timeout=seconds)
        assert self.process.returncode == status, err
        return out, err

    def await_file(self, file: Path) -> None:
        """Wait until a file is there."""
        while not file.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("work")
    (found / "nets.py").write_text(NETS)
    digits = load_digits()
    x, y = (digits.images[:, None] * (255 / 16)).astype(np.uint8), digits.target.astype(np.int64)
    # So many that a set of images is made in two parts.
    np.savez(found / "many.npz", x_train=x[:500], y_train=y[:500], x_test=x[500:1000], y_test=y[500:1000])
    return found


@pytest.fixture(scope="module")
def start(folder: Path, cluster: LocalCluster) -> Iterator[Callable[..., Driver]]:
    """Start dlcli beside the cluster."""
    started: list[Driver] = []

    def begin(*arguments: str, **variables: str) -> Driver:
        started.append(Driver(*arguments, cwd=folder, env={**cluster.environment, **variables}))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.fixture(scope="module")
def here(start: Callable[..., Driver], folder: Path) -> str:
    """What the ensemble gives that is trained on this machine: its standard output."""
    return start(*ENSEMBLE, "-o", "here").result()[0]


def weights(folder: Path) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("members/*/weights.safetensors"))]


def timeless(text: str) -> Any:
    """A result without times and the name of its folder."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cleaned(one) for name, one in value.items() if not re.search("seconds|^folder$", name)}
        return list(map(cleaned, value)) if isinstance(value, list) else value

    return cleaned(json.loads(text))


def running_jobs() -> list[str]:
    """The processes that run a job of a cluster, by their titles."""
    titles = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            titles.append(file.read_text(errors="replace").strip("\0 "))
        except OSError:
            continue
    return [title for title in titles if title.startswith("ray::run_job")]


def listeners(folder: str) -> set[str]:
    """The addresses on which processes listen whose RAY_TMPDIR is `folder`, in the hexadecimal form of /proc."""
    inodes = set[str]()
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"RAY_TMPDIR={folder}\0".encode() in file.read_bytes():
                links = [os.readlink(link) for link in (file.parent / "fd").iterdir()]
                inodes |= {link[8:-1] for link in links if link.startswith("socket:")}
        except OSError:  # it has ended meanwhile
            continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == _LISTENING and row[9] in inodes}


def test_an_ensemble_is_that_of_one_machine_though_a_node_is_lost(
    cluster: LocalCluster, start: Callable[..., Driver], folder: Path, here: str
):
    driver = start(*ENSEMBLE, "-o", "there", "--cluster", cluster.address)
    driver.await_file(folder / "there" / "members" / "000" / "model.json")
    cluster.ask("kill", "0")
    out, err = driver.result()
    cluster.replace_node()
    assert weights(folder / "there") == weights(folder / "here") and len(weights(folder / "there")) == 3
    assert timeless(out) == timeless(here)
    known = ("members are trained on", "training member", "mean rule", "wrote", "open")
    assert all(line.startswith(known) for line in err.splitlines()), err
    # The processes of the cluster write files that only the owner may read.
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in (folder / "there").rglob("*") if file.is_file())


@pytest.mark.usefixtures("here")
def test_a_terminated_run_leaves_no_job_and_resumes(cluster: LocalCluster, start: Callable[..., Driver], folder: Path):
    arguments = (*ENSEMBLE, "-o", "stopped", "--cluster", cluster.address, "--workers", "1")
    driver = start(*arguments)
    driver.await_file(folder / "stopped" / "members" / "000" / "model.json")
    driver.process.send_signal(signal.SIGTERM)
    _, err = driver.result(143, seconds=10)
    assert err.splitlines()[-1] == "dlcli ensemble: terminated"
    deadline = time.monotonic() + 10
    while running_jobs() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running_jobs()
    assert not (folder / "stopped" / "ensemble.json").exists()
    start(*arguments, "--resume").result()
    assert weights(folder / "stopped") == weights(folder / "here")


def test_all_sockets_are_on_the_loopback_interface(cluster: LocalCluster):
    found = listeners(cluster.environment["RAY_TMPDIR"])
    assert found and found <= _LOOPBACK


def test_a_node_with_another_version_is_named(cluster: LocalCluster, start: Callable[..., Driver], tmp_path: Path):
    other = tmp_path / "torch-2.0.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n")
    nodes = cluster.ask("add", f"PYTHONPATH={tmp_path}:{cluster.environment['PYTHONPATH']}")["nodes"]
    _, err = start(*ENSEMBLE, "-o", "mixed", "--cluster", cluster.address).result(3)
    cluster.ask("kill", "-1")
    (line,) = [line for line in err.splitlines() if line.startswith("dlcli ensemble:")]
    assert re.search(rf"node 127\.0\.0\.1 \({nodes[-1][:8]}\) differs: torch 2\.0\.0, here ", line)


def test_objects_in_memory_are_refused(cluster: LocalCluster):
    data = {"x": np.zeros((8, 1, 8, 8), np.float32), "y": np.arange(8) % 2}
    with pytest.raises(UsageError, match="`cluster`"):
        dlcli.ensemble(data=data, members=2, cluster=cluster.address)


ATTACK = ("attack", "--data", "many.npz", "--ensemble", "max", "--members", "2", "--epochs", "2")
METHODS = ("--method", "fgsm,pgd", "--eps", "0.1", "--save")


def images(file: Path) -> dict[str, bytes]:
    with np.load(file) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


def test_an_attack_is_that_of_one_machine_though_a_node_is_lost(
    cluster: LocalCluster, start: Callable[..., Driver], folder: Path, tmp_path: Path
):
    here, _ = start(*ATTACK, *METHODS, "here.npz", XDG_CACHE_HOME=str(tmp_path / "a")).result()
    arguments = (*ATTACK, *METHODS, "there.npz", "--cluster", cluster.address)
    driver = start(*arguments, XDG_CACHE_HOME=str(tmp_path / "b"))
    driver.await_file(folder / "there.npz.parts" / "fgsm-0.1-baseline-part-1-of-2.safetensors")
    cluster.ask("kill", "0")
    there, _ = driver.result()
    cluster.replace_node()
    assert timeless(there) == timeless(here)
    assert images(folder / "there.npz") == images(folder / "here.npz")


def test_a_comparison_is_that_of_one_machine(cluster: LocalCluster, start: Callable[..., Driver]):
    arguments = ("train", "--model", "mlp", "--epochs", "1", "--with", "elu", "--versus", "baseline", "--seeds", "2")
    here, _ = start(*arguments, "-o", "compared-here").result()
    there, _ = start(*arguments, "-o", "compared-there", "--cluster", cluster.address).result()
    rows = timeless(here)["rows"]
    assert len({row["weights_sha256"] for row in rows}) == 4
    assert timeless(there)["rows"] == rows


def test_predictions_are_those_of_one_machine(start: Callable[..., Driver], cluster: LocalCluster, folder: Path):
    start("train", "many.npz", "--model", "mlp", "--epochs", "1", "-o", "mlp").result()
    there = ("--cluster", cluster.address)
    rows = [start("predict", "mlp", "many.npz", "--split", "test", *where).result()[0] for where in (("--workers", "1"), there)]
    assert rows[0] == rows[1] and len(rows[0].splitlines()) == 501
    figures = [timeless(start("eval", "mlp", "many.npz", *where).result()[0]) for where in (("--workers", "1"), there)]
    assert figures[0] == figures[1]
    assert not [file for file in folder.rglob("*") if file.is_file() and file.stat().st_mode & 0o044 != 0o044]


WORDS = (
    "how",
    "can",
    "i",
    "learn",
    "cook",
    "train",
    "a",
    "the",
    "dog",
    "network",
    "fast",
    "at",
    "home",
    "without",
    "money",
    "why",
)


def test_a_table_is_that_of_one_machine_though_a_node_is_lost(
    cluster: LocalCluster, start: Callable[..., Driver], folder: Path
):
    source = random.Random(0)
    rows = [" ".join(source.choices(WORDS, k=source.randint(5, 9))) for _ in range(6000)]
    (folder / "table.csv").write_text("question\n" + "\n".join(rows) + "\n")
    start("dedupe", "table.csv", "-o", "here.csv").result()
    driver = start("dedupe", "table.csv", "-o", "there.csv", "--cluster", cluster.address)
    driver.await_file(folder / "there.csv.parts" / "cell-000-000.npz")
    cluster.ask("kill", "0")
    driver.result()
    cluster.replace_node()
    assert (folder / "there.csv").read_bytes() == (folder / "here.csv").read_bytes()


def test_a_wrong_token_is_refused(cluster: LocalCluster, start: Callable[..., Driver], tmp_path: Path):
    (tmp_path / "token").write_text("0" * 64)
    driver = start(*ENSEMBLE, "-o", "refused", "--cluster", cluster.address, RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"))
    _, err = driver.result(5)
    assert "cannot be used" in err and "RAY_AUTH_TOKEN_PATH" in err


@pytest.mark.parametrize("line", [*commands_of("cluster.md"), *commands_of("scale.md")])
def test_the_commands_of_the_documentation_run(line: str, cluster: LocalCluster, start: Callable[..., Driver]):
    start(*shlex.split(line)[1:], RAY_ADDRESS=cluster.address).result()
