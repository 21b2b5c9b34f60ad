"""Images in folders: a folder a class, apart into train, test and more, or a flat folder with labels.csv."""

from pathlib import Path

import torch
from torch import Tensor

from dlcli.core.data._fit import SMALLER
from dlcli.core.data._listing import list_images
from dlcli.core.data._pixels import read_pixels
from dlcli.core.data.base import READING, ImageData, Reading, Split, check_trainable, choose
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory

MEANS = "a folder that holds a folder of images a class, or train and test with such, or images and labels.csv"
ASKED_LAST = True


def claims(spec: str) -> bool:
    """Whether `spec` is a folder."""
    return bool(spec) and Path(spec).is_dir()


def load(spec: str, how: Reading = READING) -> ImageData:
    """The folder's own sets, or of a folder a class a fixed fifth of each class as the test set.

    Images are grey if all files are, else RGB; turned as EXIF says. If they differ in size, or `how` names one, the shorter
    side is resized (bilinear, antialiased) to 224 or that size and the centre cropped. What is decoded is kept in the cache.
    A labels.csv has columns file and class_index, or file and name, and gives a test set only.
    Raises InputError, and ResourceError if the images do not fit into memory.
    """
    listing = list_images(Path(spec), how.report)
    sets = {name: files.take(choose(files.y, how.limit)) for name, files in listing.sets.items()}
    pixels, kept = read_pixels(Path(spec), [path for files in sets.values() for path in files.paths], how)
    # Pixels stay bytes until here, and the floats of one set are made at a time.
    check_memory(4 * pixels.numel(), f"{spec}: {len(pixels)} images", SMALLER)
    splits, first, row = {}, 0, 0
    for name, files in sets.items():
        here = kept[first : first + len(files.paths)]
        first, count = first + len(here), int(here.sum())
        splits[name] = Split(pixels[row : row + count].float().div_(255), torch.from_numpy(files.y[here]))
        row += count
    for name in (name for name, split in splits.items() if not len(split.y)):
        raise InputError(f"{spec}: no image of the {name} set can be read")
    train, test = splits.pop("train", _no_images(pixels)), splits.pop("test")
    data = ImageData(train.x, train.y, test.x, test.y, listing.classes, spec, splits)
    if len(train.y):
        _check_classes(data, how)
    return data


def _no_images(pixels: Tensor) -> Split:
    return Split(torch.empty(0, *pixels.shape[1:]), torch.empty(0, dtype=torch.int64))


def _check_classes(data: ImageData, how: Reading) -> None:
    """See that two classes are left to train on, and tell of those that lost all their images to damage."""
    check_trainable(data)
    counts = torch.bincount(data.y_train, minlength=len(data.classes)).tolist()
    lost = [repr(name) for name, number in zip(data.classes, counts, strict=True) if not number]
    if lost:
        how.report.warn(f"{data.name}: no image to train on of class {', '.join(lost[:5])}")
