"""The names of ImageNet's 1,000 classes: those that torchvision publishes, and their ids in WordNet."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files

from dlcli.core.data.file_kinds import composed

_FIRST, _LAST, _COUNT = "tench", "toilet tissue", 1000


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Their names, in the order of the outputs of networks."""
    import torchvision

    return tuple(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


@cache
def synsets() -> tuple[str, ...]:
    """Their ids in WordNet (`n01440764`), in the same order, as the folders of the dataset are called."""
    return tuple(files("dlcli.samples").joinpath("imagenet_synsets.txt").read_text(encoding="ascii").split())


def is_imagenet(classes: Sequence[str]) -> bool:
    """Whether these are the names of ImageNet's classes, alone or with synonyms behind commas."""
    return len(classes) == _COUNT and _plain(classes[0]).startswith(_FIRST) and _plain(classes[-1]).startswith(_LAST)


def match_classes(outputs: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Find the outputs of a network that stand for the classes of a dataset.

    By equal names. Where the outputs are ImageNet's, also by what else its classes are called (synonyms, WordNet ids,
    `great_white_shark`), and numbers are indices. Classes from a table of indices, of which those without examples are called
    by their place, or which are all of them, are the outputs in their places if most names agree with that.

    Args:
        outputs: Names of the outputs, in order.
        classes: Names of the classes.

    Returns:
        For each class the indices of the outputs of that name: one, or none, or several.
    """
    exact = _by_name(enumerate(map(composed, outputs)))
    if not is_imagenet(outputs):
        return [exact.get(composed(name), []) for name in classes]
    names = list(_all_names(outputs))
    other = _by_name((k, name) for k, all_of_one in enumerate(names) for name in all_of_one)
    if _in_places(names, classes):  # a crane in the place of the bird is that bird, though the machine has the name
        return [[place] for place in range(len(classes))]
    return [exact.get(composed(name)) or other.get(_plain(name)) or _index(name, len(outputs)) for name in classes]


def _in_places(names: Sequence[set[str]], classes: Sequence[str]) -> bool:
    """Whether classes are listed by the indices of the outputs."""
    named = [(place, name) for place, name in enumerate(classes) if name != str(place)]
    if len(classes) > len(names) or not named or len(classes) == len(named) < len(names):
        return False
    return sum(_plain(name) in names[place] for place, name in named) * 2 > len(named)


def _index(name: str, count: int) -> list[int]:
    """The number that a class is called by, if there is such an output."""
    return [int(name)] if is_number(name) and int(name) < count else []


def is_number(name: str) -> bool:
    """Whether a class is called by a whole number in its usual notation."""
    return name.isascii() and name.isdigit() and str(int(name)) == name


def _by_name(pairs: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for k, name in pairs:
        found[name].append(k)
    return found


def _all_names(outputs: Sequence[str]) -> Iterator[set[str]]:
    """All names of each of ImageNet's classes, as `_plain` writes them."""
    for names in zip(outputs, imagenet_classes(), synsets(), strict=True):
        yield {_plain(part) for name in names for part in (name, *name.split(","))}


def _plain(name: str) -> str:
    """Small letters, and blanks for underscores and hyphens."""
    return " ".join(composed(name).casefold().replace("_", " ").replace("-", " ").split())
