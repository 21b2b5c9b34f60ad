"""The command `dlcli attack`: its table and its summary."""

import math
from typing import NamedTuple

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, Classifier, MethodRow, ThreatKind
from dlcli.specs.estimates import Difference, Estimate
from dlcli.support.plural import count

_NORMS = {"linf": "L-inf", "l2": "L2"}
_BOUND = "transfer ≤"


class _Column(NamedTuple):
    """A column of an ensemble's table: under `label`, the lowest accuracy under any of `threats`."""

    label: str
    threats: tuple[ThreatKind, ...]


_COLUMNS = (
    _Column(_BOUND, (ThreatKind.TRANSFER,)),
    _Column("white-box", (ThreatKind.WHITE_BOX, ThreatKind.BLACK_BOX, ThreatKind.NAIVE, ThreatKind.ADAPTIVE)),
    _Column("worst-case", (ThreatKind.WORST_CASE,)),
    _Column("control", (ThreatKind.CONTROL,)),
)

_WIDE = 0.02
"""A figure whose interval is wider than this is shown without decimals, in percent."""

_LABELS = {Classifier.BEST_MEMBER: "best", Classifier.MEAN_OF_MEMBERS: "members"}
"""Short labels of classifiers that are not a rule, so that a row fits on a terminal of 80 columns."""


def _table(result: AttackResult) -> TerminalTable:
    images = f"{result.model}, n={result.n_images:,}"
    title = f"{result.method} on {result.data}, {images}, {_NORMS[result.norm]}, {_eps(result)}in %, with 95% intervals"
    stamp = (f"{_BOUND} is an upper bound.",) if any(row.upper_bound for row in result.rows) else ()
    checks = (f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings)
    columns, rows, strong = _ensemble(result) if result.members else _single(result)
    return TerminalTable(title, columns, rows, strong, (*checks, *stamp, *result.notes, f"{result.threat_model}."))


def _eps(result: AttackResult) -> str:
    return f"eps {result.eps[0]:g}, " if len(result.eps) == 1 else ""


_Drawn = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], frozenset[int]]


def _single(result: AttackResult) -> _Drawn:
    """One row per eps and, with several methods, one for each of them."""
    targeted = any(row.reached for row in result.rows)
    columns = ("eps", "threat", "clean", "adversarial", "in 8 bits", *(["reached"] if targeted else []))
    rows: list[tuple[str, ...]] = []
    strong = set()
    for row in result.rows:
        strong.add(len(rows))
        threat = _BOUND if row.upper_bound else row.threat
        rows.append(_cells(row.eps, threat, [row.clean, row.adversarial, row.eight_bit], row))
        alone = [one for one in result.by_method if one.eps == row.eps] if len(result.method.split(",")) > 1 else []
        rows += [_cells(row.eps, f"by {one.method}", [None, one.adversarial, None], one) for one in alone]
    if len(result.eps) == 1:  # then the title has it
        columns, rows = columns[1:], [row[1:] for row in rows]
    return columns, tuple(row[: len(columns)] for row in rows), frozenset(strong)


def _cells(eps: float, threat: str, figures: list[Estimate | None], row: AttackRow | MethodRow) -> tuple[str, ...]:
    return f"{eps:g}", threat, *map(_figure, [*figures, row.reached])


def _ensemble(result: AttackResult) -> _Drawn:
    """One row per eps and classifier; the attackers that know the ensemble share a column, since none suffices on its own."""
    present = {row.threat for row in result.rows}
    shown = [column for column in _COLUMNS if present & set(column.threats)]
    rows: list[tuple[str, ...]] = []
    strong = set()
    for eps in result.eps:
        if len(result.eps) > 1:
            rows.append((f"eps {eps:g}", *[""] * (len(shown) + 2)))
        for name in dict.fromkeys(row.classifier for row in result.rows):
            own = [row for row in result.rows if (row.eps, row.classifier) == (eps, name)]
            figures = [_lowest(own, column.threats) for column in shown]
            gap = own[-1].minus_mean if own[-1].threat in shown[-1].threats else None
            strong |= {len(rows)} if name == result.headline.classifier else set()
            rows.append((_label(name), _figure(own[0].clean), *figures, _gap(gap)))
    columns = ("classifier", "clean", *(column.label for column in shown), "minus mean")
    return columns, tuple(rows), frozenset(strong)


def _label(classifier: Classifier) -> str:
    return _LABELS.get(classifier, classifier.rule or classifier.value)


def _lowest(own: list[AttackRow], threats: tuple[ThreatKind, ...]) -> str:
    met = [row.adversarial for row in own if row.threat in threats]
    return _figure(min(met, key=lambda one: one.value)) if met else ""


def _figure(found: Estimate | None) -> str:
    """`56 53-60`, or `97.3 96-98` where the interval is narrow enough for a decimal; intervals are rounded outwards."""
    if found is None:
        return ""
    return f"{_points(found.value, found)} {math.floor(100 * found.low)}-{math.ceil(100 * found.high)}"


def _gap(found: Difference | None) -> str:
    """`-2 -4,+1`, or `-1.3 -2,+0`."""
    if found is None:
        return ""
    return f"{_points(found.value, found, '+')} {math.floor(100 * found.low):+d},{math.ceil(100 * found.high):+d}"


def _points(value: float, found: Estimate | Difference, sign: str = "") -> str:
    # Without decimals that the interval does not support: a row must fit on a terminal of 80 columns.
    if abs(value) == 1 or found.high - found.low > _WIDE:
        return f"{round(100 * value):{sign}d}"
    return f"{round(100 * value, 1) + 0.0:{sign}.1f}"


def _summary(result: AttackResult) -> str:
    row = result.headline
    networks = f"{count(result.trained, 'network')} trained, {result.reused} reused"
    checks = f"; {count(len(result.findings), 'sanity check')} failed" if result.findings else ""
    return (
        f"{row.classifier} under {result.method} at eps {row.eps:g} ({row.threat}): {row.adversarial} of {row.adversarial.n:,} "
        f"images right, clean {row.clean}; {networks}{checks}"
    )


COMMAND = Command(
    name="attack",
    config=AttackConfig,
    engine="dlcli.engines.attack",
    examples=(
        "dlcli attack --method fgsm --ensemble max",
        "dlcli attack --model runs/digits --method pgd,apgd-ce --eps 0:0.3:0.05 -o report/",
        "dlcli attack --model weights.pth --arch lenet --data mnist.npz --norm l2 --eps 1.5 --method pgd",
        "dlcli attack --model runs/a --method transfer --surrogate runs/b",
        "dlcli attack --data mnist.npz --members 5 --ensemble mean --fail-under robust=0.5",
    ),
    table=_table,
    summary=_summary,
)
