"""Many small networks: stacked into one, one after the other, and on several CUDA streams."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.data.base import ImageData
from dlcli.core.ensembles.stacked import StackedTraining
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe

from .networks import epoch, images, seeded
from .rows import Row, measured
from .setup import Setup
from .timing import median_seconds

STREAMS = 8
EPOCHS = 1000
"""More than are run: a training is timed for several epochs."""


def stacked_speed(setup: Setup) -> Iterator[Row]:
    """An epoch of all members in each of the three ways; images of all members per second."""
    data = images(setup.file("mnist.npz"))
    arch = open_model("lenet" if data.size[0] >= 28 else "digits-net", data)
    members, n = setup.size((3, 128), (50, 1280))
    recipe = replace(arch.recipe, epochs=EPOCHS)
    draws = [torch.arange(k, k + n) for k in range(members)]
    stacked = _stacked(setup, data, arch.build, recipe, draws)
    alone = [_alone(setup, data, arch.build, recipe, draw, seed) for seed, draw in enumerate(draws)]
    streams = [torch.cuda.Stream(setup.device) for _ in range(STREAMS)] if setup.device.type == "cuda" else [None] * 2
    runs = {
        "stacked": lambda: epoch(stacked),
        "one after the other": lambda: [epoch(one) for one in alone],
        f"on {len(streams)} streams": lambda: _on_streams(setup, alone, streams),
    }
    seconds = median_seconds(setup, runs)
    note = f"{members} members of {arch.name}, {n} images of {Path(data.name).name} each, batches of {recipe.batch_size}"
    for name, found in seconds.items():
        way = name if setup.device.type == "cuda" or "streams" not in name else "in 2 threads (a CPU has no streams)"
        yield measured(f"members {way}", members * n / found, "images/s", note=note)
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


def _on_streams(setup: Setup, trainings: list[Training], streams: list[torch.cuda.Stream | None]) -> None:
    """Deal the members to the streams; a thread launches the work of each."""

    def work(number: int) -> None:
        stream = streams[number]
        with nullcontext() if stream is None else torch.cuda.stream(stream):
            for training in trainings[number :: len(streams)]:
                epoch(training)

    setup.synchronize()
    with ThreadPoolExecutor(len(streams)) as pool:
        list(pool.map(work, range(len(streams))))
    setup.synchronize()


PARTS = (stacked_speed,)
