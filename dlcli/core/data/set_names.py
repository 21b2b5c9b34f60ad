"""The names that people give to the sets of a dataset: one table, in any case, with prefixes and endings."""

import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validate", "validation"),
    "dev": ("dev", "devel", "development"),
    "test": ("test", "tests", "testing", "eval", "evaluation"),
}
_SET_OF = {word: name for name, words in _WORDS.items() for word in words}
_TWO_WORDS = {("train", "dev"): "train-dev", ("train", "val"): "train"}
"""Ng's train-dev set, and the `trainval` of Pascal VOC, which is what to train on."""

_PADDING = frozenset(
    "set sets data dataset split splits part folder dir image images img imgs picture pictures pics photo photos video videos "
    "clip clips frame frames sample samples example examples file files jpg jpeg png mp4".split()
)
"""Words that say nothing about which set it is, as in `test_images`."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_GLUED = re.compile(rf"({'|'.join(sorted(_SET_OF, key=len, reverse=True))})(set|data|dataset|images|imgs|split)")

KNOWN = "train, val and test"
"""The usual names, for messages."""


class SetName(NamedTuple):
    """A folder's name as the name of a set.

    Attributes:
        name: `train`, `val`, `dev`, `train-dev` or `test`.
        rest: Its other words, such as `seg` of `seg_train`; none if it is nothing but the name of a set.
    """

    name: str
    rest: tuple[str, ...]


def read_set_name(folder: str) -> SetName | None:
    """Which set a folder holds by its name, such as `Training_Set`, `val2017` or `02-test`; None if the name has none."""
    words = [part for word in _words(folder) for part in _split(word)]
    names = tuple(_SET_OF[word] for word in words if word in _SET_OF)
    rest = tuple(word for word in words if not (word in _SET_OF or word in _PADDING or word.isdigit()))
    if len(names) == 1:
        return SetName(names[0], rest)
    return SetName(_TWO_WORDS[names], rest) if names in _TWO_WORDS else None


_ABOUT_LABELS = frozenset("label labels annotation annotations metadata instances coco".split())
"""Words in the name of a file of labels that say nothing about which set it is."""


def set_of_file(name: str) -> str | None:
    """Which set a file of labels is about by its name, such as `test.csv` or `instances_val2017.json`; None if none."""
    found = read_set_name(re.sub(r"(\.[a-z]\w*)+$", "", name, flags=re.IGNORECASE))
    return found.name if found is not None and set(found.rest) <= _ABOUT_LABELS else None


def resolve_val(name: str, there: Collection[str]) -> str:
    """Which set one called `name` is, beside the sets `there`: `val` is the test set if there is no other, else the dev set."""
    return name if name != "val" else "dev" if "test" in there else "test"


def _words(folder: str) -> list[str]:
    parts: list[str] = _PARTS.findall(unicodedata.normalize("NFKC", folder))
    return [part.casefold() for part in parts]


def _split(word: str) -> tuple[str, ...]:
    """`trainset` as `train` and `set`, `traindev` as `train` and `dev`."""
    if glued := _GLUED.fullmatch(word):
        return glued.group(1), glued.group(2)
    head, tail = word[: len("train")], word[len("train") :]
    return (head, tail) if head == "train" and _SET_OF.get(tail) in ("val", "dev") else (word,)
