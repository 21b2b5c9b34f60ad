"""Which suggestions of `dlcli probe-gradients --try` are established to help, on deep plain networks and on sound ones.

python examples/trials.py --seeds 5 --sound 40

Deep networks are stacks of linear layers with ReLU and without skips, which shatter or lose their gradients. Sound ones are the
networks of dlcli that train well; each run has initial weights of its own.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from _page import page_options, run_script, today, write_page

from dlcli.engines import probe_gradients
from dlcli.specs.figures import points
from dlcli.specs.probe_gradients import ProbeGradientsConfig, ProbeGradientsResult

SOUND = ("mlp", "resnet-24", "cifar-resnet-8", "cifar-resnet-20")
DEEP = {"12 layers, 64 wide": (12, 64), "24 layers, 64 wide": (24, 64), "24 layers, 32 wide": (24, 32)}
_CODE = """
from torch import nn

def deep():
    widths = [64, *[{width}] * {depth}]
    layers = [one for a, b in zip(widths, widths[1:]) for one in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear({width}, 10))
"""


def main() -> None:
    """Print the tables."""
    parser = page_options(__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="pairs of networks of each surgery")
    parser.add_argument("--sound", type=int, default=40, help="runs on sound networks")
    parser.add_argument("--limit", type=int, default=400)
    options = parser.parse_args()
    metadata = f"{today()}, {options.limit} images, CPU, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
    write_page("\n".join([*_deep(options), "", *_sound(options), "", metadata, ""]), options.output)


def _deep(options: argparse.Namespace) -> Iterator[str]:
    yield "| network | likely cause | tried | test accuracy without | with | difference, points | |"
    yield "|---|---|---|---|---|---|---|"
    for name, (depth, width) in DEEP.items():
        with TemporaryDirectory() as folder:
            result = _tried(deep_network(Path(folder), depth, width), options, options.seed)
        cause = result.causes[0].name if result.causes else "–"
        for one in result.trials:
            shown = points(one.difference).replace(" points", "")
            yield f"| {name} | {cause} | {one.surgery} | {one.without:.3f} | {one.with_it:.3f} | {shown} | {one.verdict} |"


def deep_network(folder: Path, depth: int, width: int) -> str:
    """Write the code of a deep network into a folder; returns its name for dlcli."""
    code = folder / "nets.py"
    code.write_text(_CODE.format(depth=depth, width=width))
    return f"{code}:deep"


def _sound(options: argparse.Namespace) -> Iterator[str]:
    yield "| sound network | runs | with a likely cause | surgeries tried | established to help | mean difference, points |"
    yield "|---|---|---|---|---|---|"
    runs = [(SOUND[k % len(SOUND)], options.seed + k) for k in range(options.sound)]
    for name in SOUND:
        found = [_tried(model, options, seed) for model, seed in runs if model == name]
        trials = [trial for one in found for trial in one.trials]
        helped = sum(one.established and one.difference.value > 0 for one in trials)
        tried = ", ".join(f"{one} ({n})" for one, n in Counter(one.surgery for one in trials).items()) or "–"
        gain = f"{100 * fmean(one.difference.value for one in trials):+.1f}" if trials else "–"
        yield f"| {name} | {len(found)} | {sum(bool(one.causes) for one in found)} | {tried} | {helped} | {gain} |"


def _tried(model: str, options: argparse.Namespace, seed: int) -> ProbeGradientsResult:
    config = ProbeGradientsConfig(
        model=model,
        data="digits",
        limit=options.limit,
        try_suggested=True,
        seeds=options.seeds,
        seed=seed,
        points=64,
        walks=4,
        device="cpu",
    )
    return probe_gradients.run(config)


if __name__ == "__main__":
    run_script(main)
