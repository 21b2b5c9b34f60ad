"""The jobs of test_workers.py, in a module of their own so that a worker does not import what only tests need."""

import os
import signal
import sys
import time

import torch
from torch import nn

from dlcli.support.errors import InputError, MissingExtraError, NumericError


class Odd(Exception):
    """An exception that does not survive pickling: it wants two arguments and passes one on."""

    def __init__(self, one, two):
        super().__init__(one)


class Asked:
    """A function whose unpickling fails."""

    def __reduce__(self):
        return refuse, ()


def refuse():
    raise InputError("cannot be opened here", hint="open it elsewhere")


def square(job, report):
    return job * job


def where(job, report):
    return os.getpid(), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


def setting(job, report):
    return os.environ.get(job)


def talk(job, report):
    sys.stdout.write("this belongs on standard error\n")
    report.warn("warning of every job")
    report.note(f"note {job}")
    with report.task(f"job {job}", 1000) as task:
        for step in range(1000):
            task.advance()
            task.set_status(f"step {step}")
    return job


def fail(job, report):
    raise {
        "extra": MissingExtraError("reading parquet", "parquet"),
        "odd": Odd(1, 2),
        "bug": ZeroDivisionError("by nothing"),
        "exit": SystemExit(7),
    }[job]


def end(job, report):
    os.kill(os.getpid(), signal.SIGKILL) if job == "kill" else os._exit(3)


def until_stopped(job, report):
    """Job `fail` fails once another runs: `patient` runs until the parent asks it to stop, `deaf` never stops."""
    folder, kind = job
    (folder / kind).write_text(str(os.getpid()))
    if kind == "fail":
        while not any((folder / name).exists() for name in ("patient", "deaf")):
            time.sleep(0.01)
        raise NumericError("diverged")
    with report.stoppable() as stop:
        while kind == "deaf" or not stop():
            time.sleep(0.01)
    (folder / "finished").write_text("")


def step_by_step(job, report):
    with report.stoppable() as stop, report.task(f"job {job}") as task:
        for _ in range(3 if job == 0 else 100_000):
            time.sleep(0.01)
            task.advance()
            if stop():
                return None
    return job


def visible_gpus(job, report):
    """The GPUs that CUDA shows to this process: their numbers or UUIDs, in its order."""
    return torch.cuda._parse_visible_devices()


class Narrow(nn.Linear):
    """A network that takes no more than `most` examples at a time."""

    most = 0

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError
        return super().forward(x.flatten(1))


def fit_small(most, report):
    """Train where memory suffices for `most` examples; in how many parts a step was, and the weights."""
    from dlcli.core.training.loop import Training
    from dlcli.core.training.recipe import Recipe

    torch.manual_seed(0)
    model = Narrow(16, 3)
    model.most = most
    recipe = Recipe(epochs=2, batch_size=20, lr=0.1, optimizer="sgd", options={}, dtype="float32")
    x, y = torch.rand(60, 1, 4, 4), torch.arange(60) % 3
    training = Training(model, x, y, recipe, seed=0, device=torch.device("cpu"))
    with report.task("fitting") as task:
        while not training.done:
            training.run_epoch(task)
    return training.gradients.parts, model.weight.flatten().tolist()
