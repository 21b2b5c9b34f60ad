"""`dlcli probe-gradients` at the shell."""

from dlcli.cli.command import COMMAND_INDENT, Command, TerminalTable
from dlcli.cli.pictures import curve
from dlcli.specs.estimates import Estimate
from dlcli.specs.figures import in_units, number_in_units, percent, points, scaled
from dlcli.specs.probe_gradients import (
    Cause,
    GradientRow,
    LesionRow,
    ProbeGradientsConfig,
    ProbeGradientsResult,
    Trial,
)
from dlcli.support.plural import count

_BLOCKS_SHOWN = 3
_MEANINGS = {
    "linear": "constant gradient",
    "white": "gradients are noise",
    "shattered": "nearly noise",
    "partial": "some structure left",
    "healthy": "smooth",
    "undecided": "too few points",
}
"""What a verdict means."""


def _table(result: ProbeGradientsResult) -> TerminalTable:
    by = "its input" if result.wrt == "input" else result.wrt
    what = f"{result.model} on {result.data}" if result.model else "Scalar-to-scalar networks (1-D toy models)"
    title = f"{what}: autocorrelation of the gradient of the {result.target} w.r.t. {by}, bn {result.bn}"
    columns = ("network", "verdict", "lag 1", "0-15", "what it means")
    strong = frozenset(k for k, row in enumerate(result.rows) if row.verdict in ("white", "shattered"))
    details = (_lines(result), *_blocks(result), *_trials(result.trials))
    notes = (*map(_cause, result.causes), *_lesioned(result.lesions), *_paths(result), *_tried(result.trials), *result.notes)
    rows = tuple(map(_cells, result.rows))
    return TerminalTable(title, columns, rows, strong, notes, _answer(result), details=details)


def _cells(row: GradientRow) -> tuple[str, ...]:
    found = [one.value for one in (row.acf1, row.acf5, row.acf15) if one is not None]
    drawn = curve([1.0, *found], 0.0, 1.0) if found else ""
    return row.network, row.verdict, _correlation(row.acf1), drawn, _MEANINGS.get(row.verdict, "")


def _correlation(found: Estimate | None) -> str:
    """With its interval, but for a single line, which has none."""
    return f"{found.value:.2f}" if found is not None and found.n == 1 else scaled(found, decimals=2)


def _lines(result: ProbeGradientsResult) -> TerminalTable:
    """Every autocorrelation with its interval, and the shape of the spectrum."""
    rows = [
        (
            row.network,
            *map(_correlation, (row.acf1, row.acf5, row.acf15)),
            "" if row.slope is None else f"{row.slope:.1f}",
            "" if row.length is None else f"{row.length:.3f}",
            str(row.points),
            str(row.n),
        )
        for row in result.rows
    ]
    columns = ("network", "lag 1", "lag 5", "lag 15", "spectral exponent", "length, input units", "points", "n")
    return TerminalTable("every interval", columns, tuple(rows))


def _blocks(result: ProbeGradientsResult) -> tuple[TerminalTable, ...]:
    if not result.lesions:
        return ()
    rows = [
        (row.block or "whole network", percent(row.accuracy), percent(row.change), "" if row.p is None else f"{row.p:.2g}")
        for row in result.lesions
    ]
    columns = ("without", "accuracy, %", "change, points", "p by Holm")
    return (TerminalTable("accuracy without each block", columns, tuple(rows)),)


def _trials(trials: tuple[Trial, ...]) -> tuple[TerminalTable, ...]:
    if not trials:
        return ()
    rows = [
        (
            one.surgery,
            _mean(one, one.without),
            _mean(one, one.with_it),
            percent(one.difference) if one.scale else in_units(one.difference),
            one.verdict,
            "" if one.p is None else f"{one.p:.2g}",
        )
        for one in trials
    ]
    metric, unit = trials[0].metric, ", %" if trials[0].scale else ""
    columns = ("tried", f"without{unit}", f"with{unit}", f"difference{', points' if unit else ''}", "verdict", "p by Holm")
    over = f"{count(trials[0].difference.n, 'seed')}, {count(trials[0].n_test, 'test example')}"
    return (TerminalTable(f"{metric} with each surgery and without: {over}", columns, tuple(rows)),)


