"""From which misfit on does no way to feed a network fit? The lowest misfit of right feedings, other images, and wrong scales.

The networks with batch normalisation of input_detective.py, with its options. Right: their own images, and 32 of them in three
draws. Other images: digits, MNIST, CIFAR-10 and photographs, behind the right feeding. Wrong scales: pixels divided by 1000
or 16, times 20 or 65,535, and log(255 x + 1), which no normalisation that is tried undoes. Run it by
`python -m benchmarks.input_far_off`.
"""

import argparse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks.input_detective import TRAINED, Case, photographs, read, resnet20, trained
from dlcli.core.data.base import choose
from dlcli.core.evaluation.input_detective import diagnose_input, images_needed
from dlcli.core.evaluation.input_evidence import recorded_layers
from dlcli.core.layers.normalise import normalised

SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "x / 1000": lambda x: x / 1000,
    "x / 16": lambda x: x / 16,
    "20 x": lambda x: 20 * x,
    "65535 x": lambda x: 65535 * x,
    "log(255 x + 1)": lambda x: (255 * x + 1).log(),
}
DRAWS, FEW = 3, 32


class _Scaled(nn.Module):
    """Feeds a network what `change` makes of pixels."""

    def __init__(self, model: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.change = model, change

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.change(x))


def main() -> None:
    """A row for each network and kind of images, then the extremes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{datetime.now(UTC):%Y-%m-%d}, seed 0, torch {torch.__version__}")
    found: dict[str, list[float]] = {"right": [], "other images": [], "wrong scale": []}
    for case in cases(options.data, options.keep):
        for kind, name, model, x in looks(case, options.data):
            result = diagnose_input(model, x, None)
            lowest = min(row.misfit or 0.0 for row in result.feedings)
            found[kind].append(lowest)
            print(f"{case.name:24} {kind:13} {name:15} n {len(x):3}  lowest {lowest:.3f}  sure {result.sure}", flush=True)
    for kind, values in found.items():
        print(f"{kind}: {len(values)} from {min(values):.3f} to {max(values):.3f}")


def cases(data: Path, keep: Path) -> Iterator[Case]:
    """The networks with batch normalisation."""
    for number, (name, network, right, epochs) in enumerate(TRAINED):
        sets = read(name, data)
        if recorded_layers(model := trained(number, network, right, epochs, sets, keep)):
            yield Case(f"{network} on {name}", right, model, sets.x, sets.y)
    sets = read("cifar", data)
    yield Case("ResNet-20 on cifar", "imagenet", resnet20(data / "weights/cifar10_resnet20.pth"), sets.x, sets.y)


def looks(case: Case, data: Path) -> Iterator[tuple[str, str, nn.Module, Tensor]]:
    """Kind, name, network and images of each look."""
    n, right = images_needed(case.model, case.x.shape[2] * case.x.shape[3]), normalised(case.model, case.right)
    x = case.x[torch.from_numpy(choose(case.y.numpy(), n))]
    yield "right", "", right, x
    for draw in range(DRAWS):
        yield "right", f"draw {draw}", right, case.x[torch.randperm(len(case.x), generator=torch.manual_seed(draw))[:FEW]]
    for name in ("digits", "mnist", "cifar"):
        if not case.name.endswith(name):
            yield "other images", name, right, _shaped(read(name, data).x[:n], x)
    if x.shape[1] == 3:
        yield "other images", "photographs", right, _shaped(photographs(data / "images/imagenet")[0][:n], x)
    for name, change in SCALES.items():
        yield "wrong scale", name, _Scaled(case.model, change), x


def _shaped(other: Tensor, x: Tensor) -> Tensor:
    """Other images in the size and with the channels of `x`."""
    if other.shape[1] != x.shape[1]:
        other = other.mean(1, keepdim=True).expand(-1, x.shape[1], -1, -1)
    return interpolate(other, size=x.shape[-2:], mode="bilinear", antialias=True)


if __name__ == "__main__":
    main()
