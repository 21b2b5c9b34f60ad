"""Which output of a trained network stands for which class of a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from dlcli.core.data.base import FILE, ImageData
from dlcli.core.data.file_kinds import composed
from dlcli.core.models.imagenet import is_imagenet, is_number, match_classes, synsets
from dlcli.support.errors import InputError

if TYPE_CHECKING:
    from dlcli.core.model_io.trained import TrainedNetwork

UNNAMED = ("0",)
"""What stands for the classes of data without labels: the weights know better."""


class ClassMap(NamedTuple):
    """Which output of a network stands for which class of a dataset.

    Attributes:
        output_of: For each class of the dataset the index of its output, (classes,) int64.
        outputs: Names of the outputs, in order.
    """

    output_of: Tensor
    outputs: tuple[str, ...]


def map_classes(trained: "TrainedNetwork", data: ImageData) -> ClassMap:
    """Find the output of each class of `data`: by name if the network's classes are known, else in order.

    ImageNet's classes have several names, see `match_classes`.

    Raises InputError naming the classes of `data` that the network does not know, or that several outputs stand for.
    """
    if trained.classes is None or trained.classes == data.classes:  # names need not differ: ImageNet has two cranes
        return ClassMap(torch.arange(len(data.classes)), data.classes)
    places = match_classes(trained.classes, data.classes)
    unknown = [name for name, found in zip(data.classes, places, strict=True) if not found]
    if unknown:
        some = ", ".join(unknown[:3])
        hint = f"it knows {', '.join(trained.classes[:5])}" + (" ..." if len(trained.classes) > 5 else "")
        raise InputError(f"{data.name}: {trained.name} was not trained on class {some}", hint=hint)
    several = [(name, found) for name, found in zip(data.classes, places, strict=True) if len(found) > 1]
    if several:
        name, found = several[0]
        ids = f", such as {synsets()[found[0]]}" if is_imagenet(trained.classes) else ""
        message = f"{data.name}: class {name} is the name of outputs {found[0]} and {found[1]} of {trained.name}"
        raise InputError(message, hint=f"name it by the index of the output{ids}")
    return ClassMap(torch.tensor([found[0] for found in places], dtype=torch.int64), trained.classes)


def index_warning(data: ImageData, numbers: Sequence[int]) -> str:
    """A warning where classes that are numbers may not be the outputs of these indices; "" where they plainly are.

    They have gaps, or do not begin at 0, so that a network may count only these; or they are folders, which
    torchvision's ImageFolder numbers in the order of the alphabet, 10 before 2.

    Args:
        data: What is classified; its classes are numbers.
        numbers: These numbers, in the order of the classes.
    """
    taken = f"classes of {data.name} are taken as the indices of outputs"
    if list(numbers) != list(range(len(numbers))):
        some = ", ".join(f"{number} is output {number}" for number in numbers[:3]) + (" ..." if len(numbers) > 3 else "")
        return f"{taken}, with gaps between them: {some}; relabel them from 0 if the network counts only these classes"
    by_name = sorted(data.classes)
    moved = next((k for k, name in enumerate(by_name) if name != str(k)), None)
    if moved is None or not _are_folders(data):
        return ""
    name = by_name[moved]
    other = f"torchvision's ImageFolder numbers them in alphabetical order ({name} is {moved})"
    return f"{taken}: {name} is output {name}; {other}: rename the folders if the network was trained so"


def _are_folders(data: ImageData) -> bool:
    """Whether classes are the names of the folders that their files are in."""
    for name, split in data.splits.items():
        files = data.metadata.get(name, {}).get(FILE)
        if files is not None and len(files):
            return data.classes[int(split.y[0])] in Path(str(files[0])).parts[:-1]
    return False


class MatchedClasses(NamedTuple):
    """How classes were matched that are called otherwise than the outputs of the network, by number and by name."""

    warning: str
    note: str


def class_notes(found: "TrainedNetwork", data: ImageData) -> MatchedClasses:
    """Describe how the classes that `data` has examples of were matched."""
    if not found.classes or found.classes == data.classes or data.classes == UNNAMED:
        return MatchedClasses("", "")
    places = match_classes(found.classes, data.classes)
    present = {int(k) for split in data.splits.values() for k in split.y.unique()}
    pairs = [(data.classes[k], found.classes[at[0]]) for k, at in enumerate(places) if at and k in present]
    renamed = [(name, output) for name, output in pairs if composed(name) != composed(output)]
    numbered = [pair for pair in renamed if is_number(pair[0])]
    named = [pair for pair in renamed if not is_number(pair[0])]
    ways = (("are taken as the indices of outputs", numbered), ("are matched by ImageNet's names", named))
    lines = []
    for how, these in ways:
        some = ", ".join(f"{name} is {output}" for name, output in these[:3]) + (" ..." if len(these) > 3 else "")
        lines.append(f"classes of {data.name} {how}: {some}" if these else "")
    return MatchedClasses(*lines)
