"""Input gradients of many points beside two other ways to get them, in turn in one process: CPU seconds and ratios.

dlcli derives the sum over a batch by its inputs once. The loop derives one point after the other, as people write it; vmap is
torch.func's per-example gradient. All give the same numbers, but where float32 rounds a value across a ReLU's bend. A residual
stack of 24 layers on a line of numbers, LeNet at 28x28 and torchvision's resnet18 at 64x64, in evaluation mode, one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dlcli.core.input_gradients import Aim, input_gradients
from dlcli.core.models import lenet
from dlcli.core.on_a_line import grid, on_a_line

CPU = torch.device("cpu")


def summed(model: nn.Module, x: Tensor) -> Tensor:
    """As dlcli does."""
    return input_gradients(model, x, Aim("logit", 0), device=CPU)


def loop(model: nn.Module, x: Tensor) -> Tensor:
    """One point after the other."""
    found = []
    for point in x:
        given = point[None].clone().requires_grad_()
        found.append(torch.autograd.grad(model(given)[0, 0], given)[0].flatten())
    return torch.stack(found)


def vmap(model: nn.Module, x: Tensor) -> Tensor:
    """Per-example gradients by torch.func, 64 points at a time."""
    one = torch.func.grad(lambda point: model(point[None])[0, 0])
    return torch.func.vmap(one, chunk_size=64)(x).flatten(1).detach()


WAYS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {"dlcli": summed, "loop": loop, "vmap": vmap}


def main() -> None:
    """A row a network and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import torchvision  # here, since it takes long to import

    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = {
        "resnet-24 on a line": (on_a_line("resnet", 24, grid(options.points)), grid(options.points)),
        "lenet, 28x28": (lenet.build(1, (28, 28), 10).eval(), torch.rand(options.points, 1, 28, 28)),
        "resnet18, 64x64": (torchvision.models.resnet18(num_classes=10).eval(), torch.rand(options.points, 3, 64, 64)),
    }
    print(f"{options.points} points, one thread, medians of {options.rounds} rounds, torch {torch.__version__}")
    for name, (model, x) in networks.items():
        compare(name, model, x, options.rounds)


def compare(name: str, model: nn.Module, x: Tensor, rounds: int) -> None:
    """Time each way in turn, and see that all agree."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    found = {}
    for _ in range(rounds):
        for way, run in WAYS.items():
            start = time.process_time()
            found[way] = run(model, x)
            seconds[way].append(time.process_time() - start)
    print(name)
    for way, each in seconds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(seconds["dlcli"], each, strict=True))
        gap = float((found[way] - found["dlcli"]).abs().max() / found["dlcli"].abs().max())
        print(f"  {way:6} {statistics.median(each):8.3f} CPU s   dlcli takes {ratio:.3f} of it   relative difference {gap:.0e}")


if __name__ == "__main__":
    main()
