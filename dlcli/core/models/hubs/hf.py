"""Image classifiers of transformers on the Hugging Face hub: `hf:OWNER/NAME`, `hf:OWNER/NAME@REVISION`."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.foreign import guard_calls
from dlcli.core.data.preparation import Preparation
from dlcli.core.models.fetched_files import FetchedFile
from dlcli.core.models.hub import Published, hub_folder, normalise_name
from dlcli.core.models.hugging_face import hub_file
from dlcli.specs.normalise import NONE, parse_normalisation
from dlcli.support.errors import InputError, MissingExtraError, UsageError
from dlcli.support.json_metadata import read_json_metadata
from dlcli.support.reporter import SILENT, Reporter

EXAMPLE = "microsoft/resnet-18"
_CONFIG, _PROCESSOR, _WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""In the order of Pillow's numbers."""
_SHARE = 224 / 256
_NEAR = 4 / 255
"""The mean difference of pixels up to which images are prepared in the same way; filters differ by about 1/255."""


def published(name: str, report: Reporter) -> Published:
    """What is published about a network, see `Hub`."""
    config = _config(name, report)
    labels = config.id2label
    classes = tuple(str(labels[k]) for k in sorted(labels))
    folder = _file(name, _PROCESSOR, report).path.parent
    way = _as_processed(name, folder, read_json_metadata(folder / _PROCESSOR))
    return Published(f"hf:{name}", way.preparation, way.normalise, classes)


def weights(name: str, report: Reporter) -> FetchedFile:
    """The file of its weights, see `Hub`."""
    return _file(name, _WEIGHTS, report)


def build(name: str, channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """The network with random weights, see `Hub`."""
    config = _sized(name, _config(name, SILENT), channels, classes)
    return guard_calls(_called(name, partial(_transformers().AutoModelForImageClassification.from_config, config)))


def trained(name: str, state: Mapping[str, Tensor], size: tuple[int, int], classes: int) -> nn.Module:
    """The network with these weights, see `Hub`."""
    own = _config(name, SILENT)
    same_classes = classes == own.num_labels
    kind = _transformers().AutoModelForImageClassification
    # From the file and not from `state`, since transformers renames the weights of older versions while it reads.
    folder = str(_file(name, _WEIGHTS, SILENT).path.parent)
    given = {"config": _sized(name, own, 3, classes), "use_safetensors": True, "local_files_only": True}
    load = partial(kind.from_pretrained, folder, ignore_mismatched_sizes=True, output_loading_info=True, **given)
    model, info = _called(name, load)
    lost = [*info["missing_keys"], *info["mismatched_keys"]] if same_classes else [*info["missing_keys"]]
    if lost:
        first = lost[0] if isinstance(lost[0], str) else lost[0][0]
        raise InputError(f"hf:{name}: its weights have no {first} that fits", hint="choose a trained classifier of images")
    return guard_calls(model)


class _Repository(NamedTuple):
    repo: str
    revision: str


def _repository(name: str) -> _Repository:
    repo, _, revision = name.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or ".." in name or not re.fullmatch(r"[\w./-]*", revision):
        raise UsageError(f"`model`: hf:{name} is not spelled hf:OWNER/NAME or hf:OWNER/NAME@REVISION", hint=f"hf:{EXAMPLE}")
    return _Repository(repo, revision or "main")


def _file(name: str, file: str, report: Reporter) -> FetchedFile:
    repo, revision = _repository(name)
    folder = hub_folder("hf", repo.replace("/", "--"), revision.replace("/", "--"))
    return hub_file(f"hf:{name}", repo, revision, file, folder, "hf", report)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("networks of hf", "hf") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _called(name: str, function: Any) -> Any:
    """What a function of transformers returns; none runs code of the repository."""
    try:
        return function()
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, AttributeError, ImportError) as error:
        line = str(error).strip().partition("\n")[0][:200]
        hint = "choose an image classifier that transformers has; code of repositories is not run"
        raise InputError(f"hf:{name}: is not a network that can be opened ({line})", hint=hint) from None


