"""What becomes of networks for images that are made networks for video, and how a still clip proves it, as Markdown tables.

python examples/inflate.py -o inflate.md
python examples/inflate.py --weights ../shared/data/weights --photos ../shared/data/images/imagenet
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from _page import page_options, run_script, table, today, write_page
from torch import Tensor, nn

from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.gradients.scalar_nets import set_batchnorm_statistics
from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.inflate.verification import OUTPUT, Verification, verify
from dlcli.core.model_io.trained import open_trained
from dlcli.core.model_io.untrained import find_model

NETWORKS = (
    "resnet18 resnet50 resnext50_32x4d wide_resnet50_2 squeezenet1_1 "
    "vgg11_bn densenet121 mobilenet_v2 googlenet cifar-resnet-20"
).split()
LENGTHS = (1, 2, 8)
CPU = torch.device("cpu")


def main() -> None:
    """Measure, and print or write the Markdown."""
    options = parsed()
    torch.manual_seed(options.seed)
    parts = [counts(), proved(options)]
    if options.weights is not None:
        parts.append(learned(options))
    metadata = (
        f"Measured on {today()}: seed {options.seed}, clips of {', '.join(map(str, LENGTHS))} frames, CPU "
        f"({torch.get_num_threads()} thread), torch {torch.__version__}."
    )
    text = "\n\n".join([*parts, metadata]) + "\n"
    write_page(text, options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="as of dlcli convert-2d-to-3d")
    parser.add_argument("--image", type=int, default=64, help="height and width of the images of noise (default: 64)")
    parser.add_argument("--images", type=int, default=4, help="how many of them (default: 4)")
    parser.add_argument("--weights", type=Path, help="a folder with squeezenet1_1_imagenet.pth")
    parser.add_argument("--photos", help="images for these weights, as of --data; default: noise")
    parser.add_argument("--limit", type=int, default=24, help="how many of these images (default: 24)")
    return parser.parse_args()


def counts() -> str:
    """Layers and parameters of resnet50 by --inflate."""
    model, x = network("resnet50", torch.rand(2, 3, 64, 64))
    rows = [["for images", "0", f"{parameters(model):,}"]]
    for which in ("conv1", "both", "all"):
        found = inflate(model, x[:1], Inflation(which=which))
        rows.append([f"`--inflate {which}`", str(len(found.layers)), f"{parameters(found.model):,}"])
    return table(["resnet50, 1,000 classes", "layers inflated", "parameters"], rows)


def proved(options: argparse.Namespace) -> str:
    """A row a network with random weights, on images of noise."""
    head = [f"network, {options.images} images of {options.image} pixels", "layers", "parameters, before", "after"]
    rows = []
    for name in options.networks:
        model, x = network(name, torch.rand(options.images, 3, options.image, options.image))
        found = inflate(model, x[:1], Inflation())
        exact, other, zeros = verifications(model, x)
        cells = [name, str(len(found.layers)), f"{parameters(model):,}", f"{parameters(found.model):,}"]
        cells += [f"{verification.worst(torch.float64)[2]:.0e}" for verification in (exact, other)]
        cells += [f"{zeros.errors[torch.float64, OUTPUT, 8]:.0%}", f"{exact.worst(torch.float32)[2]:.0e}"]
        rows.append(cells)
    return table([*head, "replicate", "renorm", "zeros, 8 frames", "float32, replicate"], rows)


def learned(options: argparse.Namespace) -> str:
    """How a SqueezeNet trained on ImageNet classifies still clips of photographs."""
    x = torch.rand(options.limit, 3, 224, 224)
    if options.photos is not None:
        x = open_data(options.photos, size=224, limit=options.limit).x_test[: options.limit]
    labels = torch.zeros(len(x), dtype=torch.int64)
    shape = ImageData(x, labels, x[:0], labels[:0], tuple(map(str, range(1000))), "photographs")
    file = options.weights / "squeezenet1_1_imagenet.pth"
    model: nn.Module = open_trained(str(file), shape, arch="squeezenet1_1", device=CPU).model
    head = [f"squeezenet1_1 of ImageNet, {len(x)} images", "worst stage", "output, 1 frame", "2", "8", "same answer"]
    rows = []
    for how in ways():
        verification = verify(model, x, how, LENGTHS, dtypes=(torch.float64,))
        errors = [f"{verification.errors[torch.float64, OUTPUT, frames]:.1e}" for frames in LENGTHS]
        rows.append(
            [
                how.ends,
                f"{verification.worst(torch.float64)[2]:.1e}",
                *errors,
                f"{verification.agree} of {verification.compared}",
            ]
        )
    return table(head, rows)


def network(name: str, x: Tensor) -> tuple[nn.Module, Tensor]:
    """A network with random weights, its batch normalisation as it is on the images `x`, and these."""
    labels = torch.zeros(len(x), dtype=torch.int64)
    shape = ImageData(x, labels, x[:0], labels[:0], tuple(map(str, range(1000))), "noise")
    return set_batchnorm_statistics(find_model(name, shape).build(), x), x


def ways() -> Iterator[Inflation]:
    """The rule besnet by each kind of ends."""
    for ends in ("replicate", "renorm", "zeros"):
        yield replace(Inflation(), ends=ends)


def verifications(model: nn.Module, x: Tensor) -> list[Verification]:
    """What each kind of ends does to still clips."""
    return [verify(model, x, how, LENGTHS) for how in ways()]


def parameters(model: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    run_script(main)
