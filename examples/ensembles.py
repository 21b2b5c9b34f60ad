"""The full table of the 2017 study on MNIST: members, rules and samples under transferred FGSM, and its flawed count beside it.

python examples/ensembles.py --data mnist.npz --model lenet -o lenet.md
python examples/ensembles.py --data mnist.npz --model mnist-net --members 25 --epochs 1 --runs runs/study

For each way to sample the training images an ensemble is trained in the folder --runs, which a second call with more members
continues. FGSM examples are made on a baseline of the same architecture that is in no ensemble.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from _page import page_options, run_script, table, today, write_page
from torch import Tensor

from dlcli.cli.reporter import TerminalReporter
from dlcli.core.attacks import load_attack
from dlcli.core.compute.device import describe_device
from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.ensembles.combine import RULES, any_correct
from dlcli.core.model_io.ensemble_dir import count_members, is_ensemble, load_ensemble
from dlcli.core.model_io.run_dir import is_run_dir, load_model
from dlcli.core.proportion import proportion
from dlcli.core.stats import paired_difference
from dlcli.engines import ensemble, train
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig

CPU = torch.device("cpu")
DRAWS = {
    "all data": {},
    "bootstrapped": {"bootstrap": 1.0},
    "10% chunks": {"chunk": 0.1},
    "2% chunks": {"chunk": 0.02},
}
"""The training images of each member; the study had the first two."""

SIZES = (5, 25, 50)
THEIRS = {("all data", 5): "0.27", ("all data", 25): "0.30", ("all data", 50): "0.35"}
THEIRS |= {("bootstrapped", 5): "0.32", ("bootstrapped", 25): "0.45", ("bootstrapped", 50): "0.57"}
"""What the study printed for its max rule at eps 0.2."""

BASELINE_SEED = 1_000_003


@dataclass(frozen=True)
class Logits:
    """Logits of an ensemble (members, n, classes) and of the baseline (n, classes), for the same images."""

    members: Tensor
    baseline: Tensor


def main() -> None:
    """Train what is missing, evaluate, and print or write the Markdown."""
    options = parsed()
    data = open_data(options.data)
    x, y = data.x_test[: options.images], data.y_test[: options.images]
    baseline = load_model(trained_baseline(options), CPU)
    attacked = {0.0: x}
    for eps in options.eps:
        attacked[eps] = load_attack("fgsm")(baseline.model, x, y, eps=eps, full=True)
    own = {eps: predict_logits(baseline.model, images, device=CPU) for eps, images in attacked.items()}
    found = {}
    for draw in options.draws:
        models = [one.model for one in load_ensemble(trained_ensemble(options, draw), CPU).members]
        for eps, images in attacked.items():
            logits = torch.stack([predict_logits(model, images, device=CPU) for model in models])
            found[draw, eps] = Logits(logits, own[eps])
    text = markdown(options, found, y)
    write_page(text, options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__, seed=False)
    parser.add_argument("--data", required=True, help="a .npz with x_train, y_train, x_test and y_test")
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--draws", nargs="+", choices=DRAWS, default=list(DRAWS))
    parser.add_argument("--eps", type=float, nargs="+", default=[0.1, 0.2])
    parser.add_argument("--epochs", type=int, help="training epochs (default: the network's own)")
    parser.add_argument("--images", type=int, default=2000, help="how many test images are attacked")
    parser.add_argument("--workers", type=int, help="networks trained side by side")
    parser.add_argument("--runs", type=Path, default=Path("runs/study"))
    return parser.parse_args()


def trained_baseline(options: argparse.Namespace) -> Path:
    """The folder of the network on which examples are made."""
    folder: Path = options.runs / f"{options.model}-baseline"
    if not is_run_dir(folder):
        config = TrainConfig(
            data=options.data, model=options.model, epochs=options.epochs, seed=BASELINE_SEED, device="cpu", output=folder
        )
        train.run(config, report=TerminalReporter())
    return folder


def trained_ensemble(options: argparse.Namespace, draw: str) -> Path:
    """The folder of the ensemble, with as many members as asked for, or more."""
    folder: Path = options.runs / f"{options.model}-{draw.replace(' ', '-').replace('%', '')}"
    if not is_ensemble(folder) or count_members(folder) < options.members:
        config = EnsembleConfig(
            data=options.data,
            model=(options.model,),
            members=options.members,
            epochs=options.epochs,
            workers=options.workers,
            device="cpu",
            output=folder,
            resume=folder.exists(),
            **DRAWS[draw],
        )
        ensemble.run(config, report=TerminalReporter())
    return folder


def markdown(options: argparse.Namespace, found: dict[tuple[str, float], Logits], y: Tensor) -> str:
    """A row for each draw, number of members and eps."""
    head = ["members", "trained on", "eps", "baseline", "best member", "mean of members", "mean rule", "max rule"]
    head += ["theirs, max", "max minus mean", "mean rule minus members", "max, baseline inside", "oracle", "flawed count"]
    rows = []
    for (draw, eps), logits in found.items():
        most = min(options.members, len(logits.members))
        for size in [one for one in SIZES if one <= most] or [most]:
            rows.append(
                [str(size), draw, f"{eps:g}", *figures(logits, size, y, THEIRS.get((draw, size), "") if eps == 0.2 else "")]
            )
    epochs = str(options.epochs or "as usual for it")
    metadata = (
        f"Measured on {today()} by `python examples/ensembles.py {' '.join(sys.argv[1:])}`: {options.model}, "
        f"epochs: {epochs}, n = {len(y)} test images, {describe_device(CPU)}, torch {torch.__version__}. "
        "Intervals are 95%; differences are paired."
    )
    return "\n".join([table(head, rows), "", metadata, ""])


def figures(logits: Logits, size: int, y: Tensor, theirs: str) -> list[str]:
    """The cells of a row."""
    members = logits.members[:size]
    each = (members.argmax(-1) == y).double()
    rules = {name: (decide(members) == y).double() for name, decide in RULES.items()}
    inside = (RULES["max"](torch.cat([members, logits.baseline[None]])) == y).double()
    return [
        share((logits.baseline.argmax(-1) == y).double()),
        share(each[int(each.sum(1).argmax())]),
        share(each.mean(0)),
        share(rules["mean"]),
        share(rules["max"]),
        theirs,
        str(paired_difference(rules["max"].numpy(), rules["mean"].numpy())),
        str(paired_difference(rules["mean"].numpy(), each.mean(0).numpy())),
        share(inside),
        share(any_correct(members, y).double()),
        f"{flawed(members, y):.3f}",
    ]


def share(right: Tensor) -> str:
    """The mean with its interval."""
    return str(proportion(float(right.sum()), len(right)))


def flawed(members: Tensor, y: Tensor) -> float:
    """What the study's public script prints for "max": its count is not reset after the mean rule, and its winner not updated.

    The mean rule there is a mean of log-probabilities. The confidence that a member must beat grows, but the class that is
    counted stays the first member's, so that the printed figure is the accuracy of the mean rule plus that of member 1.
    """
    mean = members.log_softmax(-1).mean(0).argmax(-1) == y
    first = members[0].argmax(-1) == y
    return float(mean.double().mean() + first.double().mean())


if __name__ == "__main__":
    run_script(main)
