"""Read the images of a folder for `dlcli dedupe`, and merge files with equal bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.file_kinds import PICTURES, all_files
from dlcli.core.image_matching.reading import ReadImage, read_images
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_MAX_WARNINGS = 5


class ImageFolder(NamedTuple):
    """A folder, and the image files below it, sorted."""

    root: Path
    paths: list[Path]


@dataclass(frozen=True)
class ImageFiles:
    """The readable files of a folder, in parallel lists; those of the other folder follow.

    Attributes:
        names: Paths relative to the folder.
        paths: Paths to open them by.
        images: Their content.
        own: Number of files of the folder itself.
        unreadable: Number of its files that cannot be read.
    """

    names: list[str]
    paths: list[Path]
    images: list[ReadImage]
    own: int
    unreadable: int


@dataclass(frozen=True)
class DistinctImages:
    """The different contents of files, the largest image first.

    Attributes:
        of_file: Number of the content of each file, (files,).
        file: The first file with each content, (contents,).
        sizes: Width and height of each content, (contents, 2).
    """

    of_file: NDArray[np.int64]
    file: NDArray[np.int64]
    sizes: NDArray[np.int64]


def list_images(folder: str) -> ImageFolder:
    """List the images below a folder: not hidden ones, nor any in folders that are hidden or links.

    Raises InputError if there is none, or if the folder cannot be read.
    """
    root = Path(folder)
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from None
    paths = [path for path in all_files(root, follow=False) if PICTURES.matches(path)]
    if not paths:
        endings = " ".join(sorted(PICTURES.suffixes))
        raise InputError(
            f"{folder}: is a folder without images", hint=f"name a table in it, or add files that end in {endings}"
        )
    return ImageFolder(root, paths)


def read_folders(folder: ImageFolder, other: ImageFolder | None, report: Reporter) -> ImageFiles:
    """Read the images of a folder, and of another one to compare with; warns about files that cannot be read.

    Raises InputError if no image of a folder can be read.
    """
    names: list[str] = []
    paths: list[Path] = []
    images: list[ReadImage] = []
    counts = []
    for one in [folder] if other is None else [folder, other]:
        with report.task(f"reading {one.root}, files", total=len(one.paths)) as task:
            found = list(read_images(one.paths, task))
        _report_problems(one, found, report)
        readable = [(path, image) for path, image in zip(one.paths, found, strict=True) if isinstance(image, ReadImage)]
        names += [path.relative_to(one.root).as_posix() for path, _ in readable]
        paths += [path for path, _ in readable]
        images += [image for _, image in readable]
        counts.append(len(readable))
    return ImageFiles(names, paths, images, counts[0], len(folder.paths) - counts[0])


def distinct_images(files: ImageFiles) -> DistinctImages:
    """Number the different contents, the one with most pixels first, then with most bytes: never by name."""
    first: dict[str, int] = {}
    for k, image in enumerate(files.images):
        first.setdefault(image.sha256, k)
    kept = sorted(first.values(), key=lambda k: _priority(files.images[k]))
    number = {files.images[k].sha256: place for place, k in enumerate(kept)}
    of_file = np.array([number[image.sha256] for image in files.images], np.int64)
    sizes = np.array([(files.images[k].width, files.images[k].height) for k in kept], np.int64)
    return DistinctImages(of_file, np.array(kept, np.int64), sizes)


def _priority(image: ReadImage) -> tuple[int, int, str]:
    return -image.width * image.height, -image.bytes, image.sha256


def _report_problems(folder: ImageFolder, found: Sequence[ReadImage | str], report: Reporter) -> None:
    problems = [f"{path}: {why}" for path, why in zip(folder.paths, found, strict=True) if isinstance(why, str)]
    if len(problems) == len(found):
        raise InputError(f"{folder.root}: none of its {count(len(found), 'image')} can be read, for example {problems[0]}")
    for problem in problems[:_MAX_WARNINGS]:
        report.warn(f"{problem}; skipped")
    if len(problems) > _MAX_WARNINGS:
        report.warn(f"{folder.root}: {count(len(problems) - _MAX_WARNINGS, 'more image')} cannot be read; skipped")