def _config(name: str, report: Reporter) -> Any:
    folder = _file(name, _CONFIG, report).path.parent  # before transformers is imported, which takes seconds
    return _called(name, partial(_transformers().AutoConfig.from_pretrained, str(folder), trust_remote_code=False))


def _sized(name: str, config: Any, channels: int, classes: int) -> Any:
    """The configuration for other classes."""
    if channels != getattr(config, "num_channels", channels):
        raise InputError(
            f"hf:{name} takes images of {config.num_channels} channels; these have {channels}", hint="choose another `model`"
        )
    if classes != config.num_labels:
        config.num_labels = classes
    return config


def _preparations(entries: Mapping[str, Any]) -> Iterator[Preparation]:
    """How pictures may be resized and cropped, by the entries of a configuration; raises the errors of what is missing."""
    filter_name = _FILTERS[int(entries.get("resample", 2))]
    size = entries["size"]
    size = {"shortest_edge": size} if isinstance(size, int) else dict(size)
    crop = entries.get("crop_size") if entries.get("do_center_crop") else None
    crop = crop["height"] if isinstance(crop, Mapping) else crop
    short = size.get("shortest_edge")
    if short is None:
        side = size["height"]
        if side != size["width"]:
            raise ValueError("not a square")
        yield from (Preparation(side, part, filter_name, True) for part in (crop or side, side))
        return
    # Some families scale the shorter side first, by a share that is in their code alone.
    shares = (1.0, entries.get("crop_pct") or _SHARE, _SHARE)
    yield from (Preparation(int(short / share), min(crop or short, int(short / share)), filter_name) for share in shares)
    yield Preparation(short, short, filter_name, True)


def _normalisations(entries: Mapping[str, Any]) -> Iterator[str]:
    """How values may be normalised."""
    order = ":bgr" if entries.get("do_flip_channel_order") else ""
    yield NONE + order
    if "image_mean" in entries:
        mean, std = tuple(entries["image_mean"]), tuple(entries["image_std"])
        yield normalise_name(mean, std) + order
        yield normalise_name(mean, tuple(value**2 for value in std)) + order  # EfficientNet divides twice


class _Prepared(NamedTuple):
    preparation: Preparation
    normalise: str


def _as_processed(name: str, folder: Path, entries: Mapping[str, Any]) -> _Prepared:
    """The way to prepare images that agrees with what the processor of transformers makes of a picture."""
    from PIL import Image

    row, column = np.mgrid[0:300, 0:400] / 400
    smooth = np.stack([row, column, (row + column) / 2], 2) * 0.8 + 0.1 * np.sin(40 * column)[..., None] + 0.1
    picture = Image.fromarray((255 * smooth.clip(0, 1)).astype(np.uint8))
    load = partial(_transformers().AutoImageProcessor.from_pretrained, str(folder), trust_remote_code=False)
    processor = _called(name, load)
    theirs = np.asarray(_called(name, lambda: processor(picture, return_tensors="np")["pixel_values"]))[0]
    try:
        ways = [_Prepared(how, to) for how in _preparations(entries) for to in _normalisations(entries)]
    except (KeyError, TypeError, ValueError, IndexError):
        ways = []
    for way in ways:
        if _agrees(way, picture, theirs):
            return way
    message = f"hf:{name}: the way its {_PROCESSOR} prepares images is not one that dlcli has"
    raise InputError(message, hint="load it in code: FILE.py:CALLABLE")


def _agrees(way: _Prepared, picture: Any, theirs: NDArray[Any]) -> bool:
    found = parse_normalisation(way.normalise)
    mean, std = (np.array(side).reshape(-1, 1, 1) for side in (found.mean, found.std))
    pixels = np.asarray(way.preparation.picture(picture)).transpose(2, 0, 1) / 255
    ours = (pixels[::-1] if found.bgr else pixels) - mean
    return theirs.shape == ours.shape and bool(np.abs(theirs * std - ours).mean() <= _NEAR)
