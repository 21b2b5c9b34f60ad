"""A network for video on disk: FILE.safetensors with its weights, and FILE.json, the card by which it is built again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.data.base import ImageData
from dlcli.core.inflate.convert import Inflated, Inflation, rebuild
from dlcli.core.layers.normalise import imagenet_normalised
from dlcli.core.model_io.build import build_model
from dlcli.core.model_io.checkpoint import fill_weights, load_weights, read_metadata, save_weights, weights_sha256
from dlcli.core.models.base import Architecture
from dlcli.core.models.besnet import RECIPE
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.plural import count

_TASK = "video"


@dataclass(frozen=True)
class Flat:
    """What it takes to build a network for images (channels, *size) again, with random weights.

    `model` is its name, `surgery` what was done to it, `outputs` how many it has, `classes` their names where they are known;
    `normalised` whether it stands behind the normalisation of ImageNet.
    """

    model: str
    surgery: tuple[str, ...]
    channels: int
    size: tuple[int, int]
    outputs: int
    classes: tuple[str, ...] | None
    normalised: bool

    def build(self, outputs: int | None = None) -> nn.Module:
        """The network without normalisation, or such a one with other outputs; raises what `build_model` raises."""
        names = tuple(map(str, range(outputs or self.outputs)))
        return build_model(self.model, self.channels, self.size, names, self.surgery)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """`model`, made of this network, behind the normalisation if there is one."""
        return imagenet_normalised(model) if self.normalised else model


@dataclass(frozen=True)
class Card:
    """A network for video that was saved: the one for images that it comes from, and what became of it.

    `taps` are the lengths along time of its temporal layers by path, the rest is as `rebuild` takes it.
    """

    flat: Flat
    rule: str
    taps: Mapping[str, int]
    head: str
    ends: str
    dilations: tuple[int, ...]
    weights_sha256: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.flat.model} inflated by {self.rule}"

    @classmethod
    def of(cls, told: Any, source: str) -> "Card":
        """What `told`, in the terms of JSON, says; raises InputError naming `source` if it says something else."""
        try:
            flat = told["network"]
            height, width = map(int, flat["size"])
            names = flat["classes"] and tuple(map(str, flat["classes"]))
            own = {"surgery": tuple(map(str, flat["surgery"])), "size": (height, width), "classes": names}
            return cls(
                flat=Flat(**(flat | own)),
                rule=str(told["rule"]),
                taps={str(path): int(taps) for path, taps in told["taps"].items()},
                head=str(told["head"]),
                ends=str(told["ends"]),
                dilations=tuple(map(int, told["dilations"])),
                weights_sha256=str(told["weights_sha256"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{source}: does not describe a network as dlcli convert-2d-to-3d does ({type(error).__name__}: {error})"
            raise InputError(message, hint="convert again") from None

    def told(self) -> dict[str, Any]:
        """In the terms of JSON, as `of` takes it."""
        found = asdict(self) | {"network": asdict(self.flat)}
        del found["flat"]
        told: dict[str, Any] = json.loads(json.dumps(found))
        return told

    def build(self, outputs: int | None = None) -> nn.Module:
        """The network for video, or such a one with other outputs; random weights where it is flat."""
        video = rebuild(self.flat.build(outputs), self.taps, self.head, ends=self.ends, dilations=self.dilations)
        video.origin = self.told()
        return self.flat.wrapped(video)


def card_path(weights: Path) -> Path:
    """Where the card of a file of weights stands."""
    return weights.with_suffix(".json")


def save_video(weights: Path, card: Path, found: Inflated, flat: Flat, how: Inflation, more: Mapping[str, Any]) -> str:
    """Write weights and card to these two paths; returns the SHA-256 of the weights. `more` goes to the card.

    Raises OSError, which names the file, if one cannot be written.
    """
    digest = weights_sha256(found.model)
    save_weights(weights, found.model, {"model": flat.model, "task": _TASK, "weights_sha256": digest})
    taps = {layer.path: layer.after[2] for layer in found.layers}
    made = Card(flat, how.rule, taps, found.model.head, how.ends, found.dilations, digest)
    told = made.told() | {
        "task": _TASK,
        "inflation": asdict(how),
        "shapes": {layer.path: {"before": layer.before, "after": layer.after} for layer in found.layers},
        "keys": {key: key for key in found.model.state_dict()},
    }
    write_text(card, json.dumps(told | dict(more), indent=2, ensure_ascii=False) + "\n")
    return digest


def is_video(path: Path) -> bool:
    """Whether `path` is a file of weights that `save_video` wrote; raises InputError if it is damaged."""
    return path.suffix == ".safetensors" and path.is_file() and read_metadata(path).get("task") == _TASK


def card_of(weights: Path) -> Card:
    """The card of a file of weights; raises InputError if it is missing or not as `save_video` wrote it."""
    path = card_path(weights)
    if not path.is_file():
        raise InputError(f"{path}: no such file, and {weights.name} cannot be read without it", hint="copy both files together")
    return Card.of(read_json_metadata(path), str(path))


def load_video(weights: Path, device: torch.device) -> tuple[nn.Module, Card]:
    """The network in evaluation mode on `device`, and its card.

    Raises InputError if a file is missing, damaged or not the one that the card speaks of, and what `named_model` raises.
    """
    card = card_of(weights)
    model = card.build()
    fill_weights(model, _state(weights, card), source=str(weights), network=card.name)
    return model.to(device).eval(), card


def as_start(weights: Path, data: ImageData) -> Architecture:
    """The network as one to be trained on `data` from its weights on; where the classes are others, its last layer starts anew.

    Raises InputError as `load_video` does, and if the images have another number of channels.
    """
    card = card_of(weights)
    if data.channels != card.flat.channels:
        message = f"{weights}: the network takes {count(card.flat.channels, 'channel')}, and {data.name} has {data.channels}"
        raise InputError(message, hint="name other --data")
    named = card.flat.classes is not None and card.flat.classes != data.classes
    anew = named or card.flat.outputs != len(data.classes)
    notes = (
        (f"{weights}: the classes are others than those of {card.flat.model}, so its last layer starts anew",) if anew else ()
    )
    return Architecture(
        str(weights), partial(_started, weights, card, len(data.classes), anew), RECIPE, card.weights_sha256, notes
    )


def _started(weights: Path, card: Card, classes: int, anew: bool) -> nn.Module:
    state = _state(weights, card)
    model = card.build(classes)
    own = model.state_dict()
    if anew:
        # What has another shape in a network of one class more is the last layer; weights of five axes look along time.
        other = card.flat.build(classes + 1).state_dict()
        state |= {key: own[key] for key in other if own[key].dim() < 5 and other[key].shape != own[key].shape}
    fill_weights(model, state, source=str(weights), network=card.name)
    return model


def _state(weights: Path, card: Card) -> dict[str, Tensor]:
    state = load_weights(weights)
    if weights_sha256(state) != card.weights_sha256:
        message = f"{weights}: the weights are not those that {card_path(weights).name} speaks of (SHA-256 differs)"
        raise InputError(message, hint="copy both files together, or convert again")
    return state
