"""A training step for masks against a plain loop of PyTorch, in turns in one process, and where the time of an epoch goes.

OMP_NUM_THREADS=1 python benchmarks/segment.py
OMP_NUM_THREADS=1 python benchmarks/segment.py --height 180 --width 240 --rounds 3

Both train the U-Net of the zoo on the same pictures, with Adam and cross-entropy. Times are CPU seconds, which other programs
on the machine disturb least; the ratio is that of the medians over rounds.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlcli.core.data.mask_labels import VOID
from dlcli.core.models.zoo.unet import build
from dlcli.core.objectives.cross_entropy import PixelCrossEntropy
from dlcli.core.training.loop import Training
from dlcli.core.training.mask_augment import mask_augmentation, windows
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CLASSES = 11
CPU = torch.device("cpu")


def main() -> None:
    """Measure and print."""
    options = parsed()
    x, y = pictures(options)
    recipe = Recipe(epochs=10**6, batch_size=options.batch, optimizer="adam", lr=1e-3, schedule="constant", dtype="float32")
    ours = Training(network(), x, y, recipe, seed=0, device=CPU, objective=PixelCrossEntropy(tuple(map(str, range(CLASSES)))))
    plain = PlainLoop(x, y, options.batch)
    with SILENT.task("steps", None) as task:
        times = [(timed(lambda: ours.run_epoch(task)), timed(plain.run_epoch)) for _ in range(options.rounds + 1)][1:]
    steps = len(ours.losses)
    first, second = (1000 * median(side) / steps for side in zip(*times, strict=True))
    shape = f"{options.pictures} pictures of {options.width}x{options.height}, batches of {options.batch}"
    print(f"{shape}, {steps} steps per round, {options.rounds} rounds, torch {torch.__version__}")
    print(f"dlcli {first:.1f} ms per step, plain loop {second:.1f} ms, speed {second / first:.3f} of the plain loop")
    profile(options, x, y, first)


def profile(options: argparse.Namespace, x: Tensor, y: Tensor, step_ms: float) -> None:
    """What picking a batch, cutting windows and moving masks cost beside a step."""
    picked = torch.arange(options.batch)
    found = mask_augmentation(("horizontal-flip", "crop"), (options.height, options.width), None)
    if found is None:
        raise ValueError("nothing is changed")
    ((draws),) = found.draw_ahead([x[picked].shape], [torch.Generator().manual_seed(0)], CPU)
    side = min(options.height, options.width) * 3 // 4
    corners = torch.rand(options.batch, 2)
    parts = {
        "pick a batch": lambda: (x[picked].contiguous(memory_format=torch.channels_last), y[picked]),
        "cut windows": lambda: windows(x[picked], y[picked], corners, (side, side)),
        "flip and shift pictures and masks": lambda: found.change(x[picked], y[picked], draws),
    }
    for name, part in parts.items():
        taken = 1000 * median(timed(part) for _ in range(20))
        print(f"{name}: {taken:.2f} ms, {100 * taken / step_ms:.1f}% of a step")


class PlainLoop:
    """The same training without dlcli."""

    def __init__(self, x: Tensor, y: Tensor, batch: int) -> None:
        self.x, self.y, self.batch = (
            x.contiguous(memory_format=torch.channels_last),
            y.long().masked_fill(y == VOID, -100),
            batch,
        )
        self.model = network().to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def run_epoch(self) -> None:
        """One pass over the pictures."""
        for picked in torch.randperm(len(self.x)).tensor_split(-(-len(self.x) // self.batch)):
            self.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.model(self.x[picked]), self.y[picked])
            loss.backward()
            self.optimizer.step()


def timed(part: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    started = process_time()
    part()
    return process_time() - started


def network() -> nn.Module:
    """The network of both, from the same weights."""
    torch.manual_seed(0)
    return build(3, (0, 0), CLASSES)


def pictures(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Noise and masks of blocks, a tenth of them void."""
    source = np.random.default_rng(0)
    x = torch.from_numpy(source.random((options.pictures, 3, options.height, options.width), dtype=np.float32))
    labels = source.integers(0, CLASSES, (options.pictures, options.height, options.width)).astype(np.uint8)
    labels[:, : options.height // 10] = VOID
    return x, torch.from_numpy(labels)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=60)
    parser.add_argument("--width", type=int, default=80)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
