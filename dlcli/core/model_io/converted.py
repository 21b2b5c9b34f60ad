"""A converted network for video on disk: FILE.safetensors with its weights, FILE.json with what it takes to rebuild it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.data.base import CLASS, SCORE, ImageData
from dlcli.core.data.preparation import Preparation, preparation_from_json
from dlcli.core.inflate import RULES
from dlcli.core.inflate.convert import InflatedNetwork, Inflation, rebuild
from dlcli.core.layers.normalise import IMAGENET, normalised
from dlcli.core.layers.temporal import ENDS
from dlcli.core.model_io.build import build_model
from dlcli.core.model_io.checkpoint import load_state_into, load_weights, read_metadata, save_weights, weights_sha256
from dlcli.core.models.base import Architecture
from dlcli.core.models.besnet import RECIPE
from dlcli.core.models.code import RecordedCode, code_files
from dlcli.specs.normalise import NONE
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError, MissingInputError
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.plural import count
from dlcli.support.schema import boolean, list_of, mapping_of, one_of, optional, record, sha256, text, whole

_TASK = "video"
_NETWORK = {
    "model": text(),
    "surgery": list_of(text(), most=1000),
    "channels": whole(1, 10_000),
    "size": list_of(whole(1, 100_000), least=2, most=2),
    "outputs": whole(1, 10_000_000),
    "classes": optional(list_of(text(), least=1)),
}
_NETWORK_MORE = {
    "prepare": optional(mapping_of(lambda value: "")),
    "normalise": text(),
    "code": mapping_of(sha256()),
    "normalised": boolean(),
    "target": one_of(CLASS, SCORE),
}
_NETWORK_KEYS = {*_NETWORK, *_NETWORK_MORE} - {"normalised"}
_NEEDED = {
    "network": record(_NETWORK, _NETWORK_MORE, closed=True),
    "rule": one_of(*RULES.names()),
    "taps": mapping_of(whole(1, 10_000)),
    "head": text(),
    "ends": one_of(*ENDS),
    "dilations": list_of(whole(1, 10_000), least=1, most=10_000),
    "weights_sha256": sha256(),
}
"""What the metadata file must hold."""


@dataclass(frozen=True)
class ImageNetwork:
    """What it takes to rebuild a network for images (channels, *size), with random weights.

    Attributes:
        model: Its name, as `named_model` takes it.
        surgery: Surgery applied to it, in order.
        channels: Channels of the images.
        size: Height and width of the images in pixels.
        outputs: Number of its outputs.
        classes: Names of its outputs, None if unknown.
        normalise: The name of the normalisation before it, a value of the option `normalise`.
        prepare: How it wants pictures resized and cropped, as `Preparation.to_json` writes it; None if it does not matter.
        code: SHA-256 of the files of the user's own code, as `code_files` gives them.
        source: The file that all this was read from; empty if the user named the network.
        target: What its examples have, a class or a score.
    """

    model: str
    surgery: tuple[str, ...]
    channels: int
    size: tuple[int, int]
    outputs: int
    classes: tuple[str, ...] | None
    normalise: str = NONE
    prepare: Mapping[str, Any] | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    target: str = CLASS

    @property
    def preparation(self) -> Preparation | None:
        """How frames are resized and cropped; raises InputError if `prepare` is damaged."""
        return preparation_from_json(self.prepare, self.model)

    def build(self, outputs: int | None = None) -> nn.Module:
        """The network without normalisation, with `outputs` outputs instead of its own if given."""
        names = tuple(map(str, range(outputs or self.outputs)))
        recorded = RecordedCode(self.source, self.code) if self.source else None
        return build_model(self.model, self.channels, self.size, names, self.surgery, recorded=recorded, target=self.target)

    def to_json(self) -> dict[str, Any]:
        """Its entry in the metadata file."""
        entries = {**asdict(self), "code": self.code or code_files(self.model)}
        del entries["source"]
        if self.target == CLASS:  # as files have it that were written before there were scores
            del entries["target"]
        return entries

    def wrapped(self, model: nn.Module) -> nn.Module:
        """`model`, made from this network, behind the normalisation of this network."""
        return normalised(model, self.normalise, self.channels)


@dataclass(frozen=True)
class VideoMetadata:
    """How to rebuild a converted network: the network for images it was made from, and its temporal layers.

    `taps` maps the path of each temporal layer to its kernel length; `rule`, `head`, `ends` and `dilations` are arguments of
    `rebuild`.
    """

    image_network: ImageNetwork
    rule: str
    taps: Mapping[str, int]
    head: str
    ends: str
    dilations: tuple[int, ...]
    weights_sha256: str

    @property
    def name(self) -> str:
        """A name for messages, such as `resnet18 inflated by besnet`."""
        return f"{self.image_network.model} inflated by {self.rule}"

    @classmethod
    def from_json(cls, entries: Any, source: str) -> "VideoMetadata":
        """Read the decoded JSON that `to_json` gives; raises InputError naming `source` if it is anything else."""
        check_metadata(entries if isinstance(entries, dict) else {}, source, _NEEDED, hint="convert again")
        network = {name: value for name, value in entries["network"].items() if name in _NETWORK_KEYS}
        if entries["network"].get("normalised"):  # what older versions wrote
            network["normalise"] = IMAGENET
        own: dict[str, Any] = {name: tuple(network[name]) for name in ("surgery", "size")}
        own["classes"] = None if network["classes"] is None else tuple(network["classes"])
        return cls(
            image_network=ImageNetwork(**{**network, **own, "source": source}),
            dilations=tuple(entries["dilations"]),
            **{name: entries[name] for name in ("rule", "taps", "head", "ends", "weights_sha256")},
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON types, for `from_json`."""
        # The keys on disk, whatever the fields are called here: "network" for the network for images.
        found = {**asdict(self), "network": self.image_network.to_json()}
        del found["image_network"]
        entries: dict[str, Any] = json.loads(json.dumps(found))
        return entries

    def build(self, outputs: int | None = None) -> nn.Module:
        """The network for video, with `outputs` outputs instead of its own if given; weights are to be loaded."""
        image_network = self.image_network.build(outputs)
        video = rebuild(image_network, self.taps, self.head, ends=self.ends, dilations=self.dilations)
        video.origin = self.to_json()
        return self.image_network.wrapped(video)


