"""Training of ResNet-18 on 32x32 beside a plain loop, and that loop compiled: images per second, share of the ceiling."""

from collections.abc import Callable, Iterator

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from dlcli.core.compute.rng import generator
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe

from .ceilings import PRODUCTS
from .networks import epoch, images, seeded
from .rows import Row, at_most, measured
from .setup import Setup
from .timing import median_seconds

RECIPE = Recipe(epochs=1000, batch_size=512, optimizer="sgd", lr=0.01, options={"momentum": 0.9})


def plain_step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """One step as people write it, in bfloat16; its loss.

    Args:
        model: The network, in training mode.
        optimizer: Of its parameters.
        x: Images on its device.
        y: Their labels there.

    Returns:
        The loss, on the device.
    """
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        loss = cross_entropy(model(x), y)
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.detach()


def plain_epoch(model: nn.Module, x: Tensor, y: Tensor, batch: int) -> Callable[[], float]:
    """Prepare epochs of `plain_step`: channels_last, data on the device, a fused optimizer.

    Args:
        model: The network, on the device.
        x: Images there.
        y: Their labels there.
        batch: Images per step.

    Returns:
        What runs an epoch and returns the last loss.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=RECIPE.lr, momentum=0.9, fused=True)

    def run() -> float:
        model.train()
        loss = torch.zeros(())
        for picked in torch.randperm(len(x), device=x.device).split(batch):
            loss = plain_step(model, optimizer, x[picked], y[picked])
        return float(loss)

    return run


def training_speed(setup: Setup) -> Iterator[Row]:
    """Time dlcli and the plain loop in turn; then, in what time is left, the plain loop and the same compiled in turn."""
    x, y, note = _examples(setup)
    batch = setup.size(16, RECIPE.batch_size)
    recipe = Recipe(**{**vars(RECIPE), "batch_size": batch})
    training = Training(_network(setup), x, y, recipe, seed=0, device=setup.device)
    near = x.to(setup.device).contiguous(memory_format=torch.channels_last), y.to(setup.device)
    plain = plain_epoch(_network(setup), *near, batch)
    yield _learns(training, plain)
    seconds = median_seconds(setup, {"dlcli": lambda: epoch(training), "plain": plain})
    yield from _rates(setup, seconds, x, note)
    ratio = seconds["plain"] / seconds["dlcli"]
    yield measured("dlcli over the plain loop", ratio, "times", target=setup.target(0.9), note=note)
    # Compiling for a CPU takes longer than the whole rehearsal; there, the loop runs through what precedes compilation.
    compiled = torch.compile(_network(setup), backend=setup.size("aot_eager", "inductor"))
    seconds = median_seconds(setup, {"plain again": plain, "compiled": plain_epoch(compiled, *near, batch)})
    yield from _rates(setup, seconds, x, note)


def _examples(setup: Setup) -> tuple[Tensor, Tensor, str]:
    """CIFAR-10 where it is there, else noise in its shape."""
    n, path = setup.size(32, 5120), setup.file("cifar10_subset.npz")
    if path is not None:
        data = images(path)
        x, y = data.x_train.float() / (1 if data.x_train.is_floating_point() else 255), data.y_train
        again = torch.arange(n) % len(x)
        return x[again], y[again], f"{path.name}, {n} images"
    source = generator(0)
    x, y = torch.rand(n, 3, 32, 32, generator=source), torch.randint(10, (n,), generator=source)
    return x, y, f"{n} random images of 32x32"


def _network(setup: Setup) -> nn.Module:
    net = seeded(lambda: torchvision.models.resnet18(num_classes=10))
    return net.to(setup.device, memory_format=torch.channels_last)


def _learns(training: Training, plain: Callable[[], float]) -> Row:
    """Before speed: both loops lower the loss."""
    first, last = (epoch(training) for _ in range(2))
    plain()
    return at_most("training lowers the loss", last / first, 1.0, f"from {first:.3f} to {last:.3f}, plain loop {plain():.3f}")


def _rates(setup: Setup, seconds: dict[str, float], x: Tensor, note: str) -> Iterator[Row]:
    flop = _flop_per_image(setup)
    for name, found in seconds.items():
        rate = len(x) / found
        share = flop * rate / setup.ceilings[PRODUCTS] if PRODUCTS in setup.ceilings else None
        of_ceiling = "" if share is None else f"; {share:.1%} of the measured products ceiling"
        yield measured(f"ResNet-18 training, {name}", rate, "images/s", note=note + of_ceiling)


def _flop_per_image(setup: Setup) -> float:
    """Of a forward and backward pass."""
    model, x = _network(setup), torch.rand(2, 3, 32, 32, device=setup.device)
    counter = FlopCounterMode(display=False)
    with counter:
        torch.autograd.backward(model(x).sum())
    return counter.get_total_flops() / len(x)


PARTS = (training_speed,)
