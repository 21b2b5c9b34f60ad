"""The run directory of a scorer of pairs: `weights.safetensors`, and `model.json` with its results on held-out questions.

Both files hold data only, so loading a scorer runs no code from them, and imports torch only if the scorer is a network.
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
from dlcli.core.pairs.seen import SeenPairs, read_seen, save_seen
from dlcli.core.text.scoring.features import NAMES
from dlcli.core.text.scoring.operating_point import ThresholdCounts
from dlcli.specs.command_line import command_line
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.errors import InputError, MissingInputError
from dlcli.support.fingerprints import file_sha256
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import list_of, mapping_of, number, sha256, text

WEIGHTS, METADATA, SEEN, TASK = "weights.safetensors", "model.json", "seen.safetensors", "pairs"
_NEEDED = {
    "scorer": text(),
    "model": mapping_of(lambda value: ""),
    "slope": number(),
    "intercept": number(),
    "features": list_of(text()),
    "held_out": mapping_of(lambda value: ""),
    "weights_sha256": sha256(),
}
_MORE = {"seen_sha256": sha256()}
"""What `model.json` must hold; a scorer checks what is under "model"."""


@dataclass(frozen=True)
class SavedScorer:
    """A scorer loaded from its run directory.

    Attributes:
        scorer: The scorer.
        held_out: Its results on the test part when it was trained.
        sha256: SHA-256 of the weights.
    """

    scorer: PairScorer
    held_out: Mapping[str, Any]
    sha256: str


def save_scorer(folder: Path, scorer: PairScorer, held_out: Mapping[str, Any], seen: SeenPairs | None = None) -> str:
    """Write a scorer to its run directory.

    Args:
        folder: The run directory.
        scorer: The scorer.
        held_out: Its results on held-out pairs.
        seen: What it was fitted on; None if that is not known.

    Returns:
        The SHA-256 of the weights.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in scorer.model.arrays().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(arrays))
    digest = file_sha256(folder / WEIGHTS)
    metadata = {
        "task": TASK,
        "scorer": scorer.name,
        "model": scorer.model.metadata(),
        "slope": scorer.slope,
        "intercept": scorer.intercept,
        "features": list(NAMES),
        "held_out": dict(held_out),
        "weights_sha256": digest,
    }
    if seen is not None:
        save_seen(folder / SEEN, seen)
        metadata["seen_sha256"] = file_sha256(folder / SEEN)
    # Last, because a folder counts as a scorer once it has this file, and its hash then catches weights of another run.
    write_text(folder / METADATA, json.dumps(metadata, indent=2, ensure_ascii=False) + "\n")
    return digest


def is_scorer_dir(folder: Path) -> bool:
    """Whether `folder` holds a scorer of pairs; no for an image network, or any other folder."""
    try:
        metadata = read_json_metadata(folder / METADATA)
    except (OSError, InputError):
        return False
    return metadata.get("task") == TASK


def load_scorer(folder: Path) -> SavedScorer:
    """Load the scorer in `folder`.

    Args:
        folder: A run directory that `save_scorer` wrote.

    Returns:
        The scorer, with the results stored beside it.

    Raises:
        InputError: A file is missing, damaged, of another format, or does not belong to the other.
        DlcliError: Whatever the vectors raise that the scorer needs, such as a missing package.
    """
    metadata = _read_metadata(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file", hint="copy the whole folder")
    if file_sha256(path) != metadata["weights_sha256"]:
        message = f"{path}: the weights do not belong to {METADATA} (SHA-256 differs)"
        raise InputError(message, hint="copy both files from the run again, or train again")
    try:
        model = SCORERS.module(metadata["scorer"]).load(metadata["model"], load(path.read_bytes()))
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: does not fit {METADATA} ({str(error).splitlines()[0]})", hint="train again") from None
    scorer = PairScorer(metadata["scorer"], model, metadata["slope"], metadata["intercept"])
    return SavedScorer(scorer, metadata["held_out"], metadata["weights_sha256"])


def load_seen(folder: Path) -> SeenPairs | None:
    """What the scorer in `folder` was fitted on; None if its run directory does not tell, as one of an earlier version.

    Raises InputError if the file is missing, damaged or of another run.
    """
    digest, path = _read_metadata(folder).get("seen_sha256"), folder / SEEN
    if digest is None:
        return None
    if not path.is_file() or file_sha256(path) != digest:
        message = f"{path}: is missing, or does not belong to {METADATA} (SHA-256 differs)"
        raise InputError(message, hint="copy the whole folder again, or train again")
    return read_seen(path)


def read_threshold_counts(folder: Path) -> list[ThresholdCounts]:
    """The counts at each threshold on the pairs held out when the scorer in `folder` was trained, for `choose_threshold`.

    Raises InputError if the folder holds no scorer, or one without such counts.
    """
    counts = _read_metadata(folder)["held_out"].get("operating")
    if not isinstance(counts, list) or not all(map(_is_counts, counts)):
        message = f"{folder / METADATA}: has no counts of held-out pairs by threshold and component"
        raise InputError(message, hint="train again, or set `threshold=PROBABILITY`")
    return [ThresholdCounts(*row) for row in counts]


def _is_counts(found: Any) -> bool:
    """Whether `found` is a threshold, two counts, the second of a subset of the first, and a number of independent pairs."""
    if not isinstance(found, list) or [type(value) for value in found] != [float, int, int, float]:
        return False
    return bool(0 <= found[2] <= found[1] and 0 <= found[3] <= found[1])


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    hint = f"name a folder written by {command_line('train', data='PAIRS.csv', task='pairs')}"
    try:
        found = read_json_metadata(path, hint)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: not a run directory, it has no {METADATA}", hint=hint) from None
    if found.get("task") != TASK:
        raise InputError(f"{folder}: holds no scorer of pairs", hint=hint)
    check_metadata(found, path, _NEEDED, _MORE, hint=hint)
    if found["scorer"] not in SCORERS.names():
        known = ", ".join(SCORERS.names())
        raise InputError(f"{path}: no scorer is called '{found['scorer']}'", hint=f"choose from {known}")
    if found["features"] != list(NAMES):
        raise InputError(f"{path}: was written by a version of dlcli with other features", hint="train again")
    return found
