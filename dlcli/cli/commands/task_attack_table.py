"""Table and answer of `dlcli attack` on a network that predicts masks or classifies sequences."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import percent
from dlcli.specs.task_attack import NOISE, TaskAttackResult, TaskAttackRow
from dlcli.support.plural import count

_NORMS = {"linf": "L-inf", "l2": "L2", "l1": "L1"}


def task_attack_table(result: TaskAttackResult) -> TerminalTable:
    """A row for the clean examples, and one for each eps and attack."""
    names = [one.name for one in result.clean.metrics]
    several = len(result.eps) > 1
    columns = ("eps and attack" if several else "attack", *(f"{_name(name)}, %" for name in names), "minus clean")
    rows = tuple((_label(row, several), *_cells(row)) for row in result.rows)
    strong = frozenset(k for k, row in enumerate(result.rows) if row is result.headline)
    eps = f", eps {result.eps[0]:g}" if not several else ""
    title = f"{result.model} on {result.data}, {result.method}, {_NORMS[result.norm]}{eps}"
    checks = [f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings]
    notes = (*checks, *result.notes, f"{result.threat_model}.")
    return TerminalTable(title, columns, rows, strong, notes, task_attack_answer(result))


def task_attack_answer(result: TaskAttackResult) -> str:
    """What the strongest attack leaves, of what there was, beside noise of the same size."""
    top = result.headline
    noise = next(row for row in result.rows if (row.eps, row.method) == (top.eps, NOISE))
    by = f"{result.method}, {_NORMS[result.norm]}, eps {top.eps:g} {result.eps_unit}"
    left = f"{_name(result.metric)} {percent(top.metrics[0].estimate, '%')} of {count(result.n_images, f'test {result.unit}')}"
    clean, random = (f"{100 * row.metrics[0].estimate.value:.1f}%" for row in (result.clean, noise))
    checks = f"; {count(len(result.findings), 'sanity check')} failed" if result.findings else ""
    return f"{result.model} under {by}: {left}, {clean} when clean, {random} under noise{checks}"


def _name(metric: str) -> str:
    return "mIoU" if metric == "miou" else metric.replace("-", " ")


def _label(row: TaskAttackRow, several: bool) -> str:
    return f"{row.eps:g}, {row.method}" if several and row.eps > 0 else row.method


def _cells(row: TaskAttackRow) -> tuple[str, ...]:
    return (*(percent(one.estimate) for one in row.metrics), percent(row.metrics[0].minus_clean))
