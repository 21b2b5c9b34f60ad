"""A run directory: a trained network on disk, with all that is needed to build it again.

`weights.safetensors` holds the parameters and buffers; `model.json` the network's name, the surgery done to it, the images or
clips and the classes it was made for, how it normalises images, and the SHA-256 of the weights
and of the files of the user's own code, if the network is made by such.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlcli.core.data.base import CLASS, MASK, SCORE
from dlcli.core.data.preparation import Preparation
from dlcli.core.inflate.video_net import origin_of
from dlcli.core.layers.multi_clip import MultiClip
from dlcli.core.layers.normalise import IMAGENET, normalisation_of, normalised
from dlcli.core.model_io.build import build_model, build_with_surgery, example_shape
from dlcli.core.model_io.checkpoint import load_state_into, load_weights, save_weights, weights_sha256
from dlcli.core.model_io.converted import VideoMetadata
from dlcli.core.models.code import RecordedCode, code_files
from dlcli.specs.command_line import command_line
from dlcli.specs.normalise import NONE
from dlcli.specs.predictions import PREDICTIONS
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import boolean, list_of, mapping_of, sha256, text, whole

WEIGHTS, METADATA = "weights.safetensors", "model.json"
_NEEDED = {
    "model": text(),
    "with": list_of(text(), most=1000),
    "channels": whole(1, 10_000),
    "size": list_of(whole(1, 100_000), least=2, most=2),
    "classes": list_of(text(), least=1),
    "weights_sha256": sha256(),
}
_MORE = {
    "frames": whole(1, 100_000),
    "clips": whole(1, 100_000),
    "normalise": text(),
    "normalised": boolean(),
    "code": mapping_of(sha256()),
    "data": text(),
    "converted": mapping_of(lambda value: ""),
    "task": text(),
    "group": text(),
    "label_column": text(),
    "scores": mapping_of(lambda value: ""),
    "sequences": mapping_of(lambda value: ""),
    "masks": mapping_of(lambda value: ""),
    "dev": mapping_of(lambda value: ""),
}
"""What `model.json` must hold, and may hold; what is in a mapping is checked by what reads it, such as `SavedScores`."""
_TARGETS = {"scores": SCORE, "masks": MASK}
"""What examples have, by what is recorded."""


@dataclass(frozen=True)
class SavedNetwork:
    """A network read from a run directory: in evaluation mode, on its device, with what it was made for.

    `target` is what its examples have: a class, a score or a mask; `any_size` tells that they may be of another size than those
    that it was trained on, as sequences and pictures with masks are.

    `size` is (height, width) in pixels, `classes` are the names of the outputs in order, `sha256` is that of the weights.
    `frames` and `clips` are those of the videos it was trained on; no frames: it takes images.
    """

    model: nn.Module
    spec: str
    surgery: tuple[str, ...]
    channels: int
    size: tuple[int, int]
    classes: tuple[str, ...]
    sha256: str
    frames: int | None = None
    clips: int = 1
    target: str = CLASS
    any_size: bool = False


def save_model(
    folder: Path,
    *,
    model: nn.Module,
    spec: str,
    surgery: Sequence[str],
    channels: int,
    size: tuple[int, int],
    classes: Sequence[str],
    more: Mapping[str, str] | None = None,
    frames: int | None = None,
    clips: int = 1,
    preparation: Preparation | None = None,
    data: str = "",
    learned: Mapping[str, Any] | None = None,
) -> str:
    """Write a network and its metadata; each file is written atomically.

    Args:
        folder: The run directory.
        model: The trained network.
        spec: Name of the network, as `find_model` takes it.
        surgery: Operations applied to it, in order.
        channels: Channels of the images or frames.
        size: Height and width in pixels.
        classes: Names of the outputs, in order.
        more: Further entries for the header of the weights file.
        frames: Frames per clip; None for images.
        clips: Clips per video.
        preparation: How its images were resized and cropped, where a published network decided that.
        data: What it was trained on, as `data` names it.
        learned: What else is recorded of the task, in the terms of JSON.

    Returns:
        The SHA-256 of the weights.
    """
    digest = weights_sha256(model)
    save_weights(folder / WEIGHTS, model, {"model": spec, "weights_sha256": digest, **(more or {})})
    metadata = {"model": spec, "with": list(surgery), "channels": channels, "size": list(size), "classes": list(classes)}
    metadata |= {"data": data} if data else {}
    metadata |= learned or {}
    metadata |= {"code": files} if (files := code_files(spec)) else {}
    metadata |= {} if frames is None else {"frames": frames, "clips": clips}
    metadata |= {"prepare": preparation.to_json()} if preparation is not None else {}
    metadata |= {"normalise": how} if (how := model_normalisation(model)) != NONE else {}
    metadata |= {"converted": origin} if (origin := origin_of(model)) else {}
    write_text(folder / METADATA, json.dumps(metadata | {"weights_sha256": digest}, indent=2, ensure_ascii=False) + "\n")
    return digest


def model_normalisation(model: nn.Module) -> str:
    """The name of the normalisation that the network, for one clip or several, stands behind."""
    return normalisation_of(model.inner if isinstance(model, MultiClip) else model)


def is_run_dir(folder: Path) -> bool:
    """Whether `folder` holds a network that `save_model` wrote."""
    return (folder / METADATA).is_file()


def load_model(folder: Path, device: torch.device) -> SavedNetwork:
    """The network in `folder`, rebuilt on `device`; the user's own code is imported where that is allowed.

    Raises InputError if a file is missing, damaged, not the one that the metadata describes, or does not fit the network, and
    what `named_model` raises.
    """
    metadata = read_run_metadata(folder)
    state = load_weights(folder / WEIGHTS)
    if weights_sha256(state) != metadata["weights_sha256"]:
        message = f"{folder / WEIGHTS}: the weights are not those that {METADATA} describes (SHA-256 differs)"
        raise InputError(message, hint="copy both files from the run again, or train again")
    height, width = metadata["size"]
    classes, surgery = tuple(map(str, metadata["classes"])), tuple(map(str, metadata["with"]))
    frames = metadata.get("frames")
    target = next((target for name, target in _TARGETS.items() if name in metadata), CLASS)
    code = RecordedCode(str(folder / METADATA), metadata.get("code", {}))
    if "converted" in metadata:  # whose file need not be there any more
        build = partial(VideoMetadata.from_json(metadata["converted"], str(folder / METADATA)).build, len(classes))
        model = build_with_surgery(build, surgery, example_shape(metadata["channels"], (height, width), frames))
    else:
        model = build_model(
            metadata["model"],
            metadata["channels"],
            (height, width),
            classes,
            surgery,
            frames=frames,
            recorded=code,
            target=target,
            sequences="sequences" in metadata,
            by_step="next" in metadata.get("sequences", {}),
        )
    load_state_into(model, state, source=str(folder / WEIGHTS), network=metadata["model"])
    model = _normalised_as_recorded(model, metadata, folder / METADATA)
    model.to(device).eval()
    made_for = (metadata["channels"], (height, width), classes)
    return SavedNetwork(
        model,
        metadata["model"],
        surgery,
        *made_for,
        metadata["weights_sha256"],
        frames,
        metadata.get("clips", 1),
        target,
        any_size=target == MASK or "sequences" in metadata,
    )


def _normalised_as_recorded(model: nn.Module, metadata: Mapping[str, Any], path: Path) -> nn.Module:
    how = metadata.get("normalise", IMAGENET if metadata.get("normalised") else None)  # what older versions wrote
    if how is None:
        return model
    try:
        return normalised(model, str(how), metadata["channels"])
    except UsageError:
        raise InputError(f"{path}: normalise is '{how}', which this version does not know", hint="update dlcli") from None


def read_run_metadata(folder: Path) -> dict[str, Any]:
    """What `model.json` in `folder` records; raises InputError if it is missing or damaged."""
    path = folder / METADATA
    if not path.exists() and (folder / WEIGHTS).exists():
        message = f"{folder}: not a run directory, it has no {METADATA}, only weights"
        raise InputError(message, hint=command_line("train", weights=folder))
    if not path.exists():
        table = folder / PREDICTIONS
        hint = f"to evaluate its predictions name {table}" if table.is_file() else "choose a directory that dlcli train wrote"
        raise InputError(f"{folder}: not a run directory, it has no {METADATA}", hint=hint)
    found = read_json_metadata(path)
    if found.get("task") == "pairs":
        message = f"{folder}: holds a scorer of pairs of texts, not a network for images"
        scored, deduped = (
            command_line("eval", model=folder, data="PAIRS.csv"),
            command_line("dedupe", table="T.csv", model=folder),
        )
        raise InputError(message, hint=f"{scored}, or {deduped}")
    check_metadata(found, path, _NEEDED, _MORE, hint="dlcli train writes this file")
    return found
