"""Tables and answers of networks of sequences, for `eval`."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.sequences import CausalityResult
from dlcli.support.plural import count


def causality_table(result: CausalityResult) -> TerminalTable:
    """What moved before and after the inputs that were replaced, and the field."""
    leaks = "" if not result.layer else f"{result.layer} ({result.kind})"
    rows = [
        ("largest change before the replaced inputs", f"{result.leak:.3g}" if result.leak else "0.0"),
        ("largest change from there on", f"{result.after:.3g}"),
        ("first layer that looks ahead", leaks or "none"),
        ("field, measured", _steps(result.field)),
        ("field, from the layers", "without bounds" if result.theory is None else count(result.theory, "step")),
    ]
    title = f"{result.model} on {result.data}"
    return TerminalTable(title, ("", "value"), tuple(rows), notes=result.notes, answer=causality_answer(result))


def causality_answer(result: CausalityResult) -> str:
    """The verdict in a sentence."""
    if result.leak:
        return f"{result.model} is not causal: outputs move by up to {result.leak:.3g} before the inputs that change"
    older = "" if result.field is None else f"; inputs older than {count(result.field, 'step')} change nothing"
    return f"{result.model} is causal: outputs before the inputs that change move by exactly 0.0{older}"


def _steps(field: int | None) -> str:
    return "all steps" if field is None else count(field, "step")
