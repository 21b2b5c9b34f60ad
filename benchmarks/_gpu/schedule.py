"""Run sections one after the other, each part under its own `try` and each section under a deadline."""

import gc
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from dlcli.core.compute.device import release
from dlcli.support.atomic import write_text

from .rows import Row, Status, any_failed, markdown, not_measured, record
from .setup import Setup

Part = Callable[[Setup], Iterator[Row]]
"""Yields its rows as it finds them, so that those found before an error or the deadline are kept."""


@dataclass(frozen=True)
class Section:
    """Parts that share `seconds` of the run; `checks` says that all of them must finish, since they decide the exit status."""

    name: str
    seconds: float
    parts: Sequence[Part]
    checks: bool = False


class DeadlineError(BaseException):
    """The section has no time left. Not an Exception: what runs may catch those."""


@dataclass
class Run:
    """The rows of a run so far; with `output`, a folder, they are written there as JSON and as a Markdown table."""

    setup: Setup
    output: Path | None = None
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A rehearsal counts CPU seconds, since other programs may be running.
        self.now = time.process_time if self.setup.on_cpu else time.monotonic
        self.started = self.now()

    def sections(self, sections: Sequence[Section], seconds: float) -> int:
        """Run all of them in about `seconds`; the exit status, 1 if a check failed or a part raised."""
        scale, end = seconds / sum(section.seconds for section in sections), self.started
        for section in sections:
            end += section.seconds * scale  # what earlier sections did not use is left for this one
            self.rows[section.name] = []
            for part in section.parts:
                for row in _rows(part, self.setup, self.now, end, must_finish=section.checks):
                    self._add(section.name, row)
                gc.collect()
                release(self.setup.device)
            self._write()
        return int(any_failed(row for rows in self.rows.values() for row in rows))

    def _add(self, section: str, row: Row) -> None:
        self.rows[section].append(row)
        elapsed = self.now() - self.started
        asked = f" (asked {row.asked})" if row.asked else ""
        note = f"; {row.note}" if row.note else ""
        print(f"{elapsed:6.1f} s  {section}: {row.name}: {row.figure}{asked} {row.status.value}{note} [{self.setup.card}]")
        sys.stdout.flush()

    def _write(self) -> None:
        if self.output is None:
            return
        found = {
            "device": self.setup.card,
            "versions": self.setup.versions,
            "small": self.setup.small,
            "seconds": round(self.now() - self.started, 1),
            "rows": [{"section": name, **record(row)} for name, rows in self.rows.items() for row in rows],
        }
        write_text(self.output / "gpu.json", json.dumps(found, indent=1) + "\n")
        write_text(self.output / "gpu.md", markdown(self.setup.card, self.rows))


def _rows(part: Part, setup: Setup, now: Callable[[], float], end: float, *, must_finish: bool) -> Iterator[Row]:
    """The rows of a part, and one more that says why there are no further ones if it was cut short."""
    iterator, name = part(setup), part.__name__.replace("_", " ")
    while True:
        try:
            with deadline(end, now):
                row = next(iterator)
        except StopIteration:
            return
        except DeadlineError:
            late = not_measured(name, "out of time")
            yield Row(name, Status.FAILED, note=late.note) if must_finish else late
            return
        except Exception as error:  # whatever it is, the other parts still run
            traceback.print_exc()
            yield Row(name, Status.ERROR, note=" ".join(f"{type(error).__name__}: {error}".split())[:300])
            return
        yield row


@contextmanager
def deadline(end: float, now: Callable[[], float]) -> Iterator[None]:
    """Raise DeadlineError inside the block once `now()` is `end` or more."""

    def check(number: int, frame: FrameType | None) -> None:
        left = end - now()
        if left <= 0:
            raise DeadlineError
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.01))

    before = signal.signal(signal.SIGALRM, check)
    try:
        check(signal.SIGALRM, None)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
