"""Datasets with masks: from folders of pictures and masks, from arrays, and pictures without masks to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from dlcli.core.compute.loader import to_float
from dlcli.core.data.arrays import all_images
from dlcli.core.data.base import FILE, MASK, Array, ImageData, LoadOptions, Split, choose, data_from_splits, hold_out
from dlcli.core.data.decoding import read_pixels
from dlcli.core.data.file_kinds import PICTURES
from dlcli.core.data.groups import groups_of
from dlcli.core.data.mask_decoder import MaskedPictures, resized_sides
from dlcli.core.data.mask_files import MaskedFile, image_files, is_masked_folder, masked_files, read_classes
from dlcli.core.data.mask_labels import (
    Masks,
    are_binary,
    check_labels,
    class_names,
    foreground_as_class,
    has_labels,
    read_numbers,
    values_of,
    warn_of_absent,
)
from dlcli.core.data.metadata import metadata_of
from dlcli.core.data.sequences_of_files import BLOCK, blocks_of
from dlcli.core.data.stored_images import relative_name
from dlcli.core.data.unlabelled import list_unlabelled
from dlcli.specs.masks import VOID
from dlcli.support.errors import InputError
from dlcli.support.memory import fits
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

FOLDER = "folder"
"""The metadata column of the folder within images/ that a picture is in, where there are such."""
_TEST_SHARE = 1 / 5


def check_source(module: ModuleType, spec: str, target: str) -> None:
    """Raise InputError if masks are wanted from a source that has none."""
    if target == MASK and not getattr(module, "MASKS", False):
        hint = "a folder with images/ and masks/, or a .npz with x (n, h, w, c) and y (n, h, w), has masks"
        raise InputError(f"{spec}: has no masks, which `task=segment` learns from", hint=hint)


def load_masked_folder(spec: str, options: LoadOptions) -> ImageData:
    """Load the sets of a folder with masks; of one that has none a fixed fifth becomes the test set, in blocks of a sequence.

    Raises InputError if the folder, a picture or a mask cannot be used.
    """
    root = Path(spec)
    if options.unlabelled:
        return _to_predict(root, options)
    sets = masked_files(root, options.report)
    blocks = {name: blocks_of([relative_name(one.image, root) for one in files], name) for name, files in sets.items()}
    chosen = {name: choose(np.zeros(len(files)), options.limit) for name, files in sets.items()}
    sets = {name: [files[k] for k in chosen[name]] for name, files in sets.items()}
    every = [one for files in sets.values() for one in files]
    decoder = MaskedPictures({one.image: one.mask for one in every}, options.masks, options.size, root)
    found = read_pixels(root, [one.image for one in every], options, decoder)
    kept, row, splits = found.kept, 0, {}
    labels = np.array(found.pixels[:, -1].numpy())
    for name, files in sets.items():
        here, kept = kept[: len(files)], kept[len(files) :]
        end = row + int(here.sum())
        x = found.pixels[row:end, :-1]
        block = blocks[name]
        metadata = _metadata(root, files, None if block is None else block[chosen[name]])
        streamed = not fits(4 * found.pixels[:, :-1].numel())
        splits[name] = Split(
            x if streamed else to_float(x),
            torch.from_numpy(labels[row:end]),
            {key: column[here] for key, column in metadata.items()},
            f"{found.sha256} masks {row}:{end}" if streamed else "",
        )
        row = end
    return _finished(spec, splits, read_classes(root), options)


def load_masked_arrays(
    name: str, arrays: Mapping[str, Array], sets: Mapping[str, tuple[str, str]], options: LoadOptions
) -> ImageData:
    """Load arrays of images and masks.

    Args:
        name: Name of the dataset, for messages.
        arrays: Images (n, h, w, c), (n, c, h, w) or (n, h, w), masks (n, h, w) of whole numbers, and metadata (n,).
        sets: The names of the images and the masks of each set; "" is data that are not divided into sets.
        options: How to load them.

    Raises:
        InputError: If an array cannot be used.
    """
    splits = {}
    for key, (x, y) in sets.items():
        if x in arrays and (y in arrays or options.unlabelled):
            images = all_images(name, {x: arrays[x]}, [None]).x_test
            masks = None if options.unlabelled else _mask_array(f"{name}: '{y}'", arrays[y], images, options)
            empty = np.full((len(images), *images.shape[-2:]), VOID, dtype=np.uint8)
            metadata = {} if masks is None else metadata_of(arrays, y)
            labels = torch.from_numpy(empty if masks is None else masks)
            splits[key] = Split(*_resized(images, labels, options.size), metadata)
    shapes = {split.x.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise InputError(f"{name}: images of its sets differ in shape: {' and '.join(str(tuple(one)) for one in shapes)}")
    if options.unlabelled:
        wanted = [splits[options.split]] if options.split in splits else list(splits.values())
        pixels, nothing = torch.cat([split.x for split in wanted]), torch.cat([split.y for split in wanted])
        return ImageData(pixels[:0], nothing[:0], pixels, nothing, (), name)
    return _finished(name, splits, None, options)


def _resized(images: Tensor, masks: Tensor, size: int | None) -> tuple[Tensor, Tensor]:
    sides = resized_sides((images.shape[-2], images.shape[-1]), size)
    if sides == images.shape[-2:]:
        return images, masks
    found = interpolate(images, sides, mode="bilinear", antialias=True).clamp(0, 1)
    return found, interpolate(masks[:, None].float(), sides, mode="nearest-exact")[:, 0].byte()


def _mask_array(where: str, found: Array, images: Tensor, options: LoadOptions) -> Masks:
    sides = (len(images), *images.shape[-2:])
    if found.shape != sides:
        hint = "argmax over the classes gives label numbers" if found.ndim == 4 else ""
        raise InputError(f"{where} has shape {found.shape}; masks of these images are {sides}", hint=hint)
    if found.dtype.kind not in "biu":
        raise InputError(f"{where} is {found.dtype}; masks hold whole numbers, the labels")
    return read_numbers(where, found.astype(np.int64), options.masks)


def _to_predict(root: Path, options: LoadOptions) -> ImageData:
    """Pictures without masks: those of a folder with masks, or all below a folder, or one."""
    if is_masked_folder(root):
        files = image_files(root, options.split)
    else:
        files = [path for path in list_unlabelled(root, PICTURES, options).sets["test"].paths if isinstance(path, Path)]
    decoder = MaskedPictures({}, options.masks, options.size, root)
    found = read_pixels(root if root.is_dir() else root.parent, files, options, decoder)
    x, y = found.pixels[:, :-1], torch.from_numpy(np.array(found.pixels[:, -1].numpy()))
    x = to_float(x) if fits(4 * x.numel()) else x
    folder = root if root.is_dir() else root.parent
    names = np.array([relative_name(path, folder) for path in files], dtype=object)[found.kept]
    return ImageData(x[:0], y[:0], x, y, (), str(root), metadata={"test": {FILE: names}})


def _metadata(root: Path, files: Sequence[MaskedFile], blocks: NDArray[np.object_] | None) -> dict[str, Array]:
    names = [relative_name(one.image, root) for one in files]
    found: dict[str, Array] = {FILE: np.array(names, dtype=object)}
    folders = [Path(name).parent.as_posix() for name in names]
    if len(set(folders)) > 1:
        found[FOLDER] = np.array(folders, dtype=object)
    return found if blocks is None else {**found, BLOCK: blocks}


def _finished(name: str, splits: dict[str, Split], named: tuple[str, ...] | None, options: LoadOptions) -> ImageData:
    """The dataset, its labels checked, with a test set that is held out if it has none."""
    empty = [key or "whole" for key, split in splits.items() if not len(split.y)]
    if empty:
        raise InputError(f"{name}: no image of the {empty[0]} set can be read")
    values = np.sum([values_of(split.y.numpy()) for split in splits.values()], axis=0)
    reading = options.masks
    if are_binary(values, reading):
        options.report.note(f"{name}: masks hold 0 and 255 only, which are taken as the classes 0 and 1")
        splits = {key: replace(split, y=foreground_as_class(split.y)) for key, split in splits.items()}
        values = np.sum([values_of(split.y.numpy()) for split in splits.values()], axis=0)
        reading = replace(reading, binary=True)
    classes = class_names(name, values, reading, named)
    for key, split in splits.items():
        check_labels(partial(_called, name, key, split), split.y.numpy(), classes)
    splits = {key: _labelled(name, key, split, options.report) for key, split in splits.items()}
    splits = _with_test(name, splits, options)
    for key in ("train", "test"):
        split = next(iter(splits.values()))
        splits.setdefault(key, Split(split.x[:0], split.y[:0], {column: found[:0] for column, found in split.metadata.items()}))
    if len(splits["train"].y):
        warn_of_absent(name, splits["train"].y.numpy(), classes, options.report)
    return data_from_splits(splits, classes, name)


def _called(name: str, key: str, split: Split, k: int) -> str:
    """What the mask of an index is called."""
    files = split.metadata.get(FILE)
    return f"{name}: mask {k} of the {key or 'whole'} set" if files is None else f"{name}: the mask of {files[k]}"


def _labelled(name: str, key: str, split: Split, report: Reporter) -> Split:
    """The pictures whose masks have a label at all; others draw a warning."""
    there = has_labels(split.y.numpy())
    if not there.any():
        raise InputError(f"{name}: no mask of the {key or 'whole'} set has a label, all pixels are {VOID} or ignored")
    if there.all():
        return split
    first = int(np.flatnonzero(~there)[0])
    named = split.metadata[FILE][first] if FILE in split.metadata else f"number {first}"
    report.warn(f"{name}: {count(int((~there).sum()), 'mask')} without any label, such as that of {named}; skipped")
    return split.take(there)


def _with_test(name: str, splits: dict[str, Split], options: LoadOptions) -> dict[str, Split]:
    """The sets; where there is no test set it is held out of the training set, by blocks of a sequence."""
    whole = splits.pop("", None) or (splits.pop("train") if "test" not in splits else None)
    if whole is None:
        return splits
    column = options.group or (BLOCK if BLOCK in whole.metadata else None)
    group = groups_of(whole.metadata, column, name)
    held = hold_out(np.zeros(len(whole.y)), _TEST_SHARE, group=group)
    if not held.any() or held.all():
        raise InputError(f"{name}: its {count(len(held), 'image')} cannot be divided into a training and a test set")
    return {"train": whole.take(~held), "test": whole.take(held), **splits}
