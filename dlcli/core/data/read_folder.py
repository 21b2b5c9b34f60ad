"""Folders of pictures or of videos as ImageData."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData, LoadOptions, Split, check_trainable, choose, data_from_splits
from dlcli.core.data.decoding import DecodedFiles, Decoder, read_pixels
from dlcli.core.data.listing import FileKind, Files, list_files
from dlcli.core.data.memmap import folder
from dlcli.core.data.resize import MEMORY_HINT
from dlcli.support.errors import InputError
from dlcli.support.memory import fits, size_text
from dlcli.support.plural import count


def read_folder(spec: str, options: LoadOptions, kind: FileKind, decoder: Decoder) -> ImageData:
    """The folder's own sets, or of a folder a class a fixed fifth of each class as the test set.

    A labels.csv has columns file and class_index, or file and name, and gives a test set only; all its columns become facts
    of the examples. Of other folders the one fact is the file, as it is called from there; without labels there is a test set
    only. What is decoded is kept in the cache; what does not fit into memory is streamed (see `Split`).
    Raises InputError, and ResourceError if it does not fit into the cache either.
    """
    listing = list_files(Path(spec), kind, options.report, unlabelled=options.unlabelled)
    sets = {name: files.take(choose(files.y, options.limit)) for name, files in listing.sets.items()}
    found = read_pixels(Path(spec), [path for files in sets.values() for path in files.paths], options, decoder)
    splits = _splits(found, sets, streamed=_to_be_streamed(spec, found.pixels, options, kind.word))
    for name in (name for name, split in splits.items() if name in sets and not len(split.y)):
        raise InputError(f"{spec}: no {kind.word} of the {name} set can be read")
    data = data_from_splits(splits, listing.classes, spec)
    if len(data.y_train):
        _check_classes(data, options, kind.word)
    return data


def _to_be_streamed(spec: str, pixels: Tensor, options: LoadOptions, word: str) -> bool:
    needed = 4 * pixels.numel()
    if fits(needed):
        return False
    line = f"{spec}: as floats its {count(len(pixels), word)} need {size_text(needed)}, more memory than there is"
    options.report.note(f"{line}, so they are read again and again from {folder()}; {MEMORY_HINT}")
    return True


def _splits(found: DecodedFiles, sets: Mapping[str, Files], *, streamed: bool) -> dict[str, Split]:
    """The sets, whose files were read one set after the other, and an empty training set where there is none."""
    nothing = to_float(found.pixels[:0])
    splits, first, row = {"train": Split(nothing, torch.empty(0, dtype=torch.int64))}, 0, 0
    for name, files in sets.items():
        here = found.kept[first : first + len(files.paths)]
        first, end = first + len(here), row + int(here.sum())
        x, metadata = found.pixels[row:end], {key: column[here] for key, column in files.metadata.items()}
        content_id = f"{found.sha256} {row}:{end}" if streamed else ""
        # Pixels stay bytes until here, and the floats of one set are made at a time.
        splits[name] = Split(x if streamed else to_float(x), torch.from_numpy(files.y[here]), metadata, content_id)
        row = end
    return splits


def _check_classes(data: ImageData, options: LoadOptions, word: str) -> None:
    """See that two classes are left to train on, and tell of those that lost all their images to damage."""
    check_trainable(data)
    counts = torch.bincount(data.y_train, minlength=len(data.classes)).tolist()
    lost = [repr(name) for name, number in zip(data.classes, counts, strict=True) if not number]
    if lost:
        options.report.warn(f"{data.name}: no {word} to train on of class {', '.join(lost[:5])}")
