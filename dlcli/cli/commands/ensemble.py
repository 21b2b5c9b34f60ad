"""`dlcli ensemble` at the shell."""

from dlcli.cli.command import Command, TerminalTable, run_folder
from dlcli.cli.percent import percent
from dlcli.specs.ensemble import Diversity, EnsembleConfig, EnsembleResult, EnsembleRow
from dlcli.specs.estimates import Estimate, PointEstimate

_BY_NUMBER = ("mean of members", "mean rule", "max rule", "oracle")
"""What is shown of fewer members than all."""


def _table(result: EnsembleResult) -> TerminalTable:
    title = f"{result.model} on {result.data}, {result.n_test:,} test images, 95% intervals, accuracies and ECE in %"
    most = max((row.members for row in result.rows), default=0)
    shown = [
        row for row in result.rows if row.members == most or row.classifier in _BY_NUMBER[: 1 if row.members == 1 else None]
    ]
    shown.sort(key=lambda row: -row.members)
    columns = ("N", "classifier", "accuracy", "minus members", "ECE", "NLL")
    strong = frozenset(k for k, row in enumerate(shown) if row == result.headline)
    notes = (*map(_diverse, result.diversity[-1:]), *result.notes)
    return TerminalTable(title, columns, tuple(map(_cells, shown)), strong, notes)


def _cells(row: EnsembleRow) -> tuple[str, ...]:
    accuracy, gain = percent(row.accuracy), percent(row.gain)
    return str(row.members), row.classifier, accuracy, gain, percent(row.ece), _two_digits(row.nll)


def _two_digits(found: Estimate | PointEstimate | None) -> str:
    if found is None:
        return ""
    rest = f"({found.why})" if isinstance(found, PointEstimate) else f"[{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f} {rest}"


def _diverse(found: Diversity) -> str:
    errors = f", and their errors correlate by {_two_digits(found.error_correlation)}" if found.error_correlation else ""
    share = percent(found.disagreement, "%")
    return f"Two of {found.members} members name different classes for {share} of the images{errors}."


def _summary(result: EnsembleResult) -> str:
    row = result.headline
    if row is None:
        return f"stopped with {len(result.members)} members trained; continue with --resume"
    reused = sum(one.reused for one in result.members)
    place = f"; the ensemble is in {result.folder}" if result.folder else ""
    kept = f", {reused} of them trained before" if reused else ""
    return (
        f"{row.classifier} of {row.members} members{kept}: test accuracy {row.accuracy}, {row.gain} to the mean member{place}"
    )


COMMAND = Command(
    name="ensemble",
    config=EnsembleConfig,
    engine="dlcli.engines.ensemble",
    examples=(
        "dlcli ensemble --members 10 -o runs/e10",
        "dlcli ensemble --data mnist.npz --model lenet --members 50 --bootstrap 0.1 -o runs/e50",
        "dlcli ensemble --members 0 --add runs/a --add runs/b --rule max",
        "dlcli attack --model runs/e50 --ensemble max --data mnist.npz",
    ),
    table=_table,
    summary=_summary,
    adjust=lambda values: run_folder(values, "-ensemble"),
)
