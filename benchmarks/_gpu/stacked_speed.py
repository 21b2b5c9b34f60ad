"""Many small networks: stacked into one, one after the other, and a bare loop on several CUDA streams."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData
from dlcli.core.ensembles.stacked import StackedTraining
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe

from .networks import epoch, images, seeded
from .rows import Row, measured
from .setup import Setup
from .timing import median_seconds
from .training_speed import plain_step

STREAMS = 8
BATCH = 64
EPOCHS = 1000
"""More than are run: a training is timed for several epochs."""


def stacked_speed(setup: Setup) -> Iterator[Row]:
    """An epoch of all members in each of the three ways; images of all members per second."""
    data = images(setup.file("mnist.npz"))
    arch = open_model("lenet" if data.size[0] >= 28 else "digits-net", data)
    members, n = setup.size((3, 128), (50, 1280))
    recipe = replace(arch.recipe, epochs=EPOCHS, batch_size=BATCH)
    draws = [torch.arange(k, k + n) for k in range(members)]
    stacked = _stacked(setup, data, arch.build, recipe, draws)
    alone = [_alone(setup, data, arch.build, recipe, draw, seed) for seed, draw in enumerate(draws)]
    streams = [torch.cuda.Stream(setup.device) for _ in range(STREAMS)] if setup.device.type == "cuda" else []
    runs = {
        "stacked": lambda: epoch(stacked),
        "one after the other": lambda: [epoch(one) for one in alone],
        "in a bare loop" + (f" on {STREAMS} streams" if streams else ""): _bare_loop(setup, data, arch.build, draws, streams),
    }
    seconds = median_seconds(setup, runs)
    note = f"{members} members of {arch.name}, {n} images of {Path(data.name).name} each, batches of {recipe.batch_size}"
    for name, found in seconds.items():
        yield measured(f"members {name}", members * n / found, "images/s", note=note)
    yield measured("stacked over one after the other", seconds["one after the other"] / seconds["stacked"], "times", note=note)


def _stacked(
    setup: Setup, data: ImageData, build: Callable[[], nn.Module], recipe: Recipe, draws: list[Tensor]
) -> StackedTraining:
    seeds = range(len(draws))
    models = [seeded(build, seed).to(setup.device) for seed in seeds]
    return StackedTraining(models, data.x_train, data.y_train, recipe, draws=draws, seeds=seeds, device=setup.device)


def _alone(setup: Setup, data: ImageData, build: Callable[[], nn.Module], recipe: Recipe, draw: Tensor, seed: int) -> Training:
    x, y = data.x_train[draw], data.y_train[draw]
    return Training(seeded(build, seed), x, y, recipe, seed=seed, device=setup.device)


def _bare_loop(
    setup: Setup,
    data: ImageData,
    build: Callable[[], nn.Module],
    draws: list[Tensor],
    streams: list[torch.cuda.Stream],
) -> Callable[[], None]:
    """An epoch of all members, a step of each in turn, the members dealt to the streams; a CPU has none.

    One thread launches everything: `Training` sets what holds for the whole process, so that two cannot run at a time.
    """
    models = [seeded(build, seed).to(setup.device).train() for seed in range(len(draws))]
    optimizers = [torch.optim.Adam(model.parameters(), lr=1e-3, fused=True) for model in models]
    x = [to_float(data.x_train[draw]).to(setup.device) for draw in draws]
    y = [data.y_train[draw].to(setup.device) for draw in draws]

    def run() -> None:
        batches = torch.arange(len(draws[0]), device=setup.device).split(BATCH)
        setup.synchronize()  # the streams do not wait for what is on its way
        for picked in batches:
            for number, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
                with torch.cuda.stream(streams[number % len(streams)]) if streams else nullcontext():
                    plain_step(model, optimizer, x[number][picked], y[number][picked])
        setup.synchronize()

    return run


PARTS = (stacked_speed,)