LEARNED = "learned"
"""The entry of the metadata file with what the run directory of the image network recorded of its task."""


def metadata_path(weights: Path) -> Path:
    """The metadata file that belongs to a file of weights."""
    return weights.with_suffix(".json")


def save_video_network(
    weights: Path, metadata: Path, found: InflatedNetwork, image_network: ImageNetwork, how: Inflation, extra: Mapping[str, Any]
) -> str:
    """Write a converted network: its weights, and the metadata from which it is rebuilt.

    Args:
        weights: Safetensors file to write.
        metadata: JSON file to write, usually `metadata_path(weights)`.
        found: The converted network with a description of its temporal layers.
        image_network: The network for images that it was made from.
        how: Options of the conversion.
        extra: Further entries of the metadata file, JSON types only.

    Returns:
        The SHA-256 of the weights.

    Raises:
        OSError: If a file cannot be written; the error names it.
    """
    digest = weights_sha256(found.model)
    save_weights(weights, found.model, {"model": image_network.model, "task": _TASK, "weights_sha256": digest})
    taps = {layer.path: layer.after[2] for layer in found.layers}
    made = VideoMetadata(image_network, how.rule, taps, found.model.head, how.ends, found.dilations, digest)
    entries = made.to_json() | {
        "task": _TASK,
        "inflation": asdict(how),
        "shapes": {layer.path: {"before": layer.before, "after": layer.after} for layer in found.layers},
        "keys": {key: key for key in found.model.state_dict()},
    }
    write_text(metadata, json.dumps(entries | dict(extra), indent=2, ensure_ascii=False) + "\n")
    return digest


def is_video_network(path: Path) -> bool:
    """Whether `path` is a file of weights that `save_video_network` wrote; raises InputError if it is damaged."""
    return path.suffix == ".safetensors" and path.is_file() and read_metadata(path).get("task") == _TASK


def read_video_metadata(weights: Path) -> VideoMetadata:
    """The metadata of a converted network; raises InputError if it is missing or not as `save_video_network` writes it."""
    path = metadata_path(weights)
    if not path.is_file():
        raise MissingInputError(
            f"{path}: no such file, and {weights.name} cannot be read without it", hint="copy both files together"
        )
    return VideoMetadata.from_json(read_json_metadata(path), str(path))


class VideoNetwork(NamedTuple):
    """A converted network, in evaluation mode on its device, and its metadata."""

    model: nn.Module
    metadata: VideoMetadata


def load_video_network(weights: Path, device: torch.device) -> VideoNetwork:
    """Load a converted network.

    Args:
        weights: File that `save_video_network` wrote, beside its metadata.
        device: Where the network goes.

    Raises:
        InputError: If a file is missing or damaged, or the weights are not those that the metadata describes.
    """
    metadata = read_video_metadata(weights)
    model = metadata.build()
    load_state_into(model, _state(weights, metadata), source=str(weights), network=metadata.name)
    return VideoNetwork(model.to(device).eval(), metadata)


def video_architecture(weights: Path, data: ImageData) -> Architecture:
    """A converted network as an architecture to train on `data`: `build` starts from its weights.

    The last layer is reinitialised if the classes differ. Raises InputError as `load_video_network` does, and if the images
    have another number of channels.
    """
    metadata = read_video_metadata(weights)
    network = metadata.image_network
    if data.channels != network.channels:
        message = f"{weights}: the network takes {count(network.channels, 'channel')}, and {data.name} has {data.channels}"
        raise InputError(message, hint="choose another `data`")
    renamed = network.classes is not None and network.classes != data.classes
    reinitialise = renamed or network.outputs != len(data.classes)
    note = f"{weights}: the classes differ from those of {network.model}, so its last layer is reinitialised"
    build = partial(_build_started, weights, metadata, len(data.classes), reinitialise)
    return Architecture(str(weights), build, RECIPE, metadata.weights_sha256, (note,) if reinitialise else ())


def _build_started(weights: Path, metadata: VideoMetadata, classes: int, reinitialise: bool) -> nn.Module:
    state = _state(weights, metadata)
    model = metadata.build(classes)
    own = model.state_dict()
    if reinitialise:
        # The last layer is whatever has another shape in the network for images with one class more. Inflated weights, with
        # five axes, have another shape there too, but because of their axis of time.
        other = metadata.image_network.build(classes + 1).state_dict()
        state |= {key: own[key] for key in other if own[key].dim() < 5 and other[key].shape != own[key].shape}
    load_state_into(model, state, source=str(weights), network=metadata.name)
    return model


def _state(weights: Path, metadata: VideoMetadata) -> dict[str, Tensor]:
    state = load_weights(weights)
    if weights_sha256(state) != metadata.weights_sha256:
        message = f"{weights}: the weights are not those that {metadata_path(weights).name} describes (SHA-256 differs)"
        raise InputError(message, hint="copy both files together, or convert again")
    return state
