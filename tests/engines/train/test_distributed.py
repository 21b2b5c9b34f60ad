"""One network trained by two processes of the real torchrun: the weights of one process, one record, and no half of a run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dlcli.cli.command import SUBCOMMANDS
from dlcli.core.compute.ranks import Ranks, device_of_rank
from dlcli.engines import train
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import ResourceError, UsageError
from tests.engines.train.rank_jobs import COMMON, NETS, RANDOM, VARIANTS

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
WORDS = [f"--{name.replace('_', '-')}={value}" for name, value in {**COMMON, **RANDOM}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("ranks")
    (found / "nets.py").write_text(NETS)
    return found


@pytest.fixture(scope="module")
def together(folder: Path, environment: dict[str, str]) -> Path:
    """The networks of `VARIANTS` and `RANDOM`, trained by two processes."""
    command = [*TORCHRUN, "-m", "tests.engines.train.rank_jobs", folder / "two"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    return folder / "two"


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_train_the_weights_of_one(together: Path, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    one = folder / "one" / name
    train.run(TrainConfig(**{**COMMON, **VARIANTS[name]}, output=one))
    (a, b) = (load_file(run / "weights.safetensors") for run in (one, together / name))
    assert a.keys() == b.keys()
    first, second = (torch.cat([weight.double().flatten() for weight in run.values()]) for run in (a, b))
    assert float((first - second).norm() / first.norm()) <= 1e-6
    record = json.loads((together / name / "run.json").read_text())
    assert "trained by 2 processes, each on its part of every batch" in record["result"]["notes"]
    assert {file.name for file in (together / name).iterdir()} == {file.name for file in one.iterdir()} | {"run.json"}


class Launched:
    """`torchrun --nproc-per-node 2 -m dlcli train ARGUMENTS`, in a process group of its own."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str]) -> None:
        command = [*TORCHRUN, "-m", "dlcli", "train", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=cwd, env=env, start_new_session=True, **streams)

    def ranks(self) -> list[int]:
        """The processes that torchrun has started, by rank."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for child in map(int, children):
            values = dict(word.partition("=")[::2] for word in Path(f"/proc/{child}/environ").read_text().split("\0"))
            found[int(values["RANK"])] = child
        return [found[rank] for rank in sorted(found)]


@pytest.fixture
def launch(folder: Path, environment: dict[str, str]) -> Iterator[type]:
    started: list[Launched] = []

    def start(*arguments: str) -> Launched:
        started.append(Launched(*arguments, cwd=folder, env=environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.communicate()


def await_file(file: Path, process: "subprocess.Popen[bytes]") -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the ranks of processes are read from /proc")
def test_a_rank_that_is_killed_ends_all_and_the_run_resumes_to_the_bit(together: Path, folder: Path, launch, dlcli):
    killed = launch(*WORDS, "-o", "killed")
    await_file(folder / "killed" / "state.safetensors", killed.process)
    ranks = killed.ranks()
    os.kill(ranks[1], signal.SIGKILL)
    _, said = killed.process.communicate(timeout=30)
    assert killed.process.returncode != 0
    assert b"dlcli train: another process of this training has ended" in said
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    assert not (folder / "killed" / "weights.safetensors").exists()

    other = dlcli("train", *WORDS, "-o", "killed", "--resume", cwd=folder)
    assert other.returncode == 2
    assert b"--resume: killed was started with another number of processes" in other.stderr

    again = launch(*WORDS, "-o", "killed", "--resume").process
    out, said = again.communicate(timeout=300)
    assert again.returncode == 0, said.decode()
    assert json.loads(out)["folder"] == "killed"
    whole, resumed = (run / "weights.safetensors" for run in (together / "random", folder / "killed"))
    assert whole.read_bytes() == resumed.read_bytes()
    notes = json.loads((folder / "killed" / "run.json").read_text())["result"]["notes"]
    assert "dropout: each of the 2 processes draws its own masks, from the seed and its rank" in notes


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are read from /proc")
def test_no_thread_of_the_exchange_outlives_it(environment: dict[str, str]):
    # One that gives up a tensor while the interpreter ends aborts the process.
    command = [*TORCHRUN, "-m", "tests.engines.train.rank_threads"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": 1, "WORLD_SIZE": 3, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 3}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"versus": "elu"}, "a comparison trains several networks"),
        ({"labels": 10, "semi": "fixmatch"}, "`semi`"),
        ({"pretrain": "siamese"}, "`pretrain`"),
        ({"task": "pairs", "data": "pairs.csv"}, "`task=pairs`"),
    ],
)
def test_what_several_processes_cannot_train_is_refused_by_name(launched: None, options: dict[str, object], named: str):
    for function in (train.run, train.plan):
        with pytest.raises(UsageError, match=named):
            function(TrainConfig(**options))


def test_too_small_batches_and_shared_gpus_are_refused(launched: None, gpus):
    gpus("H100", "H100")
    with pytest.raises(UsageError, match="cannot share cuda:0"):
        device_of_rank("cuda:0")
    with pytest.raises(ResourceError, match="torchrun started 3 processes, and torch finds 2 GPUs"):
        device_of_rank("auto")
    gpus("H100", "H100", "H100")
    assert device_of_rank("cuda") == torch.device("cuda", 1)
    gpus()
    assert device_of_rank("auto") == torch.device("cpu")


def test_parts_cover_a_batch_in_order():
    batch = torch.arange(10)
    assert torch.equal(torch.cat([Ranks(rank, 4).part(batch) for rank in range(4)]), batch)


@pytest.mark.parametrize("command", sorted({*SUBCOMMANDS} - {"train"}))
def test_other_commands_are_refused(command: str, monkeypatch: pytest.MonkeyPatch, launched: None):
    from importlib import import_module

    from dlcli.cli.execute import execute
    from dlcli.specs.shared import RunOptions

    found = import_module(f"dlcli.cli.commands.{command.replace('-', '_')}").COMMAND
    config = type("Config", (), {"output": None})()
    with pytest.raises(UsageError, match=f"torchrun starts 3 processes, and `dlcli {command}` runs in one"):
        execute(found, config, RunOptions())
