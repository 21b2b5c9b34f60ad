"""Tables and answers of metrics over labelled pairs of texts, for `train` and `eval`."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import percent
from dlcli.specs.pairs import PairsEvalResult, PairsTrainResult


def pairs_table(title: str, answer: str, result: PairsTrainResult | PairsEvalResult) -> TerminalTable:
    """One row per metric."""
    rows = [(one.name, percent(one.estimate), f"{one.estimate.n:,}") for one in result.metrics]
    return TerminalTable(title, ("metric", "value, %", "n"), tuple(rows), notes=result.notes, answer=answer)


def pairs_answer(result: PairsTrainResult | PairsEvalResult) -> str:
    """AUC and accuracy, with the number of pairs."""
    found = {one.name: one.estimate for one in result.metrics}
    names = [name for name in ("auc", "accuracy") if name in found]
    shown = [f"{name if name == 'accuracy' else name.upper()} {percent(found[name], '%')}" for name in names]
    n = f" on {max(found[name].n for name in names):,} test pairs" if names else ""
    return f"{', '.join(shown)}{n}"
