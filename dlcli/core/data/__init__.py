"""Load images and videos; each module of the registry `sources` claims some specs and loads them."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlcli.specs.list import REGISTRIES
from dlcli.specs.shared import DATASETS
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.in_memory import InMemory
from dlcli.support.registry import Registry
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.suggest import meant_path

if TYPE_CHECKING:
    from types import ModuleType

    from dlcli.core.data.base import ImageData, Sampling
    from dlcli.core.data.mask_labels import MaskReading
    from dlcli.core.data.preparation import Preparation

__all__ = ["SOURCES", "open_data"]

SOURCES = Registry("data source", "dlcli.core.data.sources")
_BUNDLED = ("digits", "moving-digits")
_SYSTEM = ("/", "/dev", "/proc", "/sys")


def open_data(
    spec: str,
    *,
    strict: bool = False,
    report: Reporter = SILENT,
    size: int | None = None,
    preparation: "Preparation | None" = None,
    mixed_sizes: "Preparation | None" = None,
    limit: int | None = None,
    sampling: "Sampling | None" = None,
    unlabelled: bool = False,
    split: str | None = None,
    videos: bool | None = None,
    label_column: str | None = None,
    target: str = "class",
    raters: tuple[str, ...] = (),
    group: str | None = None,
    masks: "MaskReading | None" = None,
    option: str = "data",
) -> "ImageData":
    """Load the dataset that `spec` names.

    Args:
        spec: Name of a dataset, a file or a folder; each source is asked whether it claims it. A name takes precedence over a
            folder of the same name; `./NAME` is the folder. An `InMemory` is the dataset itself.
        strict: Raise for an image that cannot be read, instead of a warning to `report` and skipping it.
        report: Receives notes, warnings and progress.
        size: Resize every image to this height and width; its shorter side is resized and the centre cropped.
        preparation: How to resize and crop images, if there is no `size`; arrays of its size are taken as they are.
        mixed_sizes: How to resize and crop pictures that differ in size, where neither is given.
        limit: Keep at most this many examples of each set, every class represented as far as possible; a fixed choice.
        sampling: Which frames of videos to take; None refuses videos.
        unlabelled: Load every file below a folder, or a single file: a test set without classes.
        split: With `unlabelled`, load the files of this set of a folder only, with classes only if these form the set.
        videos: With `unlabelled`, whether to load the videos or the images of a folder with both; None for the first kind.
        label_column: Column of a table that holds the labels or scores; None for a usual name.
        target: What to read: `class`, or `score`, also of classes that are called by numbers, or `mask`.
        raters: Columns of a table with what each rater gave; none for the usual names.
        group: Metadata column of examples of which no split parts a group.
        masks: How label numbers of masks are read; None for no number that is ignored.
        option: Field of the configuration that holds `spec`, for messages.

    Returns:
        The images, in memory if they fit there, else streamed from a file of the cache.

    Raises:
        UsageError: If `size` or `limit` is below 1, the data are videos and `sampling` is None, or
            they are images and `sampling` asks for certain frames.
        InputError: If no source claims `spec`, or the data cannot be used.
        ResourceError: If they fit neither into memory nor on the disk, or cannot be downloaded.
    """
    from dlcli.core.data import base, groups, in_memory, masked_data, resize, scores

    for name, value in (("size", size), ("limit", limit)):
        if value is not None and value < 1:
            raise UsageError(f"`{name}`: {value} is below 1")
    modules = [in_memory] if isinstance(spec, InMemory) else _sources(spec)
    # Sources of names come before those of files, so that a folder called `digits` does not hide the dataset, and those
    # that take any folder come last.
    _check_folder(spec, option)
    for module in sorted(modules, key=lambda module: getattr(module, "PRECEDENCE", 0)):
        if module.claims(spec):
            options = base.LoadOptions(
                strict=strict,
                report=report,
                size=size,
                preparation=preparation if size is None else None,
                mixed_sizes=mixed_sizes if size is None and preparation is None else None,
                limit=limit,
                sampling=sampling,
                unlabelled=unlabelled,
                split=split,
                label_column=label_column,
                target=target,
                raters=raters,
                group=group,
                masks=masks or base.LOAD_DEFAULTS.masks,
                option=option,
            )
            if label_column is not None and not getattr(module, "LABEL_COLUMN", False):
                name = "score_column" if target == base.SCORE else "label_column"
                raise InputError(f"{spec}: has no column '{label_column}' (`{name}`)", hint=f"omit `{name}`")
            masked_data.check_source(module, spec, target)
            module = _of_kind(module, spec, videos) if unlabelled else module
            data = resize.limit_examples(module.load(spec, options), limit)
            data = resize.resize_images(data, size, preparation)
            _check_sampling(data, sampling)
            _check_names(data)
            if group is not None and data.classes:
                groups.check_groups(data, group)
            return scores.as_scores(data) if target == base.SCORE and data.classes else data
    raise MissingInputError(f"`{option}`: no such dataset, file or folder: '{spec}'", hint=_meant(spec, modules))


def _meant(spec: str, modules: "list[ModuleType]") -> str:
    """The hint for data that are not there: a name that was given in the wrong place, one that is near, or what there is."""
    if spec in Registry("model", REGISTRIES["models"]).names():
        return f"{spec} is a model: give it as `model`"
    kinds = ", or ".join(module.DESCRIPTION for module in modules if module.DESCRIPTION)
    return meant_path(spec, (*_BUNDLED, *DATASETS)) or f"expected {kinds}"


def _sources(spec: str) -> "list[ModuleType]":
    """The sources that may claim `spec`: of those of other packages only the one that it names, as NAME or NAME:REST."""
    if (name := spec.partition(":")[0]) in SOURCES.plugins():
        return [SOURCES.module(name)]
    return [SOURCES.module(name) for name in SOURCES.own_names()]


def _of_kind(module: "ModuleType", spec: str, videos: bool | None) -> "ModuleType":
    """The source of videos or of images, as asked, if `module` reads a folder that has such files."""
    from dlcli.core.data.file_kinds import has_files

    wanted = SOURCES.module("clips" if videos else "folder")
    chosen = videos is not None and hasattr(module, "FILES") and has_files(wanted.FILES, Path(spec))
    return wanted if chosen else module


def _check_folder(spec: str, option: str) -> None:
    """Refuse folders below which the whole system lies, or no files do."""
    if Path(spec).is_dir() and str(Path(spec).resolve()) in _SYSTEM:
        raise InputError(f"`{option}`: {spec} is a folder of the system", hint="name a folder of images or videos")


def _check_names(data: "ImageData") -> None:
    """Refuse names of classes that could not be written down with the network."""
    for name in data.classes:
        try:
            name.encode()
        except UnicodeEncodeError:
            message = f"{data.name}: the class {name!a} has a name that is not UTF-8"
            raise InputError(message, hint="rename it") from None


def _check_sampling(data: "ImageData", sampling: "Sampling | None") -> None:
    if data.frames is None and sampling is not None:
        asked = [f"`{name}`" for name in ("frames", "clips", "fps") if getattr(sampling, name) is not None]
        if asked:
            raise UsageError(f"{asked[0]}: {data.name} holds images, not videos", hint=f"drop {' and '.join(asked)}")
