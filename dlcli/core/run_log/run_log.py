"""The logs of one command: opens their writers, passes records on, and reports what could not be written."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from dlcli.core.run_log import WRITERS, check_logs, parse_log
from dlcli.core.run_log.base import Group, Record
from dlcli.core.run_log.retry import RetryingWriter
from dlcli.core.run_log.separate import SeparateWriter
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter, Task

ID_FILE = "log.json"
"""In the output folder: the id under which a run that is resumed goes on."""


@contextmanager
def logged(specs: Sequence[str], group: Group, report: Reporter) -> Iterator[Reporter]:
    """A reporter that writes the figures of trainings to logs, in addition to what `report` does.

    Args:
        specs: The logs, each NAME[:TARGET].
        group: The runs. Its id is replaced by the one in the output folder, if it is resumed.
        report: Receives a warning for each log that cannot be written, once.

    Raises:
        DlcliError: If a log cannot be begun; later failures are warnings.
    """
    if not specs:
        yield report
        return
    check_logs(specs)
    group = _with_id(group)
    logs = [_Log(spec, group, report) for spec in specs]
    failed = False
    try:
        yield _LoggingReporter(report, logs)
    except Exception:  # but for interruptions, which are none
        failed = True
        raise
    finally:
        for log in logs:
            log.close(failed)


def _with_id(group: Group) -> Group:
    """The group with the id that the output folder holds, or with a new one, which is kept there."""
    if group.folder is None:
        return replace(group, id=uuid.uuid4().hex[:8])
    file = group.folder / ID_FILE
    found = _read_id(file) if group.resumed else ""
    if not found:
        found = uuid.uuid4().hex[:8]
        write_text(file, json.dumps({"id": found, "runs": list(group.runs)}, indent=2) + "\n")
    return replace(group, id=found)


def _read_id(file: Path) -> str:
    try:
        found = read_json_metadata(file)["id"]
    except (OSError, InputError, KeyError):
        return ""
    return found if isinstance(found, str) and found.isalnum() else ""


class _Log:
    """One log; that it fails is a warning, once while networks are trained, and at the end if records are missing."""

    def __init__(self, spec: str, group: Group, report: Reporter) -> None:
        self._spec, self._report, self._warned = spec, report, False
        name, target = parse_log(spec)
        entry = WRITERS.module(name)
        self._writer: SeparateWriter | RetryingWriter
        if entry.SEPARATE:
            self._writer = SeparateWriter(entry.__name__, target, group)
        else:
            self._writer = RetryingWriter(lambda: entry.open_writer(target, group))
            self._writer.open()

    def write(self, record: Record) -> None:
        self._writer.write(record)
        if self._writer.trouble and not self._warned:
            self._warned = True
            self._report.warn(f"`log={self._spec}`: {self._writer.trouble}; training goes on, and the log is tried again")

    def close(self, failed: bool) -> None:
        self._writer.close(failed=failed)
        if self._writer.missing:
            missing, why = count(self._writer.missing, "record"), self._writer.trouble or "no answer"
            figures = "the figures of the run are in its folder and its result"
            self._report.warn(f"`log={self._spec}`: {missing} could not be written ({why}); {figures}")


class _LoggingReporter:
    """Passes everything on to a reporter, and records to logs."""

    def __init__(self, report: Reporter, logs: Sequence[_Log]) -> None:
        self._report, self._logs = report, logs

    def note(self, text: str) -> None:
        self._report.note(text)

    def warn(self, text: str) -> None:
        self._report.warn(text)

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._report.task(label, total)

    def stoppable(self) -> AbstractContextManager[Callable[[], bool]]:
        return self._report.stoppable()

    def log(self, run: str, epoch: int, figures: Mapping[str, float], *, final: bool = False) -> None:
        for log in self._logs:
            log.write(Record(run, epoch, figures, final))
