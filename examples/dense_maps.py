"""What dilation is worth for masks: a strided network against the same weights dilated, in pairs over seeds, as Markdown.

python examples/dense_maps.py camvid/ -o dense.md
python examples/dense_maps.py camvid/ --size 180 --limit 120 --epochs 1
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from _page import page_options, run_script, table, today, write_page
from torch import nn

from dlcli.core.evaluation.receptive_field import receptive_field
from dlcli.core.layers.dense_network import ContextModule, dense_part
from dlcli.core.model_io.build import build_model
from dlcli.engines import train
from dlcli.specs.figures import scaled
from dlcli.specs.masks import MaskRow, MaskTrainResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError

NETWORK = """
from torch import nn


class Net(nn.Module):
    \"\"\"Seven 3x3 convolutions, three of which stride, as a classifier.\"\"\"

    def __init__(self, channels, classes):
        super().__init__()
        widths, strides = (16, 24, 32, 48, 48, 64, 64), (2, 1, 2, 1, 2, 1, 1)
        layers = []
        for before, after, stride in zip((channels, *widths), widths, strides):
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body, self.pool, self.head = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Linear(64, classes)

    def forward(self, x):
        return self.head(self.pool(self.body(x)).flatten(1))
"""
METRICS = {
    "miou": "mIoU of the set",
    "mean-miou": "mean mIoU of a picture",
    "boundary-f": "boundary F",
    "pixel-accuracy": "pixel accuracy",
}
GIVEN = "this"


def main() -> None:
    """Train, and print or write the Markdown."""
    options = parsed()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "strided.py"
        file.write_text(NETWORK)
        spec, change = f"{file}:Net", f"--with dilate={options.output_stride}"
        found = train.run(
            TrainConfig(
                data=options.data,
                task="segment",
                model=spec,
                size=options.size,
                limit=options.limit,
                epochs=options.epochs,
                optimizer="adam",
                lr=3e-3,
                batch_size=8,
                versus=change,
                seeds=options.seeds,
                seed=options.seed,
                workers=1,
                precision="float32",
                device="cpu",
                trust_code=True,
            )
        )
        if not isinstance(found, MaskTrainResult):
            raise InputError(f"{options.data}: has no masks")
        strided, dilated = ([row for row in found.rows if row.variant == name] for name in (GIVEN, change))
        cost = costs(spec, found, strided[0], dilated[0], options.output_stride)
    facts = (
        f"Measured on {today()}: {Path(options.data).name}, shorter side {options.size} pixels, {found.n_train:,} training and "
        f"{found.n_test:,} test pictures, {options.epochs} epochs of batches of 8, seeds {strided[0].seed} to "
        f"{strided[-1].seed}, {found.device}, torch {torch.__version__}."
    )
    parts = [differences(found), per_network(strided, dilated), by_class(found, strided, dilated), cost, stacks(), facts]
    write_page("\n\n".join([*parts, *found.notes]) + "\n", options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train, with masks")
    parser.add_argument("--size", type=int, default=60, help="shorter side of pictures, in pixels (default: 60)")
    parser.add_argument("--limit", type=int, help="pictures per split (default: all)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs (default: 4)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument("--output-stride", type=int, default=2, help="as of --with dilate=N (default: 2)")
    return parser.parse_args()


def differences(found: MaskTrainResult) -> str:
    """Dilated minus strided over seeds."""
    rows = []
    for one in found.comparisons:
        if one.metric == "epochs to level":
            continue
        scale = 1 if one.metric == "seconds" else 100
        sides = [f"{scale * side:.1f}" for side in (one.first, one.second)]
        rows.append([one.metric, scaled(-one.difference, scale), one.verdict or "not tested", *sides])
    return table(["over seeds, in % where it is a share", "dilated minus strided", "verdict", "strided", "dilated"], rows)


def per_network(strided: Sequence[MaskRow], dilated: Sequence[MaskRow]) -> str:
    """Each network with the interval of its test set."""
    rows = [
        [name, str(row.seed), *(scaled(row.figure(metric), 100) for metric in METRICS)]
        for name, side in (("strided", strided), ("dilated", dilated))
        for row in side
    ]
    return table(["network", "seed", *(f"{name}, %" for name in METRICS.values())], rows)


def by_class(found: MaskTrainResult, strided: Sequence[MaskRow], dilated: Sequence[MaskRow]) -> str:
    """Mean IoU of each class."""
    rows = []
    for k, name in enumerate(found.classes):
        sides = [[row.per_class[k].iou for row in side] for side in (strided, dilated)]
        shown = [f"{100 * fmean(one.value for one in side if one):.1f}" if any(side) else "-" for side in sides]
        rows.append([name, *shown])
    return table(["IoU, %, mean over seeds", "strided", "dilated"], rows)


def costs(spec: str, found: MaskTrainResult, strided: MaskRow, dilated: MaskRow, stride: int) -> str:
    """Field, weights, multiply-adds and time."""
    rows = []
    for name, row, surgery in (("strided", strided, ()), ("dilated", dilated, (f"dilate={stride}",))):
        model = build_model(spec, 3, (96, 128), found.classes, surgery, target="mask").eval()
        dense, x = dense_part(model), torch.zeros(1, 3, 96, 128)
        if dense is None:
            raise InputError(f"{spec}: is not a classifier that was turned dense")
        field = receptive_field(model, x)
        with torch.no_grad():
            apart = 128 // dense.scores(x).shape[-1]
        seconds = "-" if row.cpu_seconds is None else f"{row.cpu_seconds:.0f}"
        rows.append([name, str(field[0]), str(apart), f"{row.parameters:,}", f"{row.multiply_adds / 1e6:.1f}", seconds])
    head = ["network", "field, pixels", "pixels between scores", "weights", "multiply-adds per picture, 10^6"]
    return table([*head, "CPU seconds of a training, first seed"], rows)


def stacks() -> str:
    """What a context module sees, and what plain layers need for it."""
    context, classes = ContextModule(11), 11
    plain = ContextModule(classes)
    for layer in plain.layers:
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            layer.dilation, layer.padding = (1, 1), (1, 1)
    x = torch.zeros(1, classes, 160, 160)
    fields = [receptive_field(one, x)[0] for one in (context, plain)]
    weights = sum(one.numel() for one in context.parameters())
    layers = (fields[0] - 1) // 2
    each = classes * classes * 9 + classes
    rows = [
        ["context module, dilations 1, 1, 2, 4, 8, 16, 1", str(fields[0]), f"{weights:,}"],
        ["the same without dilation", str(fields[1]), f"{weights:,}"],
        [f"{layers} plain 3x3 layers", str(2 * layers + 1), f"{layers * each:,}"],
        [f"one {fields[0]}x{fields[0]} layer", str(fields[0]), f"{classes * classes * fields[0] ** 2 + classes:,}"],
    ]
    return table(["on maps of 11 classes", "field, positions", "weights"], rows)


if __name__ == "__main__":
    run_script(main)
