"""What units of a network see, and what dilation does to it, as Markdown tables: dilated stacks, published figures, `dilate=8`.

python examples/receptive_field.py -o fields.md
python examples/receptive_field.py --networks cifar-resnet-20 --image 32 --output-stride 2
"""

import argparse

import torch
from _page import page_options, run_script, table, today, write_page
from torch import Tensor, nn

from dlcli.core.data.base import ImageData
from dlcli.core.evaluation.receptive_field import FieldTracker
from dlcli.core.evaluation.summary import summarise
from dlcli.core.model_io.untrained import find_model
from dlcli.core.surgery import apply_surgery

PUBLISHED = {"vgg16": "212", "resnet50": "483, strides at the ends of stages"}
"""Araujo et al. 2019, Computing Receptive Fields, Distill. The ResNet-50 there strides in the last block of a stage; that of
torchvision in the first of the next, so that its windows of 3 stand at smaller distances: 7 + 4 + 24 + 56 + 176 + 160 = 427."""

CLASSES = 10


def main() -> None:
    """Measure, and print or write the Markdown."""
    options = parsed()
    torch.manual_seed(options.seed)
    x = torch.rand(options.images, 3, options.image, options.image)
    parts = [stacks(), causal(), networks(options, x), dilated(options, x[:1, :, : options.image // 2 + 1])]
    metadata = (
        f"Measured on {today()}: {options.images} images of noise, {options.image} pixels across, networks "
        f"with random weights, seed {options.seed}, CPU ({torch.get_num_threads()} thread), fields in float32, differences "
        f"in float64, torch {torch.__version__}."
    )
    text = "\n\n".join([*parts, metadata]) + "\n"
    write_page(text, options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--networks", nargs="+", default=["vgg16", "resnet18", "resnet50"], help="as of --model of dlcli train")
    parser.add_argument("--image", type=int, default=224, help="height and width of the images (default: 224)")
    parser.add_argument("--images", type=int, default=4, help="over how many the effective field is a mean (default: 4)")
    parser.add_argument("--output-stride", type=int, default=8, help="as of --with dilate=N (default: 8)")
    return parser.parse_args()


def stack(dilations: tuple[int, ...]) -> nn.Module:
    """3x3 convolutions of one channel, one a dilation."""
    return nn.Sequential(*[nn.Conv2d(1, 1, 3, dilation=rate, bias=False) for rate in dilations])


def stacks() -> str:
    """Fields of 3x3 stacks, dilated and not: weights grow alike, fields do not."""
    rows = []
    for depth in range(1, 5):
        plain, grown = (summarise(stack(rates), torch.rand(1, 1, 64, 64)) for rates in ((1,) * depth, (1, 2, 4, 8)[:depth]))
        fields = ["x".join(map(str, one.receptive_field)) for one in (plain, grown)]
        rows.append([str(depth), str(grown.parameters), *fields])
    return table(["3x3 layers", "weights", "field, dilation 1", "field, dilations 1, 2, 4, 8"], rows)


def causal() -> str:
    """A causal stack along time: how far back it sees, and that it sees nothing that is still to come."""
    rates = (1, 2, 4, 8)
    net = nn.Sequential(*[nn.Sequential(nn.ConstantPad1d((d, 0), 0.0), nn.Conv1d(1, 1, 2, dilation=d)) for d in rates])
    x = torch.rand(1, 1, 64)
    with torch.no_grad(), FieldTracker(x) as tracker:
        net(x)
    (reach,) = tracker.field
    return table(
        ["causal, width 2, dilations 1, 2, 4, 8", "steps back", "steps ahead", "field"],
        [["one unit", str(reach.left), str(reach.right), str(reach.size)]],
    )


def networks(options: argparse.Namespace, x: Tensor) -> str:
    """Fields of whole networks, in theory and in effect, as they are and dilated."""
    rows = []
    for name in options.networks:
        model = built(name, options)
        changed, _ = apply_surgery(model, [f"dilate={options.output_stride}"], x[:1])
        for network, done in ((name, model), (f"{name}, dilate={options.output_stride}", changed)):
            found = summarise(done, x)
            effective = "" if found.effective_field is None else f"{found.effective_field:.0f}"
            field = str(found.receptive_field[0]) if found.receptive_field else "no bounds"
            rows.append(
                [
                    network,
                    f"{found.parameters:,}",
                    f"{found.multiply_adds / 1e9:.2f}",
                    field,
                    PUBLISHED.get(network, ""),
                    effective,
                ]
            )
    return table(["network", "weights", "multiply-adds, 10^9", "field", "published", "effective field"], rows)


def dilated(options: argparse.Namespace, x: Tensor) -> str:
    """What `dilate` did: the map before and after, and by how much the two differ at the places that both have."""
    rows = []
    for name in options.networks:
        maps = features(built(name, options)).double().eval()
        changed, (note,) = apply_surgery(maps, [f"dilate={options.output_stride}"], x.double())
        (coarse, before), (dense, after) = followed(maps, x.double()), followed(changed, x.double())
        height, width = coarse.shape[2:]
        step = before // after
        kept = dense[:, :, ::step, ::step][:, :, :height, :width]
        same = all(torch.equal(a, b) for a, b in zip(maps.state_dict().values(), changed.state_dict().values(), strict=True))
        shapes = [f"{height}x{width}", "x".join(map(str, dense.shape[2:]))]
        done = note.partition(": ")[2]
        gap = float((kept - coarse).abs().max() / coarse.abs().max())
        rows.append([name, done, *shapes, str(step), f"{gap:.0e}", "yes" if same else "no"])
    head = ["network to its last map", f"dilate={options.output_stride}", "map before", "after", "apart"]
    return table([*head, "largest difference there, of the largest value", "weights the same"], rows)


def followed(model: nn.Module, x: Tensor) -> tuple[Tensor, int]:
    """The last map, and how many pixels its neighbouring units lie apart."""
    with torch.no_grad(), FieldTracker(x) as tracker:
        found = model(x)
    return found, tracker.field[0].jump


def built(name: str, options: argparse.Namespace) -> nn.Module:
    """The network `name` in evaluation mode, with random weights."""
    shape, labels = torch.empty(0, 3, options.image, options.image), torch.empty(0, dtype=torch.int64)
    data = ImageData(shape, labels, shape, labels, tuple(map(str, range(CLASSES))), "noise")
    torch.manual_seed(options.seed)
    return find_model(name, data).build().eval()


def features(model: nn.Module) -> nn.Module:
    """The part of a network before its global pooling."""
    if isinstance(model.get_submodule("features") if hasattr(model, "features") else None, nn.Module):
        return model.get_submodule("features")
    parts = dict(model.named_children())
    ends = next((name for name, part in parts.items() if isinstance(part, (nn.AdaptiveAvgPool2d, nn.Linear))), "")
    return nn.Sequential(*list(parts.values())[: list(parts).index(ends)])


if __name__ == "__main__":
    run_script(main)
