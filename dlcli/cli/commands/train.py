"""`dlcli train` at the shell."""

from statistics import fmean

from dlcli.cli.command import Command, TerminalTable, run_folder
from dlcli.cli.commands.pairs_table import pairs_summary, pairs_table
from dlcli.cli.percent import percent
from dlcli.specs.pairs import PairsTrainResult
from dlcli.specs.train import Comparison, TrainConfig, TrainResult, TrainRow
from dlcli.support.plural import count


def _table(result: TrainResult | PairsTrainResult) -> TerminalTable:
    if isinstance(result, PairsTrainResult):
        n = f"{result.n_train:,} training, {result.n_dev:,} dev and {result.n_test:,} test pairs"
        return pairs_table(f"{result.model} on {result.data}: {n}, 95% intervals", result)
    n = f"{result.n_train:,} training and {result.n_test:,} test {result.unit}s"
    title = f"{result.model} on {result.data}, {n}, accuracies in %"
    # Short heads, so that a row is a line on a terminal of 80 columns.
    columns = ("variant", "seed", "test, 95%", "train", "epochs", "fit", "level", "s")
    found = [_comparison(result, comparison) for comparison in result.comparisons]
    return TerminalTable(title, columns, tuple(_cells(row) for row in result.rows), notes=(*found, *result.notes))


def _cells(row: TrainRow) -> tuple[str, ...]:
    fit, level = ("" if epochs is None else str(epochs) for epochs in (row.epochs_to_fit, row.epochs_to_level))
    test = percent(row.accuracy)
    epochs = str(row.epochs) if row.best_epoch == row.epochs else f"{row.best_epoch} of {row.epochs}"
    training = (f"{100 * row.train_accuracy:.1f}", epochs, fit, level, f"{row.seconds:.1f}")
    return row.variant, str(row.seed), test, *training


def _comparison(result: TrainResult, found: Comparison) -> str:
    name = f"{found.metric} {result.level:.3f}" if found.metric == "epochs to level" else found.metric
    if found.variants:
        first, second = found.variants
        means = f"{first} ({found.first:.4g}) against {second} ({found.second:.4g})"
        return f"{name}: {means}, difference {found.difference}: {found.verdict}, p {found.p:.2g} by Holm"
    never = f"; never reached by {count(found.never, 'network')}, counted as the longest training" if found.never else ""
    verdict = f": {found.verdict}{'' if found.p is None else f', p {found.p:.2g} by Holm'}" if found.verdict else ""
    means = f"{found.first:.4g} against {found.second:.4g}"
    return f"{name}: {means}, difference {found.difference} over {count(found.difference.n, 'pair')}{verdict}{never}"


def _summary(result: TrainResult | PairsTrainResult) -> str:
    if isinstance(result, PairsTrainResult):
        return f"{pairs_summary(result)}{f'; the run is in {result.folder}' if result.folder else ''}"
    if result.comparisons and result.comparisons[0].variants:
        return _summary_of_arms(result)
    if result.comparisons:
        best = result.comparisons[0]
        tested = f"on these {result.n_test:,} test {result.unit}s"
        return f"{best.metric}: difference {best.difference} over {best.difference.n} seeds, {tested}: {best.verdict}"
    if not result.rows:
        return "stopped before the end"
    row = result.rows[-1]
    place = f"; the run is in {result.folder}" if result.folder else ""
    tested = f"test accuracy {row.accuracy} of {row.accuracy.n:,} {result.unit}s"
    return f"{tested}, {count(row.epochs, 'epoch')} in {row.seconds:.1f} s{place}"


def _summary_of_arms(result: TrainResult) -> str:
    names = dict.fromkeys(row.variant for row in result.rows)
    means = {name: fmean(row.accuracy.value for row in result.rows if row.variant == name) for name in names}
    best = max(means, key=lambda name: means[name])
    others = [one for one in result.comparisons if best in one.variants]
    established = sum(one.verdict == "established" for one in others)
    seeds = result.comparisons[0].difference.n
    won = f"the difference is established for {established} of {count(len(others), 'other')}"
    return f"highest mean test accuracy over {seeds} seeds: {means[best]:.4g} with {best}; {won}"


COMMAND = Command(
    name="train",
    config=TrainConfig,
    engine="dlcli.engines.train",
    examples=(
        "dlcli train --data digits -o runs/digits",
        "dlcli train --data mnist.npz --model lenet --with elu --versus baseline --seeds 5",
        "dlcli train pairs.csv --task pairs -o runs/questions",
        "dlcli train --data mnist.npz --adversarial fgsm:0.3 --resume -o runs/robust",
    ),
    table=_table,
    summary=_summary,
    adjust=run_folder,
)
