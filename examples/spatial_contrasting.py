"""What pre-training without labels is worth with few labels, by three methods, in pairs over seeds, as Markdown.

python examples/spatial_contrasting.py DATA.npz --unlabelled FOLDER -o spatial-contrasting.md
"""

import argparse
from collections.abc import Iterator

import torch
from _page import page_options, run_script, table, today, write_page
from torch import nn

from dlcli.engines import train
from dlcli.specs.figures import points
from dlcli.specs.pretraining_result import ProbeGain
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import GIVEN, TrainResult

METHODS = ("spatial-contrasting", "simclr", "vicreg")
NONE = "--pretrain none"


def small_net(num_classes: int) -> nn.Module:
    """Three convolutions with batch normalisation, of 16, 32 and 64 channels, and the mean over positions."""
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, num_classes))


def main() -> None:
    """Train, and print or write the Markdown, after each method what there is so far."""
    options = parsed()
    found: dict[str, TrainResult] = {}
    for method in options.methods:
        found[method] = trained(options, method)
        if options.output or method == options.methods[-1]:
            write_page(page(options, found), options.output)


def page(options: argparse.Namespace, found: dict[str, TrainResult]) -> str:
    """The tables of the methods that are measured."""
    first = next(iter(found.values()))
    one = first.pretraining[0]
    facts = (
        f"Measured on {today()}: {first.n_test:,} test images of {options.size}x{options.size} pixels, {first.n_train:,} "
        f"labels, {one.n_images:,} images to pre-train on, the network of the script, {one.epochs} epochs of pre-training "
        f"({one.steps:,} steps) and {options.epochs} of training ({first.rows[0].steps:,} steps) in batches of "
        f"{options.batch_size}, adam, {options.seeds} seeds from {first.rows[0].seed} on, CPU "
        f"({torch.get_num_threads()} thread), torch {torch.__version__}. Means over seeds, which also draw the labels; "
        "differences are paired, with Student's t intervals; verdicts are corrected by Holm for the two comparisons of a row."
    )
    head = ["method", "accuracy, %", "minus none, equal epochs", "verdict", "minus none, equal compute", "verdict", "CPU s"]
    rows = [[method, *cells(result)] for method, result in found.items()]
    rows.append(["none", f"{mean(first, NONE):.1f}", "–", "–", "–", "–", f"{cpu(first, NONE):.0f}"])
    longer = table(["beside", "epochs", "images forward and back", "accuracy, %", "CPU s"], longer_rows(found))
    probes = table(
        ["method", "linear probe before, %", "after, %", "gain", "5 neighbours before, %", "after, %", "gain"],
        [[method, *(cell for gain in result.probe_gains for cell in probe(gain))] for method, result in found.items()],
    )
    spheres = table(
        ["method", "alignment before", "after", "uniformity before", "after"],
        [[method, *sphere(result)] for method, result in found.items()],
    )
    parts = [
        table(head, rows),
        "`none` trained for as much compute as pre-training and training take:",
        longer,
        "Features of the frozen network, before and after pre-training:",
        probes,
        spheres,
        facts,
    ]
    return "\n\n".join(parts) + "\n"


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train")
    parser.add_argument("--unlabelled", required=True, help="as of --unlabelled of dlcli train")
    parser.add_argument("--labels", type=int, default=500, help="number of labels (default: 500)")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, help="default: all three")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of training (default: 20)")
    parser.add_argument("--pretrain-epochs", type=int, default=2, help="epochs of pre-training (default: 2)")
    parser.add_argument("--size", type=int, default=16, help="height and width of the images (default: 16)")
    parser.add_argument("--batch-size", type=int, default=64, help="images of a step (default: 64)")
    return parser.parse_args()


def trained(options: argparse.Namespace, method: str) -> TrainResult:
    """A method and none, in pairs."""
    found = train.run(
        TrainConfig(
            data=options.data,
            model=f"{__file__}:small_net",
            unlabelled=options.unlabelled,
            labels=options.labels,
            size=options.size,
            pretrain=method,
            pretrain_epochs=options.pretrain_epochs,
            versus=NONE,
            seeds=options.seeds,
            seed=options.seed,
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer="adam",
            lr=1e-3,
            augment=("horizontal-flip", "shift"),
            workers=1,
            device="cpu",
        )
    )
    if not isinstance(found, TrainResult):
        raise TypeError("a result of classes")
    return found


def mean(result: TrainResult, variant: str) -> float:
    """The mean test accuracy of a variant in percent."""
    values = [100 * row.accuracy.value for row in result.rows if row.variant == variant]
    return sum(values) / len(values)


def cpu(result: TrainResult, variant: str) -> float:
    """The mean time of a network on the processor in seconds."""
    values = [row.cpu_seconds or 0.0 for row in result.rows if row.variant == variant]
    return sum(values) / len(values)


def cells(result: TrainResult) -> Iterator[str]:
    """Accuracy, both differences with their verdicts, and time."""
    yield f"{mean(result, GIVEN):.1f}"
    equal = () if result.equal_compute is None else result.equal_compute.comparisons
    for one in (result.comparisons[0], *equal):
        yield points(one.difference)
        yield f"{one.verdict}" + ("" if one.p is None else f", p {one.p:.2g}")
    yield f"{cpu(result, GIVEN):.0f}"


def probe(gain: ProbeGain) -> tuple[str, ...]:
    """A probe before and after, and the gain."""
    return f"{100 * gain.before:.1f}", f"{100 * gain.after:.1f}", points(gain.gain)


def sphere(result: TrainResult) -> Iterator[str]:
    """Means of alignment and uniformity, before and after."""
    for name in ("alignment", "uniformity"):
        for side in ("before", "after"):
            values = [getattr(getattr(row, side), name) for row in result.pretraining]
            yield f"{sum(values) / len(values):.3f}"


def longer_rows(found: dict[str, TrainResult]) -> Iterator[list[str]]:
    """The networks at equal compute beside each method."""
    for method, result in found.items():
        if (equal := result.equal_compute) is not None:
            accuracies = [100 * row.accuracy.value for row in equal.rows]
            seconds = [row.cpu_seconds or 0.0 for row in equal.rows]
            accuracy, spent = (sum(values) / len(values) for values in (accuracies, seconds))
            yield [method, f"{equal.epochs:,}", f"{equal.image_passes[1]:,.0f}", f"{accuracy:.1f}", f"{spent:.0f}"]


if __name__ == "__main__":
    run_script(main)
