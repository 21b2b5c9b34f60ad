"""`dlcli attack` at the shell."""

from dlcli.cli.command import Command, Sheet
from dlcli.specs.attack import AttackConfig, AttackResult, AttackRow
from dlcli.support.words import count

_NORMS = {"linf": "L-inf"}


def _sheet(result: AttackResult) -> Sheet:
    images = f"{result.model}, n={result.n_images:,}"
    where = f"{result.method} on {result.data}, {images}, {_NORMS[result.norm]}, 95% intervals, in %"
    columns = ("eps", "classifier", "threat", "clean", "adversarial", "minus mean rule")
    strong = frozenset(k for k, row in enumerate(result.rows) if row.classifier == result.headline.classifier)
    return Sheet(where, columns, tuple(_cells(row) for row in result.rows), strong, result.notes)


def _cells(row: AttackRow) -> tuple[str, ...]:
    figures = [f"{100 * f.value:.1f} [{100 * f.low:.1f}, {100 * f.high:.1f}]" for f in (row.clean, row.adversarial)]
    gap = row.minus_mean
    difference = f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]" if gap else ""
    return f"{row.eps:g}", row.classifier, row.threat, *figures, difference


def _summary(result: AttackResult) -> str:
    row = result.headline
    return (
        f"{row.classifier} under {result.method} at eps {row.eps:g} ({row.threat}): {row.adversarial} of {row.adversarial.n:,} "
        f"images right, clean {row.clean}; {count(result.trained, 'network')} trained, {result.reused} reused"
    )


COMMAND = Command(
    name="attack",
    config=AttackConfig,
    engine="dlcli.engines.attack",
    examples=(
        "dlcli attack --method fgsm --ensemble max",
        "dlcli attack --eps 0:0.3:0.05 -o report/",
        "dlcli attack --data mnist.npz --members 5 --ensemble mean --fail-under robust=0.5",
    ),
    sheet=_sheet,
    summary=_summary,
)
