"""Load listed pictures or videos, such as those of a folder, as ImageData."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import (
    SCORE,
    ImageData,
    LoadOptions,
    Split,
    check_trainable,
    choose,
    data_from_splits,
    labels_tensor,
)
from dlcli.core.data.decoding import DecodedFiles, Decoder, read_pixels
from dlcli.core.data.examples import Files, Listing
from dlcli.core.data.file_kinds import FileKind
from dlcli.core.data.listing import list_files
from dlcli.core.data.memmap import folder
from dlcli.core.data.resize import MEMORY_HINT
from dlcli.core.data.unlabelled import list_unlabelled
from dlcli.support.errors import InputError
from dlcli.support.memory import fits, size_text
from dlcli.support.plural import count


def read_folder(spec: str, options: LoadOptions, kind: FileKind, decoder: Decoder) -> ImageData:
    """Load the sets of a folder; without any, a fixed fifth of each class becomes the test set.

    The columns of labels.csv become metadata, see `list_table`. Otherwise the only metadata column is `file`, relative to the
    folder. Decoded pixels are cached.

    Args:
        spec: The folder or, with `options.unlabelled`, a single file.
        options: How to load it.
        kind: Which files to load.
        decoder: Turns them into pixels.

    Returns:
        The dataset, streamed (see `Split`) if it does not fit into memory.

    Raises:
        InputError: If the folder or its files cannot be used.
        ResourceError: If the images fit neither into memory nor into the cache.
    """
    listing = (list_unlabelled if options.unlabelled else list_files)(Path(spec), kind, options)
    return read_listing(spec, listing, options, kind.word, decoder)


def read_listing(spec: str, listing: Listing, options: LoadOptions, word: str, decoder: Decoder) -> ImageData:
    """Decode the files of a listing.

    Args:
        spec: What was listed: a folder or a file, whose path names the entry of the cache.
        listing: The files.
        options: How to load them.
        word: What a file holds, such as `image`.
        decoder: Turns them into pixels.

    Returns:
        The dataset, streamed (see `Split`) if it does not fit into memory.

    Raises:
        InputError: If the files cannot be used.
        ResourceError: If the images fit neither into memory nor into the cache.
    """
    sets = {name: files.take(choose(files.y, options.limit)) for name, files in listing.sets.items()}
    found = read_pixels(Path(spec), [path for files in sets.values() for path in files.paths], options, decoder)
    splits = _splits(found, sets, streamed=_must_stream(spec, found.pixels, options, word))
    for name in (name for name, split in splits.items() if name in sets and not len(split.y)):
        raise InputError(f"{spec}: no {word} of the {name} set can be read")
    data = data_from_splits(splits, listing.classes, spec)
    if len(data.y_train):
        _check_classes(data, options, word)
    return data


def _must_stream(spec: str, pixels: Tensor, options: LoadOptions, word: str) -> bool:
    needed = 4 * pixels.numel()
    if fits(needed):
        return False
    line = f"{spec}: its {count(len(pixels), word)} need {size_text(needed)} as floats, more than the available memory"
    options.report.note(f"{line}, so they are streamed from {folder()}; to avoid that, {MEMORY_HINT}")
    return True


def _splits(found: DecodedFiles, sets: Mapping[str, Files], *, streamed: bool) -> dict[str, Split]:
    """Divide the pixels, which are in the order of the sets; without a training set an empty one is added."""
    nothing = to_float(found.pixels[:0])
    no_labels = labels_tensor(next(iter(sets.values())).y[:0])
    splits, first, row = {"train": Split(nothing, no_labels)}, 0, 0
    for name, files in sets.items():
        here = found.kept[first : first + len(files.paths)]
        first, end = first + len(here), row + int(here.sum())
        x, metadata = found.pixels[row:end], {key: column[here] for key, column in files.metadata.items()}
        content_id = f"{found.sha256} {row}:{end}" if streamed else ""
        # Pixels are converted set by set, so that bytes and floats of all are never in memory together.
        splits[name] = Split(x if streamed else to_float(x), labels_tensor(files.y[here]), metadata, content_id)
        row = end
    return splits


def _check_classes(data: ImageData, options: LoadOptions, word: str) -> None:
    """Check that there are two classes to train on, and warn about classes that lost all their files."""
    check_trainable(data)
    if data.target == SCORE:
        return
    counts = torch.bincount(data.y_train, minlength=len(data.classes)).tolist()
    lost = [repr(name) for name, number in zip(data.classes, counts, strict=True) if not number]
    if lost:
        options.report.warn(f"{data.name}: no training {word} of class {', '.join(lost[:5])} can be read")
