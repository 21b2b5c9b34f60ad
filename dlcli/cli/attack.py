"""`dlcli attack` at the shell."""

from dlcli.cli.command import Command, Sheet
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow
from dlcli.specs.estimates import Difference, Estimate
from dlcli.support.words import count

_NORMS = {"linf": "L-inf", "l2": "L2"}
_COLUMNS = (("transfer",), ("white-box", "black-box", "naive", "adaptive"), ("worst-case", "control"))
"""The threats of each column of an ensemble's table; of several in one the lowest figure stands."""


def _sheet(result: AttackResult) -> Sheet:
    images = f"{result.model}, n={result.n_images:,}"
    where = f"{result.method} on {result.data}, {images}, {_NORMS[result.norm]}, {_eps(result)}95% intervals, in %"
    notes = (*(f"CHECK {one.check}: {one.seen}." for one in result.findings), *result.notes, f"{result.threat_model}.")
    columns, rows = _ensemble(result) if result.members else _single(result)
    if len(result.eps) == 1:  # it stands in the title
        columns, rows = columns[1:], [row[1:] for row in rows]
    strong = frozenset(k for k, row in enumerate(rows) if result.headline.classifier in row)
    return Sheet(where, columns, tuple(rows), strong, notes)


def _eps(result: AttackResult) -> str:
    return f"eps {result.eps[0]:g}, " if len(result.eps) == 1 else ""


def _single(result: AttackResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows = []
    for row in result.rows:
        figures = (row.clean, row.adversarial, row.eight_bit)
        rows.append((f"{row.eps:g}", row.classifier, row.threat, *(_figure(one) for one in figures)))
        alone = [one for one in result.by_method if one.eps == row.eps] if len(result.method.split(",")) > 1 else []
        rows += [(f"{row.eps:g}", "", f"{one.method} alone", "", _figure(one.adversarial), "") for one in alone]
    return ("eps", "classifier", "threat", "clean", "adversarial", "in 8 bits"), rows


def _ensemble(result: AttackResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A row an eps and classifier; the attackers that know the ensemble share a column, for none of them is to stand alone."""
    control = all(row.threat == "control" for row in result.rows)
    shown = _COLUMNS[-1:] if control else _COLUMNS
    rows = []
    for eps in result.eps:
        for name in dict.fromkeys(row.classifier for row in result.rows):
            own = [row for row in result.rows if (row.eps, row.classifier) == (eps, name)]
            figures = [_lowest(own, threats) for threats in shown]
            gap = own[-1].minus_mean if own[-1].threat in shown[-1] else None
            rows.append((f"{eps:g}", name, _figure(own[0].clean), *figures, _gap(gap)))
    heads = ("control",) if control else ("transfer (upper bound)", "white-box", "worst-case")
    return ("eps", "classifier", "clean", *heads, "minus mean"), rows


def _lowest(own: list[AttackRow], threats: tuple[str, ...]) -> str:
    met = [row.adversarial for row in own if row.threat in threats]
    return _figure(min(met, key=lambda one: one.value)) if met else ""


def _figure(found: Estimate) -> str:
    return f"{100 * found.value:.1f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def _gap(found: Difference | None) -> str:
    # Whole points of an interval suffice beside the figure, and leave the table room; round, for :.0f says -0.
    return f"{100 * found.value:+.1f} [{round(100 * found.low)}, {round(100 * found.high)}]" if found else ""


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
        "dlcli attack --data mnist.npz --members 5 --ensemble mean --fail-under robust=0.5",
    ),
    sheet=_sheet,
    summary=_summary,
)
