"""Table and answer of `dlcli attack` on a network that predicts scores."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.figures import in_units, number_in_units, percent
from dlcli.specs.score_attack import EITHER, ScoreAttackResult, ScoreAttackRow
from dlcli.support.plural import count

_NORMS = {"linf": "L-inf", "l2": "L2", "l1": "L1"}
_NAMES = {EITHER: "either"}


def score_attack_table(result: ScoreAttackResult) -> TerminalTable:
    """A row for each direction and for random perturbations, or one for each eps."""
    several = len(result.eps) > 1
    rows = [_cells(f"{row.eps:g}" if several else _NAMES.get(row.direction, row.direction), row) for row in _shown(result)]
    strong = frozenset({len(rows) - 1})
    if not several:
        top = result.headline
        rows.append(("random", in_units(top.random), percent(top.random_moved), ""))
    columns = ("eps" if several else "direction", "mean change", "moved, %", "MAE")
    checks = [f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings]
    eps = f", eps {result.eps[0]:g}" if not several else ""
    title = f"{result.model} on {result.data}, {result.method}, {_NORMS[result.norm]}{eps}"
    notes = (
        *checks,
        *result.notes,
        f"MAE of the clean {result.unit}s: {in_units(result.clean_mae)}.",
        f"{result.threat_model}.",
    )
    return TerminalTable(title, columns, tuple(rows), strong, notes, score_attack_answer(result))


def _shown(result: ScoreAttackResult) -> list[ScoreAttackRow]:
    return [row for row in result.rows if len(result.eps) == 1 or row.direction == EITHER]


def _cells(name: str, row: ScoreAttackRow) -> tuple[str, ...]:
    return name, in_units(row.change), percent(row.moved), in_units(row.mae)


def score_attack_answer(result: ScoreAttackResult) -> str:
    """How far scores are moved, of how many images, and by how much that is more than by chance."""
    top = result.headline
    by = f"{result.method}, {_NORMS[result.norm]}, eps {top.eps:g}"
    found = f"scores of {count(result.n_images, result.unit)} move by {in_units(top.change)}"
    moved = f"{percent(top.moved, '%')} by more than {number_in_units(result.threshold, 3)}"
    random = "" if top.random is None else f"; random perturbations move them by {number_in_units(top.random.value, 3)}"
    checks = f"; {count(len(result.findings), 'sanity check')} failed" if result.findings else ""
    return f"{result.model} under {by}: {found}, {moved}{random}{checks}"
