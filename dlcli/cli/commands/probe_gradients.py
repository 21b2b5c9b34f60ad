"""`dlcli probe-gradients` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.estimates import Estimate
from dlcli.specs.probe_gradients import Cause, GradientRow, LesionRow, ProbeGradientsConfig, ProbeGradientsResult
from dlcli.support.plural import count

_WORST = 3


def _table(result: ProbeGradientsResult) -> TerminalTable:
    what = f"{result.model} on {result.data}" if result.model else "Scalar-to-scalar networks (1-D toy models)"
    by = "its input" if result.wrt == "input" else result.wrt
    title = f"{what}: gradient of the {result.target} w.r.t. {by}, bn {result.bn}"
    columns = ("network", "n", "lag 1", "lag 5", "lag 15", "slope", "length", "verdict")
    strong = frozenset(k for k, row in enumerate(result.rows) if row.verdict in ("white", "shattered"))
    notes = (*map(_cause, result.causes), *_lesioned(result.lesions), *_paths(result), *result.notes)
    return TerminalTable(title, columns, tuple(map(_cells, result.rows)), strong, notes)


def _cells(row: GradientRow) -> tuple[str, ...]:
    figures = (_figure(row.acf1), _figure(row.acf5), _figure(row.acf15))
    slope = "" if row.slope is None else f"{row.slope:.1f}"
    length = "" if row.length is None else f"{row.length:.3g}"
    return row.network, str(row.n), *figures, slope, length, row.verdict


def _figure(found: Estimate | None) -> str:
    if found is None:
        return ""
    return f"{found.value:.2f}" if found.n == 1 else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _cause(cause: Cause) -> str:
    suggestions = f" Try: {'; or: '.join(cause.suggestions)}" if cause.suggestions else ""
    return f"{cause.name}: {cause.evidence}.{suggestions}"


def _lesioned(rows: tuple[LesionRow, ...]) -> tuple[str, ...]:
    if not rows:
        return ()
    whole, *others = rows
    worst = ", ".join(f"{row.block} ({row.change})" for row in others[:_WORST] if row.loses)
    of = f"{count(len(others), 'block')} (McNemar's exact test by Holm)"
    if not worst:
        return (f"Whole network: accuracy {whole.accuracy}. No loss of accuracy is established from removing any one of {of}.",)
    lost = sum(row.loses for row in others)
    return (f"Whole network: accuracy {whole.accuracy}. Established losses: {lost} of {of}; the largest without {worst}.",)


def _paths(result: ProbeGradientsResult) -> tuple[str, ...]:
    found = result.path_summary
    if found is None:
        return ()
    share = f"95% of the gradient comes by paths through {found.effective_low} to {found.effective_high}"
    return (
        f"{share} of {len(result.path_lengths) - 1} residual blocks; mean {found.mean_by_gradient:.1f} by gradient, "
        f"{found.mean_by_count:.1f} by count.",
    )


def _summary(result: ProbeGradientsResult) -> str:
    said = ", ".join(f"{row.network} {row.verdict}" for row in result.rows)
    why = f"; likely cause: {result.causes[0].name}" if result.causes else ""
    return f"gradients: {said}{why}"


COMMAND = Command(
    name="probe-gradients",
    config=ProbeGradientsConfig,
    engine="dlcli.engines.probe_gradients",
    examples=(
        "dlcli probe-gradients",
        "dlcli probe-gradients --model nets.py:net50 --weights ckpt.pt --data ./images -o report/",
        "dlcli probe-gradients --synthetic resnet --depth 50 --beta 0.1",
        "dlcli probe-gradients --model runs/mine --lesion --paths",
    ),
    table=_table,
    summary=_summary,
)
