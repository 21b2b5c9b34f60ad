"""Limit the number of examples and resize images, the same way for every source."""

from dataclasses import replace

from dlcli.core.data.base import MASK, ImageData, choose
from dlcli.core.data.preparation import Preparation
from dlcli.support.errors import UsageError
from dlcli.support.memory import check_memory
from dlcli.support.plural import count

MEMORY_HINT = "use a smaller `size=N` or fewer examples with `limit=N`"


def limit_examples(data: ImageData, limit: int | None) -> ImageData:
    """Keep at most `limit` examples of each set, chosen by `choose`."""
    if limit is None:
        return data
    return data.with_splits({name: split.take(choose(split.y.numpy(), limit)) for name, split in data.splits.items()})


def check_limit(data: ImageData, limit: int | None) -> None:
    """Raise UsageError if `limit` left training examples of one label only, or with one score."""
    if limit is None or len(data.y_train) != limit or data.target == MASK or len(data.y_train.unique()) > 1:
        return
    kept = f"{count(limit, f'training {data.unit}')} of {data.name} {'has' if limit == 1 else 'have'} one label"
    raise UsageError(f"`limit`: the {kept}, and training takes at least two", hint="choose a larger `limit`")


def resize_images(data: ImageData, size: int | None, preparation: Preparation | None = None) -> ImageData:
    """Resize images and crop the centre to a square, unless they have its size already.

    Args:
        data: The images.
        size: What the shorter side is resized to (bilinear, antialiased) and the crop, in pixels; None to keep it.
        preparation: What is done instead if there is no `size`.

    Returns:
        The dataset with its images resized.

    Raises:
        InputError: If `preparation` does not apply to tensors.
        ResourceError: If memory does not suffice.
    """
    how = preparation if size is None else Preparation(size, size)
    if data.target == MASK:  # resized as it is read
        return data
    if how is None or data.size == (how.crop, how.crop):
        return data
    height, width = how.resized(data.size)
    check_memory(4 * sum(split.x.shape[:-2].numel() for split in data.splits.values()) * height * width, data.name, MEMORY_HINT)
    return data.with_splits({name: replace(split, x=how.tensors(split.x)) for name, split in data.splits.items()})
