"""Agreement of training: with the CPU, with itself, and of stacked networks with networks trained alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData
from dlcli.core.ensembles.stacked import StackedTraining
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe
from dlcli.engines import train as train_engine
from dlcli.specs.train import TrainConfig
from dlcli.support.reporter import SILENT

from .networks import epoch, images, on, relative, seeded, weights_of, without_dropout
from .rows import Row, at_most, holds, not_on_cpu
from .setup import CPU, Setup

STEPS = 20
BATCH = 32
MEMBERS = 3
STOP = 7
EXACT = Recipe(epochs=1, batch_size=BATCH, optimizer="sgd", lr=0.01, dtype="float32")
# The learning rate of 20 steps, and the largest difference relative to the change of the weights. At the usual rates batch
# normalisation doubles a difference in each step: float32 and float64 end 1e-2 or more apart on one CPU. At these rates they
# end 3e-5 apart (digits-net) and 5e-4 to 2e-3 (ResNet-20), and convolutions that round to the 10 bits of TF32 end 2e-2 away.
NETWORKS = {"digits-net": (0.01, 1e-3), "cifar-resnet-20": (3e-4, 1e-2)}


def steps_agree(setup: Setup) -> Iterator[Row]:
    """One step and 20 steps on the device and on the CPU from the same weights, in float32.

    Differences are relative to the change of the weights; that of one step is the gradient.
    """
    cifar = setup.file("cifar10_subset.npz")
    for (name, (lr, limit)), data in zip(NETWORKS.items(), (images(None), images(cifar)), strict=True):
        model = without_dropout(seeded(open_model(name, data).build))
        before = weights_of(model)
        # The single step is a large one, so that rounding the weights after it is small beside the change.
        for steps, recipe in ((1, replace(EXACT, lr=1.0)), (STEPS, replace(EXACT, lr=lr))):
            ours = _trained(model, data, steps, recipe, setup.device, torch.float32)
            theirs = _trained(model, data, steps, recipe, CPU, setup.reference)
            note = f"{Path(data.name).name}, learning rate {recipe.lr:g}, {setup.against}"
            yield at_most(f"{name}, steps: {steps}", relative(ours - before, theirs - before), limit, note)


def _trained(model: nn.Module, data: ImageData, steps: int, recipe: Recipe, device: torch.device, dtype: torch.dtype) -> Tensor:
    n = BATCH * steps
    x, y, copied = to_float(data.x_train[:n]).to(dtype), data.y_train[:n], on(model, device, dtype)
    _finish(Training(copied, x, y, recipe, seed=0, device=device, dtype=torch.float32))
    return weights_of(copied)


def _finish(training: Training) -> None:
    while not training.done:
        epoch(training)
    training.finish()


def runs_repeat(setup: Setup) -> Iterator[Row]:
    """Two runs of `dlcli train` with one seed, dropout included, have the same weights bit for bit; another seed has others."""
    for precision in ("auto", "float32"):
        config = TrainConfig(data="digits", epochs=1, precision=precision, device=str(setup.device))
        first, again, other = (_sha256(replace(config, seed=seed)) for seed in (0, 0, 1))
        name = f"two runs, precision {precision}"
        yield holds(name, first == again != other, "bit for bit", "dlcli train on the digits, 1 epoch, dropout")


def _sha256(config: TrainConfig) -> str:
    found = train_engine.run(config)
    return found.rows[0].weights_sha256


def resume_repeats(setup: Setup) -> Iterator[Row]:
    """A training stopped within an epoch, saved and resumed, has the weights of an uninterrupted one bit for bit."""
    data = images(None)
    arch = open_model("digits-net", data)
    for dtype in ("fast", "float32"):
        recipe = replace(arch.recipe, epochs=2, dtype=dtype)
        whole, parts = (_starting(setup, arch.build, recipe) for _ in range(2))
        _finish(whole)
        with SILENT.task("") as task:
            parts.run_epoch(task, stop=iter([False] * (STOP - 1) + [True]).__next__)
        resumed = _starting(setup, arch.build, recipe)
        resumed.load(parts.state())
        stopped = resumed.step
        _finish(resumed)
        same = weights_sha256(whole.model) == weights_sha256(resumed.model)
        yield holds(
            f"resume after {stopped} steps, {dtype}", same and stopped == STOP, "bit for bit", "digits, 2 epochs, dropout"
        )


def _starting(setup: Setup, build: Callable[[], nn.Module], recipe: Recipe) -> Training:
    data = images(None)
    return Training(seeded(build), data.x_train, data.y_train, recipe, seed=0, device=setup.device)


def stacked_agree(setup: Setup) -> Iterator[Row]:
    """Networks trained as one have the weights of networks trained alone, up to rounding."""
    data = images(None)
    nets = [without_dropout(seeded(open_model("digits-net", data).build, seed)) for seed in range(MEMBERS)]
    draws = [torch.arange(k, k + BATCH * STEPS) for k in range(MEMBERS)]
    members = [on(net, setup.device) for net in nets]
    _finish(_stack(setup, members, data, draws, EXACT))
    worst = 0.0
    for seed, (member, net, draw) in enumerate(zip(members, nets, draws, strict=True)):
        alone = on(net, setup.device)
        _finish(Training(alone, data.x_train[draw], data.y_train[draw], EXACT, seed=seed, device=setup.device))
        before = weights_of(net)
        worst = max(worst, relative(weights_of(member) - before, weights_of(alone) - before))
    yield at_most(f"{MEMBERS} stacked networks beside networks alone", worst, 1e-3, "digits, 20 steps, relative to the change")


def stacked_dtype(setup: Setup) -> Iterator[Row]:
    """Under autocast, convolutions and fully connected layers of a stack compute in the same type."""
    name, data = "types of a stack's layers", images(None)
    if setup.on_cpu:
        yield not_on_cpu(name, "on a CPU, stacks are trained in float32")
        return
    members = [on(seeded(open_model("digits-net", data).build, seed), setup.device) for seed in range(MEMBERS)]
    draws = [torch.arange(BATCH)] * MEMBERS
    training = _stack(setup, members, data, draws, replace(EXACT, dtype="fast"))
    seen: dict[str, str] = {}
    for path, module in training.model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda _m, _x, out, path=path: seen.__setitem__(path, str(out.dtype)))
    _finish(training)
    yield holds(name, len(set(seen.values())) == 1, "one type", ", ".join(f"{path} {dtype}" for path, dtype in seen.items()))


def _stack(setup: Setup, members: list[nn.Module], data: ImageData, draws: list[Tensor], recipe: Recipe) -> StackedTraining:
    seeds = range(len(members))
    return StackedTraining(members, data.x_train, data.y_train, recipe, draws=draws, seeds=seeds, device=setup.device)


PARTS = (steps_agree, runs_repeat, resume_repeats, stacked_agree, stacked_dtype)
