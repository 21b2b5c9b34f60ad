"""What features told before and after pre-training, and comparisons at equal compute, on pages."""

from dlcli.core.html_report.parts import Cell, PageTable, Part, percent_cell, text_cell
from dlcli.specs.pretraining_result import PROBE_COLUMNS, probe_table
from dlcli.specs.score_text import difference_text, side_text
from dlcli.specs.scores import ScoreTrainResult
from dlcli.specs.train_result import Comparison, TrainResult


def equal_parts(result: TrainResult | ScoreTrainResult) -> list[Part]:
    """The table of comparisons at equal compute; none where there are none."""
    equal = result.equal_compute
    if equal is None:
        return []
    rows: list[list[Cell]] = [
        [one.metric, *_difference(one), "–" if one.p is None else f"{one.p:.2g}"] for one in equal.comparisons
    ]
    head = ["metric", "difference", "verdict", *equal.variants, "p"]
    return [PageTable(equal.note, head, rows)]


def _difference(one: Comparison) -> list[Cell]:
    """The difference, the verdict and both sides, of shares in percent."""
    if "accuracy" in one.metric:
        return [percent_cell(one.difference), one.verdict, f"{100 * one.first:.1f}", f"{100 * one.second:.1f}"]
    return [text_cell(difference_text(one)), one.verdict, side_text(one, one.first), side_text(one, one.second)]


def probe_parts(result: TrainResult | ScoreTrainResult) -> list[Part]:
    """The table of the figures; none without pre-training."""
    found = probe_table(result.pretraining, result.probe_gains)
    if found is None:
        return []
    rows: list[list[Cell]] = [[row[0], *map(text_cell, row[1:])] for row in found.rows]
    return [PageTable(found.title[0].upper() + found.title[1:], PROBE_COLUMNS, rows)]
