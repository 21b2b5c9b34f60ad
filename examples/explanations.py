"""How often maps are faithful: of trained networks, of networks with random weights, and of the wrong network, as Markdown.

python examples/explanations.py -o explanations.md
python examples/explanations.py --data mnist.npz --networks mnist-net --size 28
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import torch
from _page import page_options, run_script, table, today, write_page
from torch import Tensor, nn

from dlcli.core.compute.device import choose_device
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.explain import METHODS
from dlcli.core.explain.base import ExplainSettings, predicted_classes
from dlcli.core.explain.faithfulness import DeletionCheck
from dlcli.core.model_io.cached import MemberPlan, train_or_load
from dlcli.core.model_io.untrained import open_model
from dlcli.core.stats import mean_difference
from dlcli.specs.explain import Faithfulness
from dlcli.support.paths import cache_dir

CPU = choose_device("cpu")
TRAINED, RANDOM, WRONG = "trained", "random weights", "trained; the maps are of random weights"
SETTINGS = ExplainSettings(device=CPU)


def main() -> None:
    """Measure, and print or write the Markdown."""
    options = parsed()
    data = open_data(options.data, size=options.size)
    rows = [row for name in options.networks for row in measured(options, name, data)]
    differences = [
        name for kind in ("minus elsewhere", "minus shuffled", "other class, minus elsewhere") for name in (kind, "in")
    ]
    head = ["network", "weights", "method", "fall of the logit", *differences]
    facts = (
        f"Measured on {today()}: {data.name}, {data.size[0]}x{data.size[1]} pixels, {options.seeds} networks of each kind, "
        f"seeds from {options.seed}, {options.epochs} epochs, {options.images} test images of each, CPU "
        f"({torch.get_num_threads()} thread), torch {torch.__version__}. Means over networks with Student's t intervals; `in` "
        "counts the networks for which the difference is established over their images."
    )
    write_page(f"{table(head, rows)}\n\n{facts}\n", options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--data", default="digits", help="as of --data of dlcli train (default: digits)")
    parser.add_argument("--networks", nargs="+", default=["digits-net", "cifar-resnet-8"], help="as of --model of dlcli train")
    parser.add_argument("--size", type=int, default=16, help="height and width of the images (default: 16)")
    parser.add_argument("--seeds", type=int, default=10, help="networks of each kind (default: 10)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of training (default: 5)")
    parser.add_argument("--images", type=int, default=16, help="images of each network (default: 16)")
    return parser.parse_args()


def measured(options: argparse.Namespace, name: str, data: ImageData) -> Iterator[list[str]]:
    """Rows of one network: each method on trained weights, on random ones, and with the maps of random weights."""
    arch = open_model(name, data)
    recipe = replace(arch.recipe, epochs=options.epochs)
    seeds = range(options.seed, options.seed + options.seeds)
    home = cache_dir() / "models"
    members = [
        train_or_load(MemberPlan(arch=arch, data=data, recipe=recipe, seed=seed, name="baseline", device=CPU), cache=home)
        for seed in seeds
    ]
    trained = [member.model.eval() for member in members]
    torch.manual_seed(options.seed)
    untrained = [arch.build().eval() for _ in seeds]
    samples = [data.x_test[torch.randperm(len(data.x_test))[: options.images]] for _ in seeds]
    for kind, nets, explained in ((TRAINED, trained, trained), (RANDOM, untrained, untrained), (WRONG, trained, untrained)):
        for method in METHODS.names():
            groups = zip(nets, explained, samples, seeds, strict=True)
            yield [name, kind, method, *summary([checked(method, *group) for group in groups])]


def checked(method: str, net: nn.Module, explained: nn.Module, x: Tensor, seed: int) -> Faithfulness:
    """The check of the maps of the network `explained` on `net`."""
    module = METHODS.module(method)
    with torch.no_grad():
        target = predicted_classes(net(x))
    maps = module.explain(explained, x, target, SETTINGS)
    return DeletionCheck(net, x, target, SETTINGS, absolute=False, seed=seed).run(module, maps)


def summary(found: list[Faithfulness]) -> list[str]:
    """Means over networks, and how often each difference is established."""
    elsewhere = mean_difference([one.minus_elsewhere.value for one in found])
    shuffled = mean_difference([one.minus_shuffled.value for one in found if one.minus_shuffled is not None])
    established = ([one.faithful for one in found], [one.learned for one in found], [one.decides for one in found])
    faithful, learned, decides = (f"{sum(kind)} of {len(found)}" for kind in established)
    moved = mean_difference([one.other_class_minus_elsewhere.value for one in found if one.other_class_minus_elsewhere])
    change = sum(one.change for one in found) / len(found)
    return [f"{change:.3g}", str(elsewhere), faithful, str(shuffled), learned, str(moved), decides]


if __name__ == "__main__":
    run_script(main)
