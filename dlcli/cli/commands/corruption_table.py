"""Table and answer of `dlcli attack --method corruptions`."""

from dlcli.cli.command import TerminalTable
from dlcli.cli.pictures import bar
from dlcli.specs.corruption_attack import CorruptionError, CorruptionResult
from dlcli.specs.corruptions import SEVERITIES
from dlcli.specs.figures import in_units, percent, points
from dlcli.support.plural import count


def corruption_table(result: CorruptionResult) -> TerminalTable:
    """A row for each corruption; -v adds every severity."""
    relative = result.relative_error is not None
    rows = [_cells(one, relative) for one in result.by_corruption]
    rows.append(("mean", percent(result.mean_error), bar(result.mean_error.value), *_all(result)))
    columns = ("corruption", "error, %", "", *(("relative to the baseline",) if relative else ()))
    title = f"{result.model} on {result.data}, common corruptions, mean over {count(len(SEVERITIES), 'severity', 'severities')}"
    strong, answer = frozenset({len(rows) - 1}), corruption_answer(result)
    return TerminalTable(title, columns, tuple(rows), strong, result.notes, answer, details=(_every(result),))


def _cells(one: CorruptionError, relative: bool) -> tuple[str, ...]:
    return one.corruption, percent(one.error), bar(one.error.value), *((in_units(one.relative),) if relative else ())


def _all(result: CorruptionResult) -> tuple[str, ...]:
    return () if result.relative_error is None else (in_units(result.relative_error),)


def _every(result: CorruptionResult) -> TerminalTable:
    rows = [
        (one.corruption, *(percent(row.accuracy) for row in result.rows if row.corruption == one.corruption))
        for one in result.by_corruption
    ]
    return TerminalTable("accuracy in % at every severity", ("corruption", *map(str, SEVERITIES)), tuple(rows))


def corruption_answer(result: CorruptionResult) -> str:
    """The accuracy under corruptions beside the clean one and, with a baseline, mCE and the verdict."""
    found = f"{result.model} under {count(len(result.by_corruption), 'corruption')}: {percent(result.robust, '%')} of "
    found += f"{count(result.n_images, 'image')} right on average, clean {percent(result.clean, '%')}"
    if result.relative_error is None or result.minus_baseline is None:
        return found
    verdict = "established" if result.minus_baseline.established else "not established"
    return f"{found}; mCE {in_units(result.relative_error)}, {points(result.minus_baseline)} to {result.against}, {verdict}"
