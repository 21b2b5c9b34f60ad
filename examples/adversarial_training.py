"""Train on FGSM examples of MNIST, evaluate with FGSM and PGD, and print a Markdown table with the 2017 study's figures.

python examples/adversarial_training.py --data ../shared/data/mnist.npz -o table.md
python examples/adversarial_training.py --data mnist.npz --epochs 1 --limit 200 --steps 5
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from _page import page_options, run_script, table, today, write_page
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.compute.device import choose_device, describe_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.proportion import proportion
from dlcli.engines import train
from dlcli.specs.estimates import Estimate
from dlcli.specs.train import TrainConfig

TRAINED = {"as they are": None, "fgsm:0.3": ("fgsm", 0.3, 1.0), "fgsm:0.3:0.5": ("fgsm", 0.3, 0.5)}
"""What the networks are trained on: values of the field `adversarial`."""

SAVED = 0.2
"""The eps of the examples that are made once, on the first network."""

THEIRS = {
    ("as they are", "clean"): "0.98",
    ("as they are", "own FGSM 0.2"): "0.09",
    ("fgsm:0.3", "clean"): "0.98",
    ("fgsm:0.3", "saved FGSM 0.2"): "0.91",
    ("fgsm:0.3", "own FGSM 0.3"): "0.71",
}
"""The study's accuracies; its examples were not clipped to [0, 1], here they are."""

Row = dict[str, Estimate]


def main() -> None:
    """Run, and print or write the Markdown."""
    options = parsed()
    device = choose_device("auto")
    data = open_data(options.data)
    picked = torch.from_numpy(choose(data.y_test.numpy(), options.limit))
    x, y = data.x_test[picked], data.y_test[picked]
    rows: dict[str, Row] = {}
    saved: Tensor | None = None
    for name in TRAINED:
        model = trained(options, name)
        if saved is None:
            saved = load_attack("fgsm")(model, x, y, eps=SAVED, seed=options.seed)
        rows[name] = dict(evaluated(options, model, x, y, saved, device))
    text = markdown(options, rows, len(y), describe_device(device))
    write_page(text, options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--data", required=True, help="a .npz with x_train, y_train, x_test and y_test, 28x28")
    parser.add_argument("--epochs", type=int, default=5, help="training epochs (default: 5)")
    parser.add_argument("--limit", type=int, default=1000, help="test images that are attacked (default: 1000)")
    parser.add_argument("--steps", type=int, default=40, help="steps of PGD (default: 40)")
    return parser.parse_args()


def trained(options: argparse.Namespace, name: str) -> nn.Module:
    """A network trained on what `TRAINED` has under `name`."""
    print(f"training on {name}", file=sys.stderr)
    with TemporaryDirectory() as passing:
        folder = Path(passing) / "run"
        config = TrainConfig(
            data=str(options.data),
            model="mnist-net",
            epochs=options.epochs,
            adversarial=TRAINED[name],
            seed=options.seed,
            output=folder,
        )
        train.run(config)
        return load_model(folder, choose_device("auto")).model


def evaluated(
    options: argparse.Namespace, model: nn.Module, x: Tensor, y: Tensor, saved: Tensor, device: torch.device
) -> Iterator[tuple[str, Estimate]]:
    """Evaluate one network.

    Args:
        options: The options as typed.
        model: The network.
        x: Test images, (n, c, h, w).
        y: Their labels, (n,).
        saved: The FGSM examples made on the first network.
        device: Where the network runs.

    Yields:
        Names and accuracies: clean, on the saved examples, and on examples made on this network by FGSM and by PGD.
    """

    def accuracy(images: Tensor) -> Estimate:
        return proportion(int((predict_logits(model, images, device=device).argmax(1) == y).sum()), len(y))

    yield "clean", accuracy(x)
    yield f"saved FGSM {SAVED:g}", accuracy(saved)
    pgd = load_attack("pgd").with_options(steps=options.steps)
    for eps in (0.2, 0.3):
        yield f"own FGSM {eps:g}", accuracy(load_attack("fgsm")(model, x, y, eps=eps, seed=options.seed))
        yield f"own PGD-{options.steps} {eps:g}", accuracy(pgd(model, x, y, eps=eps, seed=options.seed))


def markdown(options: argparse.Namespace, rows: dict[str, Row], n: int, device: str) -> str:
    """The table, and how it was measured.

    Args:
        options: The options as typed.
        rows: By network, its accuracies by name.
        n: Number of test images.
        device: A description of the device.
    """
    tests = list(next(iter(rows.values())))
    cells = [[test, *(cell(row[test], THEIRS.get((name, test))) for name, row in rows.items())] for test in tests]
    measured = (
        f"Measured on {today()}: n = {n} test images of {Path(options.data).name}, mnist-net, "
        f"{options.epochs} epochs, seed {options.seed}, {device}, torch {torch.__version__}. Intervals are 95%."
    )
    return "\n".join([table(["evaluated on", *(f"trained on {name}" for name in rows)], cells), "", measured, ""])


def cell(found: Estimate, theirs: str | None) -> str:
    """The figure, followed by the study's."""
    return f"{found}; theirs {theirs}" if theirs else str(found)


if __name__ == "__main__":
    run_script(main)
