"""What features told before and after pre-training, drawn for a terminal."""

from dlcli.cli.command import TerminalTable
from dlcli.specs.pretraining_result import PROBE_COLUMNS, probe_table
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train_result import TrainResult


def probes_beside(result: TrainResult | ScoreTrainResult) -> tuple[TerminalTable, ...]:
    """The table that stands below the figures of the networks; none without pre-training."""
    found = probe_table(result.pretraining, result.probe_gains)
    return () if found is None else (TerminalTable(found.title, PROBE_COLUMNS, found.rows),)