def _mean(one: Trial, value: float) -> str:
    return f"{100 * value:.1f}" if one.scale else number_in_units(value, 3)


def _tried(trials: tuple[Trial, ...]) -> tuple[str, ...]:
    return tuple(map(_tried_one, trials))


def _tried_one(one: Trial) -> str:
    shown = points(one.difference) if one.scale else in_units(one.difference)
    effect = "helps" if one.difference.value > 0 else "hurts"
    said = f"{effect}: established" if one.established else "not established to help or hurt"
    return f"Tried {one.surgery}: {said} ({one.metric} {shown}, {count(one.difference.n, 'seed')})."


def _cause(cause: Cause) -> str:
    suggestions = [f"{COMMAND_INDENT}{one}" if one.startswith("dlcli ") else one for one in cause.suggestions]
    lead = [f"{cause.name}: {cause.evidence}.{' To try:' if suggestions else ''}"]
    return "\n".join([*lead, *suggestions])


def _lesioned(rows: tuple[LesionRow, ...]) -> tuple[str, ...]:
    if not rows:
        return ()
    whole, *others = rows
    kind = others[0].kind if others else "block"
    of = f"{count(len(others), kind)} (McNemar's exact test by Holm)"
    accuracy = f"The whole network is right on {percent(whole.accuracy, '%')}."
    worst = [f"{row.block} ({points(row.change)})" for row in others[:_BLOCKS_SHOWN] if row.loses and row.change]
    if not worst:
        return (f"{accuracy} No loss of accuracy is established from removing any one of {of}.",)
    lost = sum(row.loses for row in others)
    return (f"{accuracy} Established losses: {lost} of {of}; the largest without {', '.join(worst)}.",)


def _paths(result: ProbeGradientsResult) -> tuple[str, ...]:
    found = result.path_summary
    if found is None:
        return ()
    share = f"95% of the gradient comes by paths through {found.effective_low} to {found.effective_high}"
    return (
        f"{share} of {len(result.path_lengths) - 1} residual blocks; mean {found.mean_by_gradient:.1f} by gradient, "
        f"{found.mean_by_count:.1f} by count.",
    )


def _answer(result: ProbeGradientsResult) -> str:
    cause = "likely cause: "
    if len(result.rows) == 1:
        (row,) = result.rows
        figure = f": autocorrelation {_correlation(row.acf1)} at lag 1, n={row.n}" if row.acf1 is not None else ""
        # The verdict is about the autocorrelation alone; a network with dead units is not healthy.
        smooth = row.verdict == "healthy" and bool(result.causes)
        cause = "but training may be hindered by " if smooth else cause
        said = f"gradients of {row.network} are {_MEANINGS['healthy'] if smooth else row.verdict}{figure}"
    else:
        verdicts = dict.fromkeys(row.verdict for row in result.rows)
        named = (f"{one} ({', '.join(row.network for row in result.rows if row.verdict == one)})" for one in verdicts)
        said = f"gradients are {', '.join(named)}"
    said = f"{said}; {cause}{result.causes[0].name}" if result.causes else said
    helps = [one.surgery for one in result.trials if one.established and one.difference.value > 0]
    if not result.trials:
        return said
    return f"{said}; established to help: {', '.join(helps) or 'none of what was tried'}"


COMMAND = Command(
    name="probe-gradients",
    config=ProbeGradientsConfig,
    engine="dlcli.engines.probe_gradients",
    examples=(
        "dlcli probe-gradients",
        "dlcli probe-gradients --model nets.py:net50 --weights w.pt --data images/",
        "dlcli probe-gradients --synthetic resnet --depth 50 --beta 0.1",
        "dlcli probe-gradients --model runs/mine --lesion --paths",
        "dlcli probe-gradients --model runs/mine --try --seeds 5",
    ),
    table=_table,
    answer=_answer,
)
