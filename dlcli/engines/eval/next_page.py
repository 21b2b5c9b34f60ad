"""The page of `dlcli eval -o DIR` for a network that predicts the next step."""

from pathlib import Path

from dlcli.core.html_report.page import Page
from dlcli.engines.train.next_page import bits_table
from dlcli.specs.next_step import NextEvalResult
from dlcli.support.atomic import write_text
from dlcli.support.plural import count


def write_next(folder: Path, result: NextEvalResult) -> None:
    """Write report.html to `folder`."""
    value, _, interval = str(result.bits).partition(" ")
    page = Page(
        title=f"{result.model} on {result.data}, {result.split} set",
        number=value,
        interval=interval,
        lead=f"bits per step, of {count(result.n_steps, 'step')} of {count(result.n_sequences, result.unit)}.",
        parts=[bits_table(result.model, result.bits, result.baselines)],
        notes=result.notes,
        facts=[("Network", result.model), ("Device", result.device), ("Weights SHA-256", result.model_sha256)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.html", page.html())
