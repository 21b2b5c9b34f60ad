"""Train on MNIST, evaluate on MNIST shifted by a few pixels, and print where the error comes from, as a Markdown table.

python examples/shifted_mnist.py --data mnist.npz -o ladder.md
python examples/shifted_mnist.py --data mnist.npz --augment shift
python examples/shifted_mnist.py --data mnist.npz --shift 1 --epochs 1 --limit 2000 --keep shifted/
"""

import argparse
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page
from numpy.typing import NDArray

from dlcli.core.data import open_data
from dlcli.core.data.base import Split, hold_out
from dlcli.engines import eval as evaluation
from dlcli.engines import train
from dlcli.specs.diagnosis import Gap
from dlcli.specs.estimates import Estimate
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.support.seeds import derive

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
PEOPLE = 0.002
"""The error of people on such digits as it is usually given (Simard, LeCun and Denker 1993)."""

TRAIN_DEV = 1 / 6
NAME, RUN = "shifted.npz", "run"


def main() -> None:
    """Run, and print or write the Markdown."""
    options = parsed()
    output = options.output.resolve() if options.output else None
    data = str(Path(options.data).resolve())
    with TemporaryDirectory() as passing:
        folder = options.keep or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        with chdir(folder):  # so that the commands in the table name files as they lie there
            text = measured(options, data)
    write_page(text, output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--data", default=MNIST, help="digits with a training and a test set (default: %(default)s)")
    parser.add_argument("--shift", type=int, default=3, help="by how many pixels dev and test are moved (default: 3)")
    parser.add_argument("--model", default="lenet", help="the network (default: lenet)")
    parser.add_argument("--epochs", type=int, help="training epochs (default: the network's own)")
    parser.add_argument("--augment", action="append", default=[], metavar="NAME", help="as of dlcli train")
    parser.add_argument("--limit", type=int, help="use only N images of each set")
    parser.add_argument("--keep", type=Path, metavar="DIR", help=f"leave {NAME} and {RUN}/ in this folder")
    return parser.parse_args()


def measured(options: argparse.Namespace, data: str) -> str:
    """Write the sets, train and diagnose in the current folder; gives the Markdown."""
    np.savez(NAME, **arrays(data, options.shift, options.limit, options.seed))
    given = {"seed": options.seed, "device": "cpu"}
    config = TrainConfig(
        data=NAME, model=options.model, epochs=options.epochs, augment=tuple(options.augment), output=Path(RUN), **given
    )
    trained = train.run(config)
    found = evaluation.run(EvalConfig(model=RUN, data=NAME, diagnose=True, human_error=PEOPLE, **given))
    return markdown(found, trained, options)


def arrays(data: str, shift: int, limit: int | None, seed: int) -> dict[str, NDArray[np.generic]]:
    """The four sets: a sixth of each training class is train-dev; the test images, moved, are half dev and half test."""
    found = open_data(data, limit=limit)
    sets = found.splits
    apart = hold_out(sets["train"].y.numpy(), TRAIN_DEV, derive(seed, "train-dev"))
    half = hold_out(sets["test"].y.numpy(), 1 / 2, derive(seed, "dev"))
    moved = Split(shifted(sets["test"].x, shift, derive(seed, "shift")), sets["test"].y)
    parts = {
        "train": sets["train"].take(~apart),
        "train_dev": sets["train"].take(apart),
        "dev": moved.take(half),
        "test": moved.take(~half),
    }
    images = {f"x_{name}": part.x.mul(255).round().byte().squeeze(1).numpy() for name, part in parts.items()}
    return {**images, **{f"y_{name}": part.y.numpy() for name, part in parts.items()}}


def shifted(x: torch.Tensor, pixels: int, seed: int) -> torch.Tensor:
    """Each image (c, h, w) moved by `pixels` along both axes, to one of four corners at random; black comes in."""
    height, width = x.shape[2:]
    padded = torch.nn.functional.pad(x, (pixels,) * 4)
    corners = torch.randint(2, (len(x), 2), generator=torch.Generator().manual_seed(seed)) * 2 * pixels
    windows = zip(padded, corners.tolist(), strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in windows])


def markdown(result: EvalResult, trained: TrainResult, options: argparse.Namespace) -> str:
    """The ladder, what it says, and what it was measured with."""
    found = result.diagnosis
    if found is None:
        raise RuntimeError("eval was asked for a diagnosis")
    gaps = {gap.lower: gap for gap in found.gaps}
    human = ["human", "", f"{100 * found.human:.1f}", "", "", "given"]
    rows = [human, *(cells(split, error, gaps[split]) for split, error in found.errors.items())]
    ladder = table(["set", "images", "error, %", "gap, %", "measures", "status"], rows)
    named = f"The largest gap is **{found.largest}**." if found.largest else "No gap is established."
    suggestions = [f"- {one.gap}: {one.what}: `{one.command}`" for one in found.suggestions]
    augment = ", ".join(options.augment) or "none"
    (row,) = trained.rows
    facts = (
        f"Measured on {today()}: {trained.n_train:,} training images of {Path(options.data).name}, "
        f"dev and test moved by {options.shift} pixels, {result.model}, {row.epochs} epochs, augmentation {augment}, "
        f"seed {options.seed}, {trained.device}, torch {torch.__version__}, weights {result.model_sha256[:12]}. "
        "Intervals are 95%."
    )
    return "\n".join([ladder, "", named, "", *suggestions, "", facts, ""])


def cells(split: str, error: Estimate, gap: Gap) -> list[str]:
    """One row of the table."""
    size = gap.difference
    measured = f"{100 * size.value:+.2f} [{100 * size.low:+.2f}, {100 * size.high:+.2f}]" if size else ""
    figure = f"{100 * error.value:.2f} [{100 * error.low:.2f}, {100 * error.high:.2f}]"
    return [split, f"{error.n:,}", figure, measured, " or ".join(gap.causes), gap.status]


if __name__ == "__main__":
    run_script(main)
