"""A reporter for tests of what a run says."""

from dlcli.support.reporter import SILENT


class RecordingReporter:
    """A reporter that records notes and warnings."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.note, self.warn, self.task = self.notes.append, self.warnings.append, SILENT.task
        self.stoppable, self.log = SILENT.stoppable, SILENT.log
