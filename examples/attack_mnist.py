"""Measure an ensemble against FGSM on MNIST, and print a table with the figures of the 2017 study.

python examples/attack_mnist.py --data mnist.npz -o table.md
python examples/attack_mnist.py --data mnist.npz --members 5 --eps 0.2 --epochs 1 --limit 1000
"""

import argparse
from pathlib import Path

import torch
from _page import page_options, run_script, table, today, write_page

from dlcli.cli.reporter import TerminalReporter
from dlcli.core.models.zoo.mnist_net import RECIPE
from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, Classifier, ThreatKind

THEIRS = {
    (Classifier.BASELINE, ThreatKind.WHITE_BOX): ("0.98", "0.09"),
    (Classifier.BEST_MEMBER, ThreatKind.TRANSFER): ("", "0.22"),
    (Classifier.MEAN, ThreatKind.TRANSFER): ("", "0.24 (mean of log-probabilities)"),
    (Classifier.MAX, ThreatKind.TRANSFER): (
        "",
        "N = 5 / 25 / 50: 0.27 / 0.30 / 0.35 on all data, 0.32 / 0.45 / 0.57 bootstrapped",
    ),
}
"""The study's accuracies, clean and under FGSM at eps 0.2 made on its baseline, for the rules that it reported."""

DIFFERENCES = (
    f"Training here: {RECIPE.optimizer}, learning rate {RECIPE.lr:g}, {RECIPE.schedule} schedule; theirs: Adadelta, "
    "learning rate 0.1, rho 0.95, about 14 epochs. The network is the same.",
    "The images here stay within [0, 1]; theirs were not clipped.",
    "In the study's public code the count of correct answers is not reset between the mean and the max rule, and the "
    "winning class is never updated: what it prints for max is the mean rule's count plus the first member's. Here each "
    "rule is measured separately.",
)


def main() -> None:
    """Run, and print or write the Markdown."""
    options = parsed()
    config = AttackConfig(
        data=options.data,
        model="mnist-net",
        ensemble="max",
        members=options.members,
        eps=(options.eps,),
        epochs=options.epochs,
        limit=options.limit,
        seed=options.seed,
    )
    text = markdown(attack.run(config, report=TerminalReporter()), options.epochs or RECIPE.epochs)
    write_page(text, options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--data", required=True, help="a .npz with x_train, y_train, x_test and y_test, 28x28")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--eps", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, help="training epochs (default: the network's own)")
    parser.add_argument("--limit", type=int, help="attack only the first N test images")
    return parser.parse_args()


def markdown(result: AttackResult, epochs: int) -> str:
    """The table, how it was measured, and notes on its limits."""
    head = [
        "classifier",
        "attacker",
        "theirs, clean",
        "theirs, FGSM 0.2",
        "clean",
        f"FGSM {result.headline.eps:g}",
        "minus mean rule",
    ]
    measured = (
        f"Measured on {today()}: n = {result.n_images} test images of {Path(result.data).name}, "
        f"{result.members} bootstrapped members, {epochs} epochs, seed {result.seed}, {result.device}, "
        f"torch {torch.__version__}, baseline {result.model_sha256[:12]}. Intervals are 95%."
    )
    notes = [f"- {note}" for note in (*result.notes, *DIFFERENCES)]
    return "\n".join([table(head, map(cells, result.rows)), "", measured, "", *notes, ""])


def cells(row: AttackRow) -> list[str]:
    """One row of the table."""
    theirs = THEIRS.get((row.classifier, row.threat), ("", ""))
    minus = "" if row.minus_mean is None else str(row.minus_mean)
    return [row.classifier, row.threat, *theirs, str(row.clean), str(row.adversarial), minus]


if __name__ == "__main__":
    run_script(main)
