"""Running out of memory: batches are halved, and the results stay."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.compute.device import out_of_memory, release
from dlcli.core.compute.forward import predict_logits
from dlcli.core.compute.rng import generator
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe

from .networks import epoch, on, relative, seeded, weights_of
from .rows import Row, at_most, holds, not_on_cpu
from .setup import CPU, Setup

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1 << 30
"""Bytes of the card's memory for this process."""
ROOM = 20
"""On a CPU: how many images the network takes at a time."""
RECIPE = Recipe(epochs=1, batch_size=1 << 20, optimizer="sgd", lr=0.1, dtype="float32")
FORMS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
)


class Wide(nn.Sequential):
    """A network that turns an image into much larger activations; `room` images at a time at most, None for any."""

    def __init__(self, room: int | None) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 3, stride=2),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(512, 10),
        )
        self.room, self.refused = room, 0

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to logits (n, 10)."""
        if self.room is not None and len(x) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError(f"room for {self.room} images, not for {len(x)}")
        logits: Tensor = super().forward(x)
        return logits


@contextmanager
def little_memory(setup: Setup) -> Iterator[None]:
    """A gibibyte of the card's memory inside the block; on a CPU `Wide` stands for it."""
    if setup.on_cpu:
        yield
        return
    release(setup.device)
    whole = torch.cuda.get_device_properties(setup.device).total_memory
    torch.cuda.set_per_process_memory_fraction(LIMIT / whole, setup.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, setup.device)
        release(setup.device)


@cache
def _examples(n: int, side: int) -> tuple[Tensor, Tensor]:
    source = generator(0)
    return torch.rand(n, 3, side, side, generator=source), torch.randint(10, (n,), generator=source)


def _networks(setup: Setup) -> tuple[Wide, nn.Module]:
    """The network on the device, and the same without a limit in the type of the reference on the CPU."""
    tight = seeded(lambda: Wide(ROOM if setup.on_cpu else None))
    loose = seeded(lambda: Wide(None))
    return on(tight, setup.device), on(loose, CPU, setup.reference)


def training_in_parts(setup: Setup) -> Iterator[Row]:
    """A step that does not fit is taken in parts, and ends with the weights of the whole batch on the CPU."""
    x, y = _examples(*setup.size((64, 12), (512, 224)))
    ours, theirs = _networks(setup)
    before = weights_of(theirs)
    with little_memory(setup):
        training = Training(ours, x, y, RECIPE, seed=0, device=setup.device)
        epoch(training)
    epoch(Training(theirs, x.to(setup.reference), y, RECIPE, seed=0, device=CPU, dtype=torch.float32))
    note = f"in {training.gradients.parts} parts, {_how(setup)}"
    yield holds("training halves the batch", training.gradients.parts > 1, "in 2 parts or more", note)
    error = relative(weights_of(ours) - before, weights_of(theirs) - before)
    yield at_most("the step in parts beside the whole batch", error, 1e-4, f"{len(x)} images, {setup.against}")


def prediction_in_parts(setup: Setup) -> Iterator[Row]:
    """`predict_logits` halves a batch that does not fit."""
    x, _ = _examples(*setup.size((64, 12), (512, 224)))
    ours, theirs = _networks(setup)
    with little_memory(setup):
        found = predict_logits(ours, x, device=setup.device, batch_size=len(x))
    wanted = predict_logits(theirs, x.to(setup.reference), device=CPU)
    yield at_most("logits in parts beside the CPU's", relative(found, wanted), 1e-5, f"{len(x)} images, {_how(setup)}")


def attack_in_parts(setup: Setup) -> Iterator[Row]:
    """An attack halves a batch that does not fit."""
    x, _ = _examples(*setup.size((64, 12), (512, 224)))
    ours, theirs = _networks(setup)
    y = predict_logits(theirs, x.to(setup.reference), device=CPU).argmax(1)
    attack = load_attack("pgd").with_options(steps=3, precision="float32")
    with little_memory(setup):
        found = attack(ours, x, y, eps=0.03, full=True, batch_size=len(x))
    changed = (found - x).abs().amax((1, 2, 3))
    reached = bool(((changed > 0) & (changed <= 0.03 + 1e-6)).all())
    yield holds("an attack in parts", reached, "every image changed, by at most eps", f"{len(x)} images, {_how(setup)}")


def _how(setup: Setup) -> str:
    if setup.on_cpu:
        return f"a network that raises torch.OutOfMemoryError above {ROOM} images stands for the card"
    return f"with {LIMIT >> 20} MiB of the card's memory"


def forms(setup: Setup) -> Iterator[Row]:
    """Each of CUDA's ways to say that memory ran out is recognised, and another error is not."""
    known = [out_of_memory(error) for error in FORMS]
    other = out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    yield holds("forms of the error", all(known) and not other, f"{len(FORMS)} of {len(FORMS)}", f"{sum(known)} recognised")


_FULL_CARD = """
import torch
from dlcli.core.compute.device import out_of_memory
kept = []
for size in (1 << 30, 1 << 26, 1 << 22):
    try:
        while True:
            kept.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except RuntimeError:
        pass
for name, use in (("cublas", lambda: kept[-1][:4096].view(torch.float32).view(32, 32) @ torch.ones(32, 32, device="cuda")),
                  ("cudnn", lambda: torch.nn.functional.conv2d(kept[-1][:4096].view(torch.float32).view(1, 1, 32, 32),
                                                               kept[-1][:36].view(torch.float32).view(1, 1, 3, 3)))):
    try:
        use()
        torch.cuda.synchronize()
        print(name, "fitted")
    except Exception as error:
        print(name, "recognised" if out_of_memory(error) else "MISSED", type(error).__name__, str(error).splitlines()[0])
"""


def full_card(setup: Setup) -> Iterator[Row]:
    """What cuBLAS and cuDNN raise at their first call on a card that is full, in a process of its own, is recognised."""
    name = "cuBLAS and cuDNN on a full card"
    if setup.device.type != "cuda":
        yield not_on_cpu(name, "there is no card to fill")
        return
    release(setup.device)
    command, environment = [sys.executable, "-c", _FULL_CARD], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    said = "; ".join(done.stdout.split("\n")).strip("; ") or done.stderr[-300:]
    yield holds(name, done.returncode == 0 and "MISSED" not in said, "recognised", said)


PARTS = (training_in_parts, prediction_in_parts, attack_in_parts, forms, full_card)
