"""A run directory of a scorer of pairs: `weights.safetensors` and `model.json`, with what it is worth on held-out questions.

Nothing in it is code, and reading it imports torch only for scorers that are networks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.pairs.scorers import SCORERS
from dlcli.core.text.scoring.features import NAMES
from dlcli.core.text.scoring.operating_point import ThresholdCounts
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.record import file_sha256

WEIGHTS, CARD, TASK = "weights.safetensors", "model.json", "pairs"
_KEYS: dict[str, type] = {"scorer": str, "model": dict, "slope": float, "intercept": float, "features": list}
_KEYS |= {"held_out": dict, "weights_sha256": str}


@dataclass(frozen=True)
class Saved:
    """A scorer read from its folder; `held_out` is what was measured when it was trained, `sha256` that of the weights."""

    scorer: PairScorer
    held_out: Mapping[str, Any]
    sha256: str


def save_scorer(folder: Path, scorer: PairScorer, held_out: Mapping[str, Any]) -> str:
    """Write the scorer to `folder`, each file whole or not at all, the card last; returns the SHA-256 of the weights."""
    arrays = {name: np.ascontiguousarray(array) for name, array in scorer.model.arrays().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(arrays))
    digest = file_sha256(folder / WEIGHTS)
    card = {
        "task": TASK,
        "scorer": scorer.name,
        "model": scorer.model.card(),
        "slope": scorer.slope,
        "intercept": scorer.intercept,
        "features": list(NAMES),
        "held_out": dict(held_out),
        "weights_sha256": digest,
    }
    write_text(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return digest


def is_scorer_dir(folder: Path) -> bool:
    """Whether `folder` holds a scorer of pairs, rather than a network of images or nothing."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("task") == TASK


def load_scorer(folder: Path) -> Saved:
    """The scorer in `folder`.

    Raises InputError if a file is missing, damaged, of another kind, or not the one that the card speaks of, and what the
    vectors raise that it needs.
    """
    card = _read_card(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="copy the whole folder")
    if file_sha256(path) != card["weights_sha256"]:
        message = f"{path}: the weights are not those that {CARD} speaks of (SHA-256 differs)"
        raise InputError(message, hint="copy both files from the run again, or train again")
    try:
        model = SCORERS.module(card["scorer"]).read(card["model"], load(path.read_bytes()))
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: does not fit {CARD} ({str(error).splitlines()[0]})", hint="train again") from None
    return Saved(PairScorer(card["scorer"], model, card["slope"], card["intercept"]), card["held_out"], card["weights_sha256"])


def read_operating(folder: Path) -> list[ThresholdCounts]:
    """What each threshold is worth on the questions that were held out when the scorer in `folder` was trained.

    Raises InputError if the folder holds no scorer, or its card does not say.
    """
    counts = _read_card(folder)["held_out"].get("operating")
    if not isinstance(counts, list) or not all(map(_is_counts, counts)):
        message = f"{folder / CARD}: does not say what thresholds are worth on held-out pairs"
        raise InputError(message, hint="train again, or pass --threshold PROBABILITY")
    return [ThresholdCounts(*row) for row in counts]


def _is_counts(found: Any) -> bool:
    """Whether `found` is a threshold with two counts, of which the second is within the first."""
    if not isinstance(found, list) or [type(value) for value in found] != [float, int, int]:
        return False
    return 0 <= found[2] <= found[1]


def _read_card(folder: Path) -> dict[str, Any]:
    path, hint = folder / CARD, "name a folder that dlcli train --task pairs wrote"
    try:
        found = read_json_metadata(path, hint)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no run directory, it has no {CARD}", hint=hint) from None
    if found.get("task") != TASK:
        raise InputError(f"{folder}: holds no scorer of pairs", hint=hint)
    wrong = [key for key, kind in _KEYS.items() if not isinstance(found.get(key), kind)]
    if wrong:
        raise InputError(f"{path}: {', '.join(wrong)} is missing or of another kind", hint=hint)
    if found["scorer"] not in SCORERS.names():
        raise InputError(f"{path}: no scorer is called '{found['scorer']}'", hint=f"there are: {', '.join(SCORERS.names())}")
    if found["features"] != list(NAMES):
        raise InputError(f"{path}: is of a version of dlcli with other features", hint="train again")
    return found
