"""Networks of torchvision with published weights: `torchvision:resnet18`, `torchvision:resnet50.IMAGENET1K_V1`."""

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import torch
from torch import Tensor, nn

from dlcli.core.data.preparation import Preparation
from dlcli.core.models.fetched_files import FetchedFile, RemoteFile, fetched, unreachable
from dlcli.core.models.from_torchvision import build_torchvision, builder_parameters
from dlcli.core.models.hub import Published, hub_folder, normalise_name
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.suggest import did_you_mean

EXAMPLE = "resnet18"
MIRROR = "DLCLI_TORCHVISION_MIRROR"
"""The environment variable with the address of a mirror of torchvision's files of weights."""

_TIMEOUT_S = 30


def published(name: str, report: Reporter) -> Published:
    """What is published about a network, see `Hub`."""
    entry = _entry(name)
    transforms: Any = entry.transforms()
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    how = Preparation(max(resize, crop), crop, transforms.interpolation.value)
    classes = tuple(map(str, entry.meta["categories"]))
    spec = f"torchvision:{_architecture(name)}.{entry.name}"
    return Published(spec, how, normalise_name(tuple(transforms.mean), tuple(transforms.std)), classes)


def published_plain(name: str) -> Published | None:
    """What is published about a network that is built by its bare name; None if it is not torchvision's.

    The first weights count, those of the paper: later ones may be for larger images.
    """
    import torchvision

    if name not in torchvision.models.list_models(module=torchvision.models):
        return None
    entries: Any = torchvision.models.get_model_weights(name)
    found = published(f"{name}.{next(iter(entries)).name}", SILENT)
    # Built by its bare name it lacks the layer that turns ImageNet's normalisation into this one.
    return replace(found, normalise="0.5/0.5") if "transform_input" in builder_parameters(name) else found


def weights(name: str, report: Reporter) -> FetchedFile:
    """The file of its weights, see `Hub`."""
    url = _entry(name).url
    mirror = os.environ.get(MIRROR)
    file = url.rpartition("/")[2]
    url = f"{mirror.rstrip('/')}/{file}" if mirror else url
    path = hub_folder("torchvision") / file
    # The name of each file ends in the first digits of its SHA-256.
    expected = file.rpartition(".")[0].rpartition("-")[2]
    what = f"torchvision:{name}"
    return fetched(path, RemoteFile(url, partial(_download, url, what, path), expected), what, report)


def build(name: str, channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """The network with random weights, see `Hub`."""
    entry, architecture = _entry(name), _architecture(name)
    if channels != 3:
        message = f"torchvision:{name} takes images of 3 channels; these have {channels}"
        raise InputError(message, hint="choose a built-in `model` such as cifar-resnet-20")
    # As torchvision sets them where it loads weights: some networks take images of one size only, or normalise in themselves.
    side = entry.meta["min_size"][0]
    given = {"image_size": side, "input_size": (side, side), "transform_input": True}
    named = builder_parameters(architecture)
    return build_torchvision(architecture, classes, **{key: value for key, value in given.items() if key in named})


def trained(name: str, state: Mapping[str, Tensor], size: tuple[int, int], classes: int) -> nn.Module:
    """The network with these weights, see `Hub`."""
    model = build(name, 3, size, classes)
    same_classes = classes == len(_entry(name).meta["categories"])
    missing = []
    with torch.no_grad():
        # In place: auxiliary classifiers in the file are ignored, and no version of a module is asked for.
        for key, own in model.state_dict().items():
            if key in state and state[key].shape == own.shape:
                own.copy_(state[key])
            elif key not in state or same_classes or len(own) != classes:
                missing += [] if key.endswith("num_batches_tracked") else [key]
    if missing:
        raise InputError(f"torchvision:{name}: its weights do not fit: {missing[0]} is missing or has another shape")
    return model


def _architecture(name: str) -> str:
    return name.partition(".")[0]


def _entry(name: str) -> Any:
    """The entry of the enumeration of weights."""
    import torchvision

    architecture, _, chosen = name.partition(".")
    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        hint = did_you_mean(architecture, names, otherwise="choose a network for classification of torchvision.models")
        raise UsageError(f"torchvision has no network '{architecture}'", hint=hint)
    entries: Any = torchvision.models.get_model_weights(architecture)
    if not chosen:
        return entries.DEFAULT
    if chosen not in entries.__members__:
        hint = did_you_mean(chosen, list(entries.__members__))
        raise UsageError(f"torchvision has no weights '{chosen}' for {architecture}", hint=hint)
    return entries[chosen]


def _download(url: str, what: str, path: Path, temporary: Path) -> str:
    own = Path(torch.hub.get_dir()) / "checkpoints" / path.name
    if own.is_file():
        shutil.copyfile(own, temporary)
        return ""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        torch.hub.download_url_to_file(url, str(temporary), progress=False)
    except HTTPError as error:
        raise unreachable(what, path, url, f"status {error.code}", f"set {MIRROR} to a mirror") from None
    except (OSError, ValueError) as error:
        raise unreachable(what, path, url, getattr(error, "reason", error), f"set {MIRROR} to a mirror") from None
    finally:
        socket.setdefaulttimeout(before)
    return ""
