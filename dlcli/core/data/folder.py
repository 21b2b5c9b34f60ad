"""Images in folders: a folder a class, apart into train, test and more, or a flat folder with labels.csv."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dlcli.core.data._fit import SMALLER
from dlcli.core.data._listing import Files, list_images
from dlcli.core.data._mapped import folder
from dlcli.core.data._pixels import Pixels, read_pixels
from dlcli.core.data.base import READING, ImageData, Reading, Split, check_trainable, choose, data_of
from dlcli.core.feed import floats
from dlcli.support.errors import InputError
from dlcli.support.memory import fits, size_text
from dlcli.support.words import count

MEANS = "a folder that holds a folder of images a class, or train and test with such, or images and labels.csv"
ASKED_LAST = True


def claims(spec: str) -> bool:
    """Whether `spec` is a folder."""
    return bool(spec) and Path(spec).is_dir()


def load(spec: str, how: Reading = READING) -> ImageData:
    """The folder's own sets, or of a folder a class a fixed fifth of each class as the test set.

    Images are grey if all files are, else RGB; turned as EXIF says. If they differ in size, or `how` names one, the shorter
    side is resized (bilinear, antialiased) to 224 or that size and the centre cropped. What is decoded is kept in the cache.
    A labels.csv has columns file and class_index, or file and name, and gives a test set only;
    all its columns become facts of the images.
    Images that do not fit into memory are streamed (see `Split`). Raises InputError, and ResourceError if they do not fit
    into the cache either.
    """
    listing = list_images(Path(spec), how.report)
    sets = {name: files.take(choose(files.y, how.limit)) for name, files in listing.sets.items()}
    found = read_pixels(Path(spec), [path for files in sets.values() for path in files.paths], how)
    splits = _splits(found, sets, streamed=_to_be_streamed(spec, found.pixels, how))
    for name in (name for name, split in splits.items() if name in sets and not len(split.y)):
        raise InputError(f"{spec}: no image of the {name} set can be read")
    data = data_of(splits, listing.classes, spec)
    if len(data.y_train):
        _check_classes(data, how)
    return data


def _to_be_streamed(spec: str, pixels: Tensor, how: Reading) -> bool:
    needed = 4 * pixels.numel()
    if fits(needed):
        return False
    line = f"{spec}: as floats its {count(len(pixels), 'image')} need {size_text(needed)}, more memory than there is"
    how.report.note(f"{line}, so they are read again and again from {folder()}; {SMALLER}")
    return True


def _splits(found: Pixels, sets: Mapping[str, Files], *, streamed: bool) -> dict[str, Split]:
    """The sets, whose files were read one set after the other, and a training set of no images where there is none."""
    nothing = floats(found.pixels[:0])
    splits, first, row = {"train": Split(nothing, torch.empty(0, dtype=torch.int64))}, 0, 0
    for name, files in sets.items():
        here = found.kept[first : first + len(files.paths)]
        first, end = first + len(here), row + int(here.sum())
        x, facts = found.pixels[row:end], {key: column[here] for key, column in files.facts.items()}
        known_as = f"{found.sha256} {row}:{end}" if streamed else ""
        # Pixels stay bytes until here, and the floats of one set are made at a time.
        splits[name] = Split(x if streamed else floats(x), torch.from_numpy(files.y[here]), facts, known_as)
        row = end
    return splits


def _check_classes(data: ImageData, how: Reading) -> None:
    """See that two classes are left to train on, and tell of those that lost all their images to damage."""
    check_trainable(data)
    counts = torch.bincount(data.y_train, minlength=len(data.classes)).tolist()
    lost = [repr(name) for name, number in zip(data.classes, counts, strict=True) if not number]
    if lost:
        how.report.warn(f"{data.name}: no image to train on of class {', '.join(lost[:5])}")
