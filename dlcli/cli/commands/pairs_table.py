"""Tables and answers of metrics over labelled pairs of texts, for `train` and `eval`."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import percent
from dlcli.specs.pairs import PairsEvalResult, PairsTrainResult, every_metric


def pairs_table(title: str, answer: str, result: PairsTrainResult | PairsEvalResult) -> TerminalTable:
    """One row per metric."""
    rows = [(one.name, percent(one.estimate), f"{one.estimate.n:,}") for one in every_metric(result)]
    return TerminalTable(title, ("metric", "value, %", "n"), tuple(rows), notes=result.notes, answer=answer)


def pairs_answer(result: PairsTrainResult | PairsEvalResult) -> str:
    """AUC and accuracy, with the number of pairs."""
    found = {one.name: one.estimate for one in result.metrics}
    names = [name for name in ("auc", "accuracy") if name in found]
    shown = [f"{name if name == 'accuracy' else name.upper()} {percent(found[name], '%')}" for name in names]
    n = f" on {max(found[name].n for name in names):,} {_kind(result)}" if names else ""
    return f"{', '.join(shown)}{n}"


def _kind(result: PairsTrainResult | PairsEvalResult) -> str:
    """What the pairs are: none of an evaluation are called test pairs, since the scorer may know them."""
    if isinstance(result, PairsTrainResult):
        return "test pairs"
    if result.seen is None or not result.seen.sharing:
        return "pairs"
    if result.seen.same == result.seen.n:
        return "pairs, all of which it was trained on"
    return f"pairs, {result.seen.sharing:,} of which share a text with its training"
