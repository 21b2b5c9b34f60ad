"""Suspected label errors of a set: for `dlcli eval` from its predictions, for `dlcli train` from those out of fold."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlcli.core.evaluation.label_errors import Floats, LabelErrors, label_errors
from dlcli.core.evaluation.metrics import Labels
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.parts import CardImage, Cell, Gallery, PageTable, Part
from dlcli.specs.suspects import Suspect, Suspects
from dlcli.support.atomic import write_text
from dlcli.support.plural import count
from dlcli.support.tables import Table, write_csv

SUSPECTS = "suspects.csv"
SHOWN = 24
"""How many suspects have a picture."""
_MOST = 1000
_NAMED = 3
_COLUMNS = ("index", "file", "given", "suggested", "score", "probability")


def find_suspects(
    log_p: Floats,
    y: Labels,
    outputs: Sequence[str],
    files: Sequence[object] | None,
    *,
    split: str,
    folds: int = 0,
) -> Suspects:
    """The labels of a set that are probably wrong.

    Args:
        log_p: Log-probabilities (n, outputs), predicted without these examples.
        y: The given labels, (n,).
        outputs: Names of the outputs.
        files: The file of each example, if they come from files.
        split: The name of the set; empty for a table of predictions.
        folds: Number of networks, each of which predicted one part; 0 for a single network.
    """
    p = np.exp(log_p.astype(np.float64))
    found = label_errors(p, y)
    return Suspects(
        split=split,
        n=len(y),
        count=len(found.indices),
        estimated=found.estimated,
        right=found.right,
        folds=folds,
        suspects=tuple(_suspects(found, p, y, outputs, files)),
    )


def _suspects(
    found: LabelErrors, p: Floats, y: Labels, outputs: Sequence[str], files: Sequence[object] | None
) -> list[Suspect]:
    return [
        Suspect(
            index=int(k),
            file="" if files is None else str(files[k]),
            given=outputs[y[k]],
            suggested=outputs[suggested],
            score=round(float(score), 6),
            probability=round(float(p[k, suggested]), 6),
        )
        for k, suggested, score in zip(found.indices[:_MOST], found.suggested, found.score, strict=False)
    ]


def suspects_note(found: Suspects, unit: str) -> str:
    """How many are suspected, how many would be by chance, and the first of them."""
    are = "is" if found.count == 1 else "are"
    by = "these probabilities" if not found.split else "this network"
    by = f"{count(found.folds, 'network')} that were not trained on them" if found.folds else by
    of = count(found.n, f"{found.split} {unit}".strip())
    first = "; ".join(f"{_called(one)}: {one.given}, rather {one.suggested}" for one in found.suspects[:_NAMED])
    return (
        f"{count(found.count, 'label')} of {of} {are} suspected to be wrong, by {by}; about "
        f"{found.right:.0f} of these are expected to be right. About {found.estimated:.0f} of all are estimated to be wrong."
        + (f" The most suspicious: {first}." if first else "")
    )


def _called(one: Suspect) -> str:
    return Path(one.file).name or f"number {one.index}"


def write_suspects(folder: Path, found: Suspects) -> None:
    """Write suspects.csv, the most suspicious first, atomically."""
    rows: list[list[object]] = [[getattr(one, name) for name in _COLUMNS] for one in found.suspects]
    stream = io.StringIO()
    write_csv(Table(list(_COLUMNS), rows), stream)
    write_text(folder / SUSPECTS, stream.getvalue())


def suspects_parts(found: Suspects | None, pictures: np.ndarray | None, unit: str) -> list[Part]:
    """The suspects on a page.

    Args:
        found: The suspects; None where they were not looked for.
        pictures: Those of the first, (m, c, h, w); None without pictures.
        unit: What an example is called.
    """
    if found is None:
        return []
    caption = (
        "Suspected label errors, the most suspicious first: the given label, and what is suggested. "
        f"{SUSPECTS} has up to {_MOST:,} of them."
    )
    if not found.suspects:
        return [PageTable("No label is suspected to be wrong", ["suspected", f"of {unit}s"], [["0", f"{found.n:,}"]])]
    if pictures is not None:
        cards = [_card(image, one, unit) for image, one in zip(pictures, found.suspects, strict=False)]
        return [Gallery(caption, cards)]
    rows: list[list[Cell]] = [
        [one.file or f"row {one.index + 1:,}", one.given, one.suggested, f"{one.score:.3f}"] for one in found.suspects[:SHOWN]
    ]
    return [PageTable(caption, [unit, "given", "suggested", "score"], rows, words=3)]


def _card(image: np.ndarray, one: Suspect, unit: str) -> tuple[CardImage, ...]:
    name = _called(one)
    line = f"{one.given}, rather {one.suggested} ({one.score:+.2f}): {name}"
    return (card_image(image, alt=f"The {unit} {name}, labelled {one.given}", line=line),)
