"""`dlcli predict` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.support.plural import count


def _table(result: PredictResult) -> TerminalTable:
    title = f"The first of {count(result.n_images, result.unit)} of {_what(result)}, by {result.model}"
    rows = tuple(tuple(_cell(cell) for cell in record.values()) for record in result.records())
    return TerminalTable(title, tuple(result.table.columns), rows, notes=(*result.notes, "All rows: use -o FILE or a pipe."))


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _summary(result: PredictResult) -> str:
    return f"{count(result.n_images, result.unit)} of {_what(result)}, predicted by {result.model}"


def _what(result: PredictResult) -> str:
    return f"{result.data}, {result.split}" if result.split else result.data


COMMAND = Command(
    name="predict",
    config=PredictConfig,
    engine="dlcli.engines.predict",
    examples=(
        "dlcli predict runs/digits",
        "dlcli predict runs/mine mine.npz -o labels.csv",
        "dlcli predict weights.pth mnist.npz --arch lenet --top 1 --format jsonl | head",
    ),
    table=_table,
    summary=_summary,
    rows=True,
)
