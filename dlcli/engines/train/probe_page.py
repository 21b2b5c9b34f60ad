"""What features told before and after pre-training, on pages."""

from dlcli.core.html_report.parts import Cell, PageTable, Part, text_cell
from dlcli.specs.pretraining_result import PROBE_COLUMNS, probe_table
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train import TrainResult


def probe_parts(result: TrainResult | ScoreTrainResult) -> list[Part]:
    """The table of the figures; none without pre-training."""
    found = probe_table(result.pretraining, result.probe_gains)
    if found is None:
        return []
    rows: list[list[Cell]] = [[row[0], *map(text_cell, row[1:])] for row in found.rows]
    return [PageTable(found.title[0].upper() + found.title[1:], PROBE_COLUMNS, rows)]
