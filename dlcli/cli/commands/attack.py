"""`dlcli attack` at the shell."""

import math

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow, MethodRow
from dlcli.specs.estimates import Difference, Estimate
from dlcli.support.plural import count

_NORMS = {"linf": "L-inf", "l2": "L2"}
_BOUND = "transfer ≤"
_COLUMNS = (
    (_BOUND, ("transfer",)),
    ("white-box", ("white-box", "black-box", "naive", "adaptive")),
    ("worst-case", ("worst-case",)),
    ("control", ("control",)),
)
"""The threats of each column of an ensemble's table; of several in one the lowest figure stands."""

_WIDE = 0.02
"""An interval as wide leaves a figure no decimals, in percent."""

_SHORT = {"best member": "best", "mean of members": "members"}


def _table(result: AttackResult) -> TerminalTable:
    images = f"{result.model}, n={result.n_images:,}"
    where = f"{result.method} on {result.data}, {images}, {_NORMS[result.norm]}, {_eps(result)}in %, with 95% intervals"
    stamp = (f"{_BOUND} is an upper bound.",) if any(row.upper_bound for row in result.rows) else ()
    checks = (f"CHECK {one.check}: {one.seen}." for one in result.findings)
    columns, rows, strong = _ensemble(result) if result.members else _single(result)
    return TerminalTable(where, columns, rows, strong, (*checks, *stamp, *result.notes, f"{result.threat_model}."))


def _eps(result: AttackResult) -> str:
    return f"eps {result.eps[0]:g}, " if len(result.eps) == 1 else ""


_Drawn = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], frozenset[int]]


def _single(result: AttackResult) -> _Drawn:
    """A row an eps, and one a method where there are several."""
    aimed = any(row.reached for row in result.rows)
    columns = ("eps", "threat", "clean", "adversarial", "in 8 bits", *(["reached"] if aimed else []))
    rows: list[tuple[str, ...]] = []
    strong = set()
    for row in result.rows:
        strong.add(len(rows))
        threat = _BOUND if row.upper_bound else row.threat
        rows.append(_cells(row.eps, threat, [row.clean, row.adversarial, row.eight_bit], row))
        alone = [one for one in result.by_method if one.eps == row.eps] if len(result.method.split(",")) > 1 else []
        rows += [_cells(row.eps, f"by {one.method}", [None, one.adversarial, None], one) for one in alone]
    if len(result.eps) == 1:  # it stands in the title
        columns, rows = columns[1:], [row[1:] for row in rows]
    return columns, tuple(row[: len(columns)] for row in rows), frozenset(strong)


def _cells(eps: float, threat: str, figures: list[Estimate | None], row: AttackRow | MethodRow) -> tuple[str, ...]:
    return f"{eps:g}", threat, *map(_figure, [*figures, row.reached])


def _ensemble(result: AttackResult) -> _Drawn:
    """A row an eps and classifier; the attackers that know the ensemble share a column, for none of them is to stand alone.

    Names are cut short, so that a row is a line on a terminal of 80 columns.
    """
    present = {row.threat for row in result.rows}
    shown = [(head, threats) for head, threats in _COLUMNS if present & set(threats)]
    rows: list[tuple[str, ...]] = []
    strong = set()
    for eps in result.eps:
        if len(result.eps) > 1:
            rows.append((f"eps {eps:g}", *[""] * (len(shown) + 2)))
        for name in dict.fromkeys(row.classifier for row in result.rows):
            own = [row for row in result.rows if (row.eps, row.classifier) == (eps, name)]
            figures = [_lowest(own, threats) for _, threats in shown]
            gap = own[-1].minus_mean if own[-1].threat in shown[-1][1] else None
            strong |= {len(rows)} if name == result.headline.classifier else set()
            rows.append((_SHORT.get(name, name.removesuffix(" rule")), _figure(own[0].clean), *figures, _gap(gap)))
    columns = ("classifier", "clean", *(head for head, _ in shown), "minus mean")
    return columns, tuple(rows), frozenset(strong)


def _lowest(own: list[AttackRow], threats: tuple[str, ...]) -> str:
    met = [row.adversarial for row in own if row.threat in threats]
    return _figure(min(met, key=lambda one: one.value)) if met else ""


def _figure(found: Estimate | None) -> str:
    """`56 53-60`, or `97.3 96-98` where the interval is so narrow that a decimal says something; it is rounded outwards."""
    if found is None:
        return ""
    return f"{_points(found.value, found)} {math.floor(100 * found.low)}-{math.ceil(100 * found.high)}"


def _gap(found: Difference | None) -> str:
    """`-2 -4,+1`, or `-1.3 -2,+0`."""
    if found is None:
        return ""
    return f"{_points(found.value, found, '+')} {math.floor(100 * found.low):+d},{math.ceil(100 * found.high):+d}"


def _points(value: float, found: Estimate | Difference, sign: str = "") -> str:
    # Short, so that a row is a line on a terminal of 80 columns.
    if abs(value) == 1 or found.high - found.low > _WIDE:
        return f"{round(100 * value):{sign}d}"
    return f"{round(100 * value, 1) + 0.0:{sign}.1f}"


def _summary(result: AttackResult) -> str:
    row = result.headline
    networks = f"{count(result.trained, 'network')} trained, {result.reused} reused"
    doubt = f"; {count(len(result.findings), 'check')} failed" if result.findings else ""
    return (
        f"{row.classifier} under {result.method} at eps {row.eps:g} ({row.threat}): {row.adversarial} of {row.adversarial.n:,} "
        f"images right, clean {row.clean}; {networks}{doubt}"
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
