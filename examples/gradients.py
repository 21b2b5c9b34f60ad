"""What depth does to gradients, and what blocks and paths are worth: the tables of two pages under docs/systems.

python examples/gradients.py lines
python examples/gradients.py blocks --runs runs/gradients
python examples/gradients.py blocks --weights cifar10_resnet20.pth --data cifar10.npz

`lines` walks 256 points in [-2, 2] through 20 networks of each kind and depth. `blocks` trains networks on the embedded digits,
or takes the weights of a CIFAR ResNet-20, and skips each block in turn; then it passes gradients through paths of each
length.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import torch
from _page import page_options, run_script, today, write_page

from dlcli.core.model_io.run_dir import is_run_dir
from dlcli.engines import probe_gradients, train
from dlcli.specs.probe_gradients import GradientRow, ProbeGradientsConfig, ProbeGradientsResult
from dlcli.specs.train import TrainConfig

DEPTHS = (2, 10, 24, 50)
NETWORKS = (("plain", 1.0), ("bn", 1.0), ("resnet", 1.0), ("resnet", 0.1), ("looks-linear", 1.0))
TRAINED = ("resnet-24", "resnet-56", "plain-6", "cifar-resnet-20")


def main() -> None:
    """Print the table that was asked for."""
    parser = page_options(__doc__, seed=False)
    parser.add_argument("table", choices=("lines", "blocks"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--depths", type=int, nargs="+", default=list(DEPTHS))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--runs", type=Path, default=Path("runs/gradients"))
    parser.add_argument("--weights", type=Path, help="of a CIFAR ResNet-20, with --data; nothing is trained then")
    parser.add_argument("--data", default="digits")
    options = parser.parse_args()
    rows = lines(options) if options.table == "lines" else blocks(options)
    metadata = f"{today()}, seed 0, CPU, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
    write_page("\n".join([*rows, "", metadata, ""]), options.output)


def lines(options: argparse.Namespace) -> Iterator[str]:
    """A row a kind and depth: the autocorrelation at lag 1 by frozen and by batch statistics."""
    yield "| network | depth | lag 1, frozen statistics | verdict | lag 1, batch statistics | verdict |"
    yield "|---|---|---|---|---|---|"
    for kind, beta in NETWORKS:
        for depth in options.depths:
            frozen, batch = (_line(kind, beta, depth, bn, options.seeds) for bn in ("frozen", "batch"))
            name = f"{kind}, beta {beta:g}" if kind == "resnet" else kind
            yield f"| {name} | {depth} | {_lag(frozen)} | {frozen.verdict} | {_lag(batch)} | {batch.verdict} |"


def _line(kind: str, beta: float, depth: int, bn: str, seeds: int) -> GradientRow:
    config = ProbeGradientsConfig(synthetic=kind, beta=beta, depth=depth, bn=bn, seeds=seeds, device="cpu")
    return probe_gradients.run(config).rows[0]


def _lag(row: GradientRow) -> str:
    return "–" if row.acf1 is None else f"{row.acf1.value:.2f} [{row.acf1.low:.2f}, {row.acf1.high:.2f}]"


def blocks(options: argparse.Namespace) -> Iterator[str]:
    """One row per network: its accuracy, the change when a block is skipped, and the lengths of paths that carry gradient."""
    head = ["network", "accuracy", "blocks", "median change without one", "worst"]
    head += ["mean path, by count", "by gradient", "95% of gradient"]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for name in ("cifar-resnet-20",) if options.weights else TRAINED:
        yield _blocks_row(name, _probe(name, options))


def _probe(name: str, options: argparse.Namespace) -> ProbeGradientsResult:
    paths = not name.startswith("plain")
    if options.weights:
        config = ProbeGradientsConfig(
            model=name, weights=options.weights, data=options.data, lesion=True, paths=paths, device="cpu"
        )
        return probe_gradients.run(config)
    folder = options.runs / name
    if not is_run_dir(folder):
        train.run(TrainConfig(model=name, data=options.data, epochs=options.epochs, device="cpu", output=folder))
    return probe_gradients.run(
        ProbeGradientsConfig(model=str(folder), data=options.data, lesion=True, paths=paths, device="cpu")
    )


def _blocks_row(name: str, found: ProbeGradientsResult) -> str:
    whole, *others = found.lesions
    changes = [row.change for row in others if row.change]
    worst = min(changes, key=lambda one: one.value)
    cells = [name, str(whole.accuracy), str(len(others)), f"{statistics.median(one.value for one in changes):+.3f}", str(worst)]
    summary = found.path_summary
    if summary is None:
        return f"| {' | '.join([*cells, '–', '–', '–'])} |"
    lengths = [f"{summary.mean_by_count:.1f}", f"{summary.mean_by_gradient:.1f}"]
    return f"| {' | '.join([*cells, *lengths, f'{summary.effective_low} to {summary.effective_high}'])} |"


if __name__ == "__main__":
    run_script(main)
