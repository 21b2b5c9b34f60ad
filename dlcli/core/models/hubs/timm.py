"""Networks of timm with weights on the Hugging Face hub: `timm:resnet50`, `timm:resnet50.a1_in1k`."""

from collections.abc import Mapping
from math import floor
from typing import Any

from torch import Tensor, nn

from dlcli.core.data.preparation import Preparation
from dlcli.core.models.fetched_files import FetchedFile
from dlcli.core.models.hub import Published, hub_folder, normalise_name
from dlcli.core.models.hugging_face import hub_file
from dlcli.core.models.imagenet import imagenet_classes
from dlcli.support.errors import InputError, MissingExtraError, UsageError
from dlcli.support.reporter import Reporter
from dlcli.support.suggest import did_you_mean

EXAMPLE = "resnet50.a1_in1k"
_FILE = "model.safetensors"
_MODES = ("center", "squash")


def published(name: str, report: Reporter) -> Published:
    """What is published about a network, see `Hub`."""
    config = _config(name)
    _, height, width = config.input_size
    if height != width or config.crop_mode not in _MODES:
        what = f"images of {height}x{width}" if height != width else f"images prepared by '{config.crop_mode}'"
        raise InputError(f"timm:{name} takes {what}, which dlcli does not make", hint="choose another network")
    how = Preparation(floor(height / config.crop_pct), height, config.interpolation, config.crop_mode == "squash")
    spec = f"timm:{config.architecture}" + (f".{config.tag}" if config.tag else "")
    return Published(spec, how, normalise_name(tuple(config.mean), tuple(config.std)), _classes(config))


def weights(name: str, report: Reporter) -> FetchedFile:
    """The file of its weights, see `Hub`."""
    config = _config(name)
    if not config.hf_hub_id:
        where = f"; {config.url} has weights for `arch=timm:{config.architecture}`" if config.url else ""
        raise InputError(f"timm:{name} has no weights on the hub", hint=f"choose another network{where}")
    folder = hub_folder("timm", ".".join(part for part in (config.architecture, config.tag) if part))
    return hub_file(f"timm:{name}", config.hf_hub_id, "main", _FILE, folder, "zoo", report)


def build(name: str, channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """The network with random weights, see `Hub`."""
    return _created(name, size, num_classes=classes, in_chans=channels)


def trained(name: str, state: Mapping[str, Tensor], size: tuple[int, int], classes: int) -> nn.Module:
    """The network with these weights, see `Hub`."""
    # With the tensors themselves timm reads no file, and brings those of other versions or sizes into the form of the network.
    overlay = {"state_dict": dict(state)}
    try:
        return _created(name, size, num_classes=classes, pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError) as error:
        line = str(error).strip().partition("\n")[0]
        raise InputError(f"timm:{name}: its weights do not fit the network of timm {_timm().__version__} ({line})") from None


def _created(name: str, size: tuple[int, int], **given: Any) -> nn.Module:
    """The network, made for images of that size where it takes one size only."""
    timm, config = _timm(), _config(name)
    if size == tuple(config.input_size[1:]):
        found: nn.Module = timm.create_model(name, **given)
        return found
    try:
        found = timm.create_model(name, img_size=size, **given)
    except TypeError:  # most networks take images of any size, and no such argument
        found = timm.create_model(name, **given)
    except (AssertionError, ValueError) as error:
        raise InputError(f"timm:{name} cannot be made for images of {size[0]}x{size[1]} ({error})") from None
    return found


def _timm() -> Any:
    try:
        import timm
    except ImportError:
        raise MissingExtraError("networks of timm", "zoo") from None
    return timm


def _config(name: str) -> Any:
    """The record that timm has of a network and its weights."""
    timm = _timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = did_you_mean(architecture, timm.list_models(), otherwise="timm.list_models() in Python lists them")
        raise UsageError(f"timm has no network '{architecture}'", hint=near)
    try:
        found = timm.models.get_pretrained_cfg(name)
    except RuntimeError:  # timm's error for an unknown tag
        tags = [full.partition(".")[2] for full in timm.list_models(f"{architecture}.*", pretrained=True)]
        raise UsageError(f"timm has no weights '{tag}' for {architecture}", hint=did_you_mean(tag, tags)) from None
    if found is None:
        raise InputError(f"timm:{name} has no record of its images", hint="choose another network")
    return found


def _classes(config: Any) -> tuple[str, ...]:
    """The names of the outputs: ImageNet's for 1,000 of them, timm's for its larger sets, else their numbers."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    count = config.num_classes or 0
    if count == len(imagenet_classes()):
        return imagenet_classes()
    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return tuple(map(str, range(count)))
    info = ImageNetInfo(subset)
    return tuple(info.index_to_label_name(k) for k in range(count))
