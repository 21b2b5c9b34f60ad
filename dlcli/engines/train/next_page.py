"""The pages of `dlcli train --task sequence --next -o DIR`: of one network, and of a comparison."""

from matplotlib.figure import Figure

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import Cell, Chart, PageTable, figure_cell
from dlcli.core.html_report.vector import svg
from dlcli.specs.next_step import Figure as Bits
from dlcli.specs.next_step import NextBaselines, NextTrainResult
from dlcli.support.plural import count

_CAPTION = (
    "The mean log2 likelihood of a step, that is minus the bits, and the loss of the other set are those after each epoch; "
    "training loss is the mean over the epoch, in nats."
)


def next_run_page(result: NextTrainResult, history: Figure) -> Page:
    """The page of one trained network.

    Args:
        result: The result, with one row.
        history: Its likelihoods and losses over epochs.
    """
    (row,) = result.rows
    value, _, interval = str(row.bits).partition(" ")
    return Page(
        title=f"{result.model} on {result.data}",
        number=value,
        interval=interval,
        lead=f"bits per step of {count(result.n_test, f'test {result.unit}')} after {row.best_epoch} of "
        f"{count(row.epochs, 'epoch')}; of "
        f"{count(row.n_watched, f'training {result.unit}')} {row.train_bits:.3f}.",
        parts=[
            Chart(svg(history, alt="Likelihood and loss by epoch"), _CAPTION),
            bits_table(result.model, row.bits, result.baselines),
        ],
        notes=result.notes,
        facts=[*_facts(result), ("Seed", str(row.seed)), ("Weights SHA-256", row.weights_sha256)],
    )


def next_comparison_page(result: NextTrainResult, curves: Figure, *, watched: str) -> Page:
    """The page of a comparison.

    Args:
        result: The result.
        curves: Learning curves over epochs.
        watched: The set on which training is followed, "dev" or "test".
    """
    names = list(dict.fromkeys(row.variant for row in result.rows))
    first = result.comparisons[0]
    value, _, interval = str(first.difference).partition(" ")
    compared: list[list[Cell]] = [
        [" minus ".join(one.variants) or one.metric, figure_cell(one.difference), one.verdict or "not tested"]
        for one in result.comparisons
    ]
    networks: list[list[Cell]] = [
        [row.variant, figure_cell(row.bits), str(row.seed), f"{row.train_bits:.3f}", str(row.epochs)] for row in result.rows
    ]
    caption = f"The mean log2 likelihood of a step of the {watched} set after each epoch: mean and range over seeds."
    return Page(
        title=f"{', '.join(names[:-1])} or {names[-1]}: {result.model} on {result.data}",
        number=value,
        interval=interval,
        lead=f"bits per step of {count(result.n_test, f'test {result.unit}')}, {first.verdict}: {names[0]} minus {names[1]}.",
        parts=[
            Chart(svg(curves, alt=f"Learning curves of {', '.join(names)}"), caption),
            PageTable("Paired differences over seeds", ["metric", "difference", "verdict"], compared),
            PageTable("All networks", ["variant", "bits per step", "seed", "training bits", "epochs"], networks),
        ],
        notes=result.notes,
        facts=_facts(result),
    )


def bits_table(model: str, bits: Bits, found: NextBaselines | None) -> PageTable:
    """Bits per step of a network beside those of simple predictions.

    Args:
        model: Its name.
        bits: Its bits.
        found: Those of simple predictions; None without them.
    """
    rows: list[list[Cell]] = [[model, figure_cell(bits)]]
    if found is not None:
        rows += [["first-order Markov chain", figure_cell(found.markov)], ["frequencies", figure_cell(found.frequencies)]]
    return PageTable("Bits per step", ["", "bits"], rows)


def _facts(result: NextTrainResult) -> list[tuple[str, str]]:
    changed = f" with {', '.join(result.surgery)}" if result.surgery else ""
    return [
        ("Data", f"{result.data}: {result.n_train:,} training and {count(result.n_test, f'test {result.unit}')}"),
        ("Network", f"{result.model}{changed}"),
        ("A step", result.kind),
        ("Device", result.device),
    ]
