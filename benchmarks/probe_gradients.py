"""Input gradients of many points beside three other ways to get them, in turn in one process: CPU seconds and ratios.

dlcli derives the sum over a batch by its inputs once. `loop, grad` derives one point after the other by its input alone;
`loop, backward` calls backward() for each point, as people usually write it, which derives the weights too, for nothing;
vmap is torch.func's per-example gradient. A residual stack of 24 layers on a line of numbers in float64, LeNet at 28x28 and
torchvision's resnet18 at 64x64 in float32, in evaluation mode, one thread.

`error` compares with a loop in float64, on the first points, and the exit status is 1 if it is above 1e-4. For that the network
has SiLU for ReLU and average pooling for max pooling, whose gradients are not continuous: where float32 rounds the input of one
unit across 0, the gradient is another one (in resnet18 by some percent of the largest), and at which points depends on CPU,
threads and batch size. `at kinks` counts the points where that happens with the network itself, and gives the
largest difference. The environment ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 limits torch to what a CPU without AVX-512
has.

Beside the seconds stand the floating-point operations a second, those of the layers forward and as many back to the input, and
what a product of large matrices does here: no way can be far above that, which bounds what is to be gained on a loop.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.scalar_nets import grid, scalar_network
from dlcli.core.models.zoo import lenet

CPU = torch.device("cpu")
TOLERANCE = 1e-4
CHECKED = 48
"""How many points are compared with float64: its convolutions are slow."""


def summed(model: nn.Module, x: Tensor) -> Tensor:
    """As dlcli does."""
    return input_gradients(model, x, Derivative("logit", 0), device=CPU)


def loop_grad(model: nn.Module, x: Tensor) -> Tensor:
    """One point after the other, by the input alone."""
    found = []
    for point in x:
        given = point[None].clone().requires_grad_()
        found.append(torch.autograd.grad(model(given)[0, 0], given)[0].flatten())
    return torch.stack(found)


def loop_backward(model: nn.Module, x: Tensor) -> Tensor:
    """One point after the other by backward(), whose gradients of the weights nobody looks at."""
    found = []
    for point in x:
        given = point[None].clone().requires_grad_()
        model.zero_grad()
        model(given)[0, 0].backward()
        found.append(torch.as_tensor(given.grad).flatten())
    model.zero_grad()
    return torch.stack(found)


def vmap(model: nn.Module, x: Tensor) -> Tensor:
    """Per-example gradients by torch.func, 64 points at a time."""
    one = torch.func.grad(lambda point: model(point[None])[0, 0])
    return torch.func.vmap(one, chunk_size=64)(x).flatten(1).detach()


WAYS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "dlcli": summed,
    "loop, grad": loop_grad,
    "loop, backward": loop_backward,
    "vmap": vmap,
}


def main() -> None:
    """A row a network and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import torchvision  # here, since it takes long to import

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    networks = {
        "resnet-24 on a line": (scalar_network("resnet", 24, grid(options.points)), grid(options.points)),
        "lenet, 28x28": (lenet.build(1, (28, 28), 10).eval(), torch.rand(options.points, 1, 28, 28)),
        "resnet18, 64x64": (torchvision.models.resnet18(num_classes=10).eval(), torch.rand(options.points, 3, 64, 64)),
    }
    cpu = torch.backends.cpu.get_cpu_capability()
    print(f"{date.today()}, seed {options.seed}, {options.points} points, one thread on a CPU with {cpu}, ", end="")
    print(f"medians of {options.rounds} rounds, torch {torch.__version__}")
    errors = [error for name, (model, x) in networks.items() for error in compare(name, model, x, options.rounds)]
    if not max(errors) <= TOLERANCE:
        sys.exit(f"an error of {max(errors):.0e} is above {TOLERANCE:g}")


def compare(name: str, model: nn.Module, x: Tensor, rounds: int) -> list[float]:
    """Time each way in turn; returns the error of each."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, run in WAYS.items():
            start = time.process_time()
            run(model, x)
            seconds[way].append(time.process_time() - start)
    sums = arithmetic(model, x)
    without_kinks, itself = errors_by_point(smooth(model), x[:CHECKED]), errors_by_point(model, x[:CHECKED])
    print(f"{name}, {x.dtype}: {sums / 1e9:.1f} GFLOP; a product of matrices does {product(x.dtype) / 1e9:.0f} GFLOP/s")
    for way, each in seconds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(seconds["dlcli"], each, strict=True))
        taken, at_kinks = statistics.median(each), itself[way][itself[way] > TOLERANCE].tolist()
        print(
            f"  {way:14} {taken:8.3f} CPU s {sums / taken / 1e9:5.0f} GFLOP/s   dlcli takes {ratio:.3f} of it   "
            f"error {float(without_kinks[way].max()):.0e}   "
            f"at kinks {len(at_kinks)} of {len(itself[way])}, up to {max(at_kinks, default=0):.0e}"
        )
    return [float(each.max()) for each in without_kinks.values()]


def errors_by_point(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """By way: the largest error of each point's gradient (n,), over the largest entry of all gradients in float64."""
    truth = loop_grad(copy.deepcopy(model).double(), x.double())
    return {way: (run(model, x).double() - truth).abs().amax(1) / truth.abs().max() for way, run in WAYS.items()}


def smooth(model: nn.Module) -> nn.Module:
    """A copy whose gradient is continuous: with SiLU for ReLU and average pooling for max pooling."""
    found = copy.deepcopy(model)
    for parent in list(found.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.ReLU):
                setattr(parent, name, nn.SiLU())
            elif isinstance(module, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
    return found


def arithmetic(model: nn.Module, x: Tensor) -> float:
    """The floating-point operations of products forward, and of as many back to the input."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    return 2.0 * counter.get_total_flops()


def product(dtype: torch.dtype, *, size: int = 1024) -> float:
    """Floating-point operations a second in the fastest of eight products of square matrices."""
    a, b = torch.rand(2, size, size, dtype=dtype)
    seconds = []
    for _ in range(8):
        start = time.process_time()
        torch.mm(a, b)
        seconds.append(time.process_time() - start)
    return 2.0 * size**3 / min(seconds)


if __name__ == "__main__":
    main()
