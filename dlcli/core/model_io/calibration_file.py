"""The calibration beside the weights of a network: `calibration.json` in the folder of a run or an ensemble."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dlcli.core.evaluation.calibrators import KINDS, NEEDED, Calibrator, restored, to_json
from dlcli.specs.command_line import command_line
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.plural import count
from dlcli.support.schema import boolean, one_of, sha256, text, whole

CALIBRATION = "calibration.json"
_NEEDED = {
    "method": one_of(*KINDS),
    "model_sha256": sha256(),
    "rule": text(),
    "tta": boolean(),
    "data": text(),
    "split": text(),
    "examples": whole(1, 10**12),
    "examples_sha256": sha256(),
}


@dataclass(frozen=True)
class SavedCalibration:
    """A calibration, of which network, and on what it was fitted.

    Attributes:
        method: Its name.
        calibrator: The map.
        model_sha256: That of the weights.
        rule: How an ensemble combines its members; empty for a single network.
        tta: Whether it is of logits with test-time augmentation.
        data: Name of the data.
        split: The set of them.
        examples: How many there are.
        examples_sha256: See `hash_of_examples`.
    """

    method: str
    calibrator: Calibrator
    model_sha256: str
    rule: str
    tta: bool
    data: str
    split: str
    examples: int
    examples_sha256: str

    def describe(self) -> str:
        """What is done to the probabilities, and what it comes from."""
        where = f"{count(self.examples, 'example')} of the {self.split} set of {self.data}"
        return f"Probabilities are calibrated by {self.calibrator}, fitted on {where}."


def hash_of_examples(x: Tensor, y: Tensor) -> str:
    """The SHA-256 of examples and their labels, as the network gets them."""
    found = hashlib.sha256(f"{x.dtype} {tuple(x.shape)} ".encode())
    for part in (x, y):
        found.update(part.contiguous().numpy().tobytes())
    return found.hexdigest()


def save_calibration(folder: Path, saved: SavedCalibration) -> None:
    """Write it to a folder."""
    values: dict[str, Any] = {name: value for name, value in vars(saved).items() if name != "calibrator"}
    write_text(folder / CALIBRATION, json.dumps({**values, **to_json(saved.calibrator)}) + "\n")


def read_calibration(folder: Path, model_sha256: str, rule: str, tta: bool) -> SavedCalibration | None:
    """The calibration of a network.

    Args:
        folder: That of the network.
        model_sha256: Of its weights.
        rule: How an ensemble combines its members; empty for a single network.
        tta: Whether logits are with test-time augmentation.

    Returns:
        The calibration; None if there is none.

    Raises:
        InputError: If the file is damaged, or of another network.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    hint = f"run {command_line('eval', model=str(folder), calibrate='dev')}, or give `uncalibrated`"
    found = read_json_metadata(path, hint)
    check_metadata(found, path, _NEEDED, hint=hint)
    method = found["method"]
    check_metadata(found, path, NEEDED[method], hint=hint)
    saved = SavedCalibration(calibrator=restored(method, found), **{name: found[name] for name in _NEEDED})
    if saved.model_sha256 != model_sha256:
        raise InputError(f"{path}: was fitted for other weights than those in this folder", hint=hint)
    if (saved.rule, saved.tta) != (rule, tta):
        raise InputError(f"{path}: was fitted with another `ensemble` or `tta`", hint=hint)
    return saved


def check_outputs(saved: SavedCalibration, outputs: int) -> None:
    """Raise InputError if a calibration does not fit that many outputs."""
    if not saved.calibrator.fits(outputs):
        raise InputError(
            f"{CALIBRATION}: is damaged, or not of a network of {count(outputs, 'output')}",
            hint="calibrate again, or give `uncalibrated`",
        )
