"""What do frames tell, and what does their order? The figures of docs/systems on video, as Markdown.

python examples/video.py frame-mlp --data ../shared/data      real clips, by features of single frames
python examples/video.py besnet --data ../shared/data         the same clips, by a network inflated from images, fine-tuned
python examples/video.py motion --data ../shared/data         digits that drift, by features of frames and by besnet18
python examples/video.py dilation                             dilations drawn at random against one alone, in pairs
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from _page import page_options, run_script, table, today, write_page
from tricks import comparisons

from dlcli.engines import convert_2d_to_3d, train
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult

SQUEEZENET, MOBILENET = "weights/squeezenet1_1_imagenet.pth", "weights/mobilenet_v2_imagenet_features.pth"
DRIFT = {"data": "moving-digits-4", "limit": 200, "device": "cpu"}


def frame_mlp(folder: Path) -> Iterator[dict[str, Any]]:
    """Real clips by frozen features of two networks."""
    for name, weights in (("squeezenet1_1", SQUEEZENET), ("mobilenet_v2", MOBILENET)):
        yield {"data": str(folder / "video"), "model": f"frame-mlp:{name}", "weights": folder / weights, "device": "cpu"}


def besnet(folder: Path) -> Iterator[dict[str, Any]]:
    """Real clips by squeezenet1_1 inflated, and all of it trained on."""
    with tempfile.TemporaryDirectory() as room:
        video = Path(room, "besnet.safetensors")
        convert_2d_to_3d.run(Convert2DTo3DConfig(model=str(folder / SQUEEZENET), arch="squeezenet1_1", size=112, output=video))
        recipe = {"optimizer": "adam", "lr": 1e-4, "epochs": 8, "augment": ("horizontal-flip",)}
        yield {"data": str(folder / "video"), "model": str(video), **recipe, "device": "cpu"}


def motion(folder: Path) -> Iterator[dict[str, Any]]:
    """Digits that drift to the left or the right: each clip is there in both directions."""
    yield {**DRIFT, "limit": None, "model": "frame-mlp:squeezenet1_1", "weights": folder / SQUEEZENET}
    yield {**DRIFT, "model": "besnet18", "epochs": 4}


def dilation(folder: Path) -> Iterator[dict[str, Any]]:
    """Dilations 1 and 2 drawn at random against each of them alone, at a slow and a quick drift: a small network, few steps."""
    with tempfile.TemporaryDirectory() as room:
        video = Path(room, "cifar-resnet-8.safetensors")
        convert_2d_to_3d.run(Convert2DTo3DConfig(model="cifar-resnet-8", classes=2, size=32, output=video))
        for speed in (2, 4):
            for fixed in (1, 2):
                settings = {"data": f"moving-digits-{speed}", "versus": f"--with fixed-dilation={fixed}"}
                yield {**DRIFT, **settings, "model": str(video), "epochs": 4}


PARTS = {"frame-mlp": frame_mlp, "besnet": besnet, "motion": motion, "dilation": dilation}


def main() -> None:
    """Run one part, and print or write the Markdown, as far as it is ready."""
    options = parsed()
    parts = [f"Measured on {today()} by `python examples/video.py {' '.join(sys.argv[1:])}`.\n"]
    for settings in PARTS[options.part](options.data):
        print(f"{settings['model']} on {settings['data']}", file=sys.stderr)
        parts.append(measured(settings, options))
        if options.output:
            write_page("\n".join(parts), options.output)
    if not options.output:
        write_page("\n".join(parts), None)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = page_options(__doc__, seed=False)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, default=Path(), help="the folder with video/ and weights/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="clips of each set, instead of the part's own")
    parser.add_argument("--epochs", type=int, help="instead of the part's own")
    parser.add_argument("--workers", type=int, help="networks of a comparison trained side by side")
    return parser.parse_args()


def measured(settings: dict[str, Any], options: argparse.Namespace) -> str:
    """One network from each seed, or one comparison in pairs."""
    chosen = {name: value for name in ("limit", "epochs") if (value := getattr(options, name)) is not None}
    settings = {**settings, **chosen}
    if "versus" in settings:
        result = train.run(TrainConfig(**settings, seeds=options.seeds, workers=options.workers))
        head = (f"level {result.level:.3f}", "drawn", settings["versus"].split()[1], "paired difference, 95%", "")
        return "\n".join([title(settings, result, options.seeds), table(head, comparisons(result)), ""])
    results = [train.run(TrainConfig(**settings, seed=seed)) for seed in range(options.seeds)]
    head = ("seed", "test accuracy, 95%", "training accuracy", "seconds")
    return "\n".join([title(settings, results[0], options.seeds), table(head, seeds(results)), ""])


def title(settings: dict[str, Any], result: TrainResult, seeds: int) -> str:
    """What was trained on what."""
    against = f" against {settings['versus']}" if "versus" in settings else ""
    model = result.model
    if model.endswith(".safetensors"):
        model = f"{'cifar-resnet-8' if against else 'squeezenet1_1'} inflated by besnet"
    metadata = f"{result.n_train:,} training and {result.n_test:,} test clips, seeds 0 to {seeds - 1}, {result.device}"
    return f"**{model} on {Path(settings['data']).name}{against}**, {metadata}\n"


def seeds(results: Iterable[TrainResult]) -> Iterator[tuple[str, ...]]:
    """A row a network."""
    for row in (result.rows[0] for result in results):
        yield str(row.seed), str(row.accuracy), f"{row.train_accuracy:.3f}", f"{row.seconds:.0f}"


if __name__ == "__main__":
    run_script(main)
