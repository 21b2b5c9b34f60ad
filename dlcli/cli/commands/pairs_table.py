"""Tables and summaries of metrics over labelled pairs of texts, for `train` and `eval`."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.pairs import PairsEvalResult, PairsTrainResult


def pairs_table(title: str, result: PairsTrainResult | PairsEvalResult) -> TerminalTable:
    """One row per metric."""
    rows = [(one.name, str(one.estimate), f"{one.estimate.n:,}") for one in result.metrics]
    return TerminalTable(title, ("metric", "value", "n"), tuple(rows), notes=result.notes)


def pairs_summary(result: PairsTrainResult | PairsEvalResult) -> str:
    """AUC and accuracy in one line."""
    found = {one.name: one.estimate for one in result.metrics}
    shown = [f"{name if name == 'accuracy' else name.upper()} {found[name]}" for name in ("auc", "accuracy") if name in found]
    return ", ".join(shown)
