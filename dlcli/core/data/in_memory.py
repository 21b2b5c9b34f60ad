"""Datasets that a Python program holds: arrays, tensors, datasets and loaders of torch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler

from dlcli.core.data.base import LOAD_DEFAULTS, Array, ImageData, LoadOptions
from dlcli.core.data.named_arrays import SETS, UNSPLIT, from_named_arrays, images_and_labels
from dlcli.core.data.votes import LEVELS
from dlcli.support.errors import InputError
from dlcli.support.in_memory import InMemory

MASKS = True
_FEW = 1024
"""Examples of a dataset that are put together at a time."""
_HINT = "give (images, labels), a Dataset or a DataLoader of such pairs, or {'train': ..., 'test': ...}"


def claims(spec: str) -> bool:
    """Whether `spec` is an object, not a name."""
    return isinstance(spec, InMemory)


def load(spec: InMemory, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """The dataset that `spec` is, as a .npz with the same arrays gives it; raises InputError if it cannot be used."""
    arrays = _named_arrays(spec, spec.value)
    if not options.unlabelled:
        chosen = images_and_labels(spec, arrays, _HINT)
        lengths = {len(arrays[key]) for key in chosen}
        columns = [key for key, found in arrays.items() if key not in chosen and (len(found) in lengths or key == LEVELS)]
        arrays = {key: arrays[key] for key in (*chosen, *columns)}
    return from_named_arrays(spec, arrays, options)


def only_evaluated(value: Any) -> Any:
    """`value`, which is not divided into sets, as a test set; other values as they are."""
    return value if isinstance(value, Mapping) else {"test": value}


def _named_arrays(name: str, value: Any) -> dict[str, Array]:
    """Arrays as a .npz names them."""
    if not isinstance(value, Mapping):
        return _set_arrays(name, value, UNSPLIT)
    if set(value) <= set(SETS):
        sets = [_set_arrays(f"{name}, {key}", found, SETS[key]) for key, found in value.items()]
        return {key: array for found in sets for key, array in found.items()}
    return {str(key): _array(name, str(key), found) for key, found in value.items()}


def _set_arrays(name: str, value: Any, keys: tuple[str, ...]) -> dict[str, Array]:
    """The images and labels of one set under `keys`; images alone where there are no labels."""
    x, y = _images_and_labels(name, value)
    found = {keys[0]: _array(name, keys[0], x)}
    return found if y is None else {**found, keys[1]: _array(name, keys[1], y)}


def _images_and_labels(name: str, value: Any) -> tuple[Any, Any]:
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value, None
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return value[0], value[1]
    if hasattr(value, "iloc"):
        raise InputError(f"{name}: is a data frame, which holds no images", hint=f"save it as labels.csv, or {_HINT}")
    if isinstance(value, (DataLoader, Dataset)) or (hasattr(value, "__getitem__") and hasattr(value, "__len__")):
        parts = [_images_and_labels(name, batch) for batch in _batches(name, value)]
        if not parts:
            raise InputError(f"{name}: is empty")
        x = np.concatenate([_array(name, "x", images) for images, _ in parts])
        labels = [y for _, y in parts if y is not None]
        return x, np.concatenate([_array(name, "y", y) for y in labels]) if labels else None
    raise InputError(f"{name}: is not a dataset", hint=_HINT)


def _batches(name: str, value: Any) -> Iterator[Any]:
    """Images and labels, in the order of the dataset, also where a loader shuffles it or drops the last."""
    loader: DataLoader[Any] | None = value if isinstance(value, DataLoader) else None
    if loader is not None and (isinstance(loader.dataset, IterableDataset) or not _takes_each_once(loader)):
        yield from loader
        return
    dataset: Any = value if loader is None else loader.dataset
    collate = _stacked if loader is None else loader.collate_fn
    step = _FEW if loader is None else loader.batch_size or 1
    for begin in range(0, len(dataset), step):
        items = [dataset[k] for k in range(begin, min(begin + step, len(dataset)))]
        if collate is _stacked and not all(isinstance(item, (tuple, list)) and len(item) == 2 for item in items):
            raise InputError(f"{name}: item {begin} is not a pair of an image and a label", hint=_HINT)
        yield collate(items)


def _takes_each_once(loader: "DataLoader[Any]") -> bool:
    sampler = loader.sampler
    plain = isinstance(sampler, SequentialSampler) or (isinstance(sampler, RandomSampler) and not sampler.replacement)
    whole = not isinstance(sampler, RandomSampler) or sampler.num_samples == len(loader.dataset)  # type: ignore[arg-type]
    return plain and whole and type(loader.batch_sampler) is BatchSampler


def _stacked(items: Sequence[Any]) -> tuple[Array, Array]:
    """Images (n, ...) and labels (n,) of pairs.

    Returns:
        The two arrays.

    Raises:
        InputError: If the images differ in shape.
    """
    images = [_plain(image) for image, _ in items]
    if len({image.shape for image in images}) > 1:
        shapes = " and ".join(str(shape) for shape in list(dict.fromkeys(image.shape for image in images))[:2])
        raise InputError(f"the images differ in shape: {shapes}", hint="resize them in the dataset, or save them as files")
    return np.stack(images), np.array([label.item() if hasattr(label, "item") else label for _, label in items])


def _array(name: str, key: str, value: Any) -> Array:
    found = _plain(value)
    if found.dtype.kind == "O":
        if found.ndim == 1 and len(found) and all(isinstance(one, str) for one in found):  # labels of pandas
            return found.astype(str)
        raise InputError(f"{name}: '{key}' holds Python objects", hint="uint8 or floats are needed, and labels")
    return found


def _plain(value: Any) -> NDArray[Any]:
    """An array of NumPy, of a tensor on any device, an image of PIL, or a sequence."""
    if isinstance(value, torch.Tensor):
        held = value.detach().cpu()
        found: NDArray[Any] = (held.float() if held.dtype == torch.bfloat16 else held).numpy()
        return found
    return np.asarray(value)
