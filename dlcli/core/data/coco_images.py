"""COCO's JSON of images, annotations and categories, where each image is of one category."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.core.data.class_labels import read_labels
from dlcli.core.data.examples import LabelledRows
from dlcli.core.data.locate import LocatedFiles, locate_files
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_PARTS = ("images", "annotations", "categories")
_BESIDE = ("annotations", "annotation", "labels", "coco")
"""Folders of JSON files beside which images are looked for, in lower case."""
_MEMORY = 12
"""Bytes of memory per byte of JSON, as Python's objects."""


@dataclass(frozen=True)
class CocoImages:
    """The images of a file, and the name of the category of each; blank for an image without annotations."""

    source: str
    located: LocatedFiles
    categories: list[str]


def read_coco(path: Path, report: Reporter) -> CocoImages:
    """Read a file of COCO's layout.

    Args:
        path: The JSON file.
        report: Receives a warning about files outside of the folder.

    Returns:
        The images, found relative to the file, in a folder below, or in a folder `images` beside that of the file.

    Raises:
        InputError: If it is not such a file, or an image has several categories.
    """
    found = _parsed(path)
    names = _names(path, found)
    categories = _categories(path, found, names)
    files = list(names.values())
    repeated = len(files) - len(set(files))
    if repeated:
        raise InputError(f"{path}: {count(repeated, 'image')} with the file_name of another one")
    return CocoImages(str(path), _located(path, files, report), [categories.get(key, "") for key in names])


def rows_of(source: str, parts: list[CocoImages], sets: list[str] | None, report: Reporter) -> LabelledRows:
    """The images of several files together.

    Args:
        source: What they are, for messages.
        parts: The files.
        sets: The set of each of `parts`; None if there are no sets.
        report: Receives warnings about labels.

    Returns:
        The examples, in the order of the files.
    """
    labels = read_labels(f"{source}: categories", [name for part in parts for name in part.categories], report)
    per_row = [name for name, part in zip(sets, parts, strict=True) for _ in part.categories] if sets else None
    return LabelledRows(
        source=source,
        files=[path for part in parts for path in part.located.paths],
        names=[name for part in parts for name in part.located.names],
        labels=labels,
        sets=per_row,
    )


def _parsed(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    try:
        check_memory(_MEMORY * path.stat().st_size, str(path))
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    for part in _PARTS:
        entries = found.get(part) if isinstance(found, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            hint = "COCO's layout has images, annotations and categories; other JSON is read as a table, one object per line"
            raise InputError(f"{path}: has no list '{part}'", hint=hint)
    return {part: found[part] for part in _PARTS}


def _names(path: Path, found: Mapping[str, list[Mapping[str, Any]]]) -> dict[Any, str]:
    """The file names by the ids of images."""
    names: dict[Any, str] = {}
    for number, image in enumerate(found["images"], 1):
        key, name = _id(image.get("id")), image.get("file_name")
        if key is None or not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}: image {number} has no id or no file_name")
        if key in names:
            raise InputError(f"{path}: images {names[key]} and {name} have the same id, {key}")
        names[key] = name
    if not names:
        raise InputError(f"{path}: has no images")
    return names


def _categories(path: Path, found: Mapping[str, list[Mapping[str, Any]]], names: Mapping[Any, str]) -> dict[Any, str]:
    """The name of the category by the ids of images."""
    called = {_id(one.get("id")): str(one.get("name", "")).strip() for one in found["categories"]}
    of_image: dict[Any, set[str]] = defaultdict(set)
    for number, annotation in enumerate(found["annotations"], 1):
        image, category = _id(annotation.get("image_id")), _id(annotation.get("category_id"))
        if image not in names:
            raise InputError(f"{path}: annotation {number} is of image {image}, which is not among the images")
        if not called.get(category):
            raise InputError(f"{path}: annotation {number} is of category {category}, which has no name")
        of_image[image].add(called[category])
    several = [key for key, categories in of_image.items() if len(categories) > 1]
    if several:
        first = f"{names[several[0]]}: {', '.join(sorted(of_image[several[0]])[:3])}"
        raise InputError(
            f"{path}: {count(len(several), 'image')} with several categories ({first}); a class per image is needed",
            hint="keep the annotations of one category for each image",
        )
    return {key: next(iter(categories)) for key, categories in of_image.items()}


def _id(value: Any) -> Any:
    """A number or a text; None for anything else."""
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _located(path: Path, files: list[str], report: Reporter) -> LocatedFiles:
    located = locate_files(str(path), path.parent, files, report)
    above = path.absolute().parent.parent
    if located.missing < len(files):
        return located
    if path.absolute().parent.name.lower() in _BESIDE:
        return locate_files(str(path), above, files, report)
    return locate_files(str(path), above / "images", files, report) if (above / "images").is_dir() else located
