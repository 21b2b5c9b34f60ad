"""Networks grown by `--with widen` and `--with deepen`: do they compute what they did, do copies part, and does it help?

python benchmarks/net2net.py exact copies growing

exact: a row for each network and surgery, by the largest difference of outputs over the largest output, in float64, on normal
noise, in evaluation and in training mode (dropout off, batch statistics); random weights, statistics and slopes.
copies: units that another one of their layer equals to 1e-6, after steps of SGD on the digits.
growing: digits-net trained for some epochs, then grown and trained on, beside the grown architecture from random weights.
"""

import argparse
import statistics
import tempfile
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.data import open_data
from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.models.zoo import digits_net, tiny_darknet
from dlcli.core.stats import mean_difference
from dlcli.core.surgery import apply_surgery
from dlcli.core.surgery.base import WEIGHT_LAYERS
from dlcli.engines import train
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

NETWORKS = (
    *("tiny-darknet", "vgg11_bn", "resnet18", "squeezenet1_1", "mobilenet_v2", "densenet121", "cifar-resnet-20"),
    "resnet18-video",
)
REFUSED = ("shufflenet_v2_x0_5", "convnext_tiny", "swin_t")
SURGERY = ("widen=2", "widen=1.5", "elu widen=2", "widen=2:0.05", "deepen", "elu deepen", "deepen widen=2")
CLASSES = 10


def main() -> None:
    """The tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=["exact", "copies", "growing"])
    parser.add_argument("--networks", nargs="*", default=[*NETWORKS, *REFUSED])
    parser.add_argument("--surgery", nargs="*", default=list(SURGERY))
    parser.add_argument("--size", type=int, default=64, help="pixels (default: 64)")
    parser.add_argument("--images", type=int, default=8, help="images that outputs are compared on (default: 8)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of `growing` (default: 5)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each part of `growing` (default: 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{date.today()}, seed 0, torch {torch.__version__}, 1 thread\n")
    if "exact" in options.tables:
        exact(options.networks, options.surgery, options.size, options.images)
    if "copies" in options.tables:
        copies()
    if "growing" in options.tables:
        growing(options.seeds, options.epochs)


def exact(networks: list[str], surgery: list[str], size: int, images: int) -> None:
    """Print the differences, or the refusals."""
    print(f"n = {images} images of {size}x{size}\n")
    print("| network | surgery | parameters | times | evaluation | training |\n|---|---|---|---|---|---|")
    for name in networks:
        model, sample = network(name, size)
        x = torch.randn(images, *sample.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        for specs in surgery:
            torch.manual_seed(0)
            try:
                print(row(name, specs, model, x), flush=True)
            except InputError as error:
                print(f"| {name} | {specs} | refused: {error.message} | | | |", flush=True)


def row(name: str, specs: str, model: nn.Module, x: Tensor) -> str:
    """One line of the table."""
    *before, _ = specs.split()
    first = before if before and before[0] == "elu" else []
    start = apply_surgery(model, first, x[:1]).model
    done = apply_surgery(model, specs.split(), x[:1]).model
    sizes = [sum(p.numel() for p in net.parameters()) for net in (start, done)]
    evaluation, training = difference(start, done, x, training=False), difference(start, done, x, training=True)
    return f"| {name} | {specs} | {sizes[1]:,} | {sizes[1] / sizes[0]:.2f} | {evaluation:.0e} | {training:.0e} |"


@torch.no_grad()
def difference(one: nn.Module, other: nn.Module, x: Tensor, *, training: bool) -> float:
    """The largest difference of outputs over the largest output."""
    outputs = []
    for model in (one, other):
        model.train(training)
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        torch.manual_seed(0)  # the dilations of networks for video
        outputs.append(model(x))
    before, after = outputs
    return float((before - after).abs().max() / before.abs().max())


def network(name: str, size: int) -> tuple[nn.Module, Tensor]:
    """A network in float64 and an example of its input."""
    import torchvision  # here, since it takes long to import

    torch.manual_seed(0)
    sample = torch.rand(1, 3, size, size)
    if name == "tiny-darknet":
        model = tiny_darknet.build(3, (size, size), CLASSES)
    elif name.startswith("cifar-resnet"):
        from dlcli.core.models.zoo.cifar_resnet import CifarResNet

        model = CifarResNet(3, CLASSES, int(name.rpartition("-")[2]))
    else:
        model = torchvision.models.get_model(name.removesuffix("-video"), weights=None, num_classes=CLASSES)
    if name.endswith("-video"):
        model, sample = inflate(model, sample, Inflation()).model, torch.rand(1, 3, 4, size, size)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if not isinstance(module, WEIGHT_LAYERS):
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(0.5, 1.5)
    return model.double().eval(), sample


def copies(steps: int = 20) -> None:
    """Print how many units of the first layer equal another one."""
    data = open_data("digits")
    x, y = data.x_train[:256].double() / (1 if data.x_train.is_floating_point() else 255), data.y_train[:256]
    print(f"\ndigits-net, {steps} steps of SGD at 0.1 on 256 images, float64\n")
    print("| noise | units of the first layer | equal to another within 1e-6 |\n|---|---|---|")
    for noise in (0, 0.05):
        torch.manual_seed(0)
        model = digits_net.build(1, (8, 8), CLASSES).double()
        model, _ = apply_surgery(model, [f"widen=2:{noise}"], x[:1])
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(steps):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
        first = next(m for m in model.modules() if isinstance(m, nn.Conv2d)).weight.detach().flatten(1)
        apart = torch.cdist(first, first).fill_diagonal_(float("inf")).min(1).values
        print(f"| {noise} | {len(first)} | {int((apart < 1e-6).sum())} |")


def growing(seeds: int, epochs: int) -> None:
    """Print test accuracies of grown networks and of others of the same architecture, seed by seed."""
    names = {
        "small": f"digits-net, {epochs} epochs",
        "grown": f"then widen=2:0.05 and {epochs} epochs",
        "same": f"widen=2:0.05 of random weights, {epochs} epochs",
        "longer": f"the same, {2 * epochs} epochs",
    }
    found: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            small = Path(folder) / f"small-{seed}"
            wide = {"surgery": ("widen=2:0.05",)}
            runs = {
                "small": {"epochs": epochs, "output": small},
                "grown": {"epochs": epochs, "weights": small / "weights.safetensors", **wide},
                "same": {"epochs": epochs, **wide},
                "longer": {"epochs": 2 * epochs, **wide},
            }
            for name, settings in runs.items():
                config = TrainConfig(model="digits-net", device="cpu", precision="float32", seed=seed, **settings)
                found[name].append(train.run(config).rows[0].accuracy.value)
    print(f"\ntest accuracy on 599 digits, seeds 0 to {seeds - 1}\n\n| network | mean | each |\n|---|---|---|")
    for name, shown in names.items():
        each = ", ".join(f"{value:.3f}" for value in found[name])
        print(f"| {shown} | {statistics.fmean(found[name]):.3f} | {each} |")
    for other in ("same", "longer"):
        apart = [one - two for one, two in zip(found["grown"], found[other], strict=True)]
        print(f"grown - {other}: {mean_difference(apart)}")


if __name__ == "__main__":
    main()
