"""Test images that training has seen: near duplicates among the training images, and the accuracy without them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import FILE, ImageData, Split
from dlcli.core.grouped import share_of
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.parts import Gallery
from dlcli.core.image_matching.leaks import duplicates_between
from dlcli.core.stats import independent_difference
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.figures import percent, points
from dlcli.specs.leaks import MOST_PAIRS, Leak, Leaks
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

MOST_LISTED = 1000
"""How many pairs a result lists."""
SHOWN_PAIRS = 12
"""How many pairs a page shows."""


def may_leak(data: ImageData, split: str) -> bool:
    """Whether there are training images that those of a set can be duplicates of."""
    has = len(data.y_train) > 0 and split in data.splits and len(data.splits[split].y) > 0
    return has and split != "train" and data.frames is None and not data.is_sequences


def why_not(data: ImageData, split: str) -> str:
    """Why `may_leak` is false, as a clause."""
    if data.frames is not None or data.is_sequences:
        return f"near duplicates are found among images, and {data.name} holds {data.unit}s"
    return f"{data.name} has no training images beside the {split} set"


def find_leaks(
    split: Split,
    train: Split,
    correct: NDArray[np.bool_],
    group: NDArray[np.int64] | None,
    report: Reporter,
    *,
    whatever_their_number: bool = False,
) -> Leaks | None:
    """The examples of a set that have a duplicate in the training set.

    Args:
        split: The set.
        train: The training set.
        correct: Which of the examples are right, (n,).
        group: The group of each, (n,) from 0 on; None without groups.
        report: Shows progress.
        whatever_their_number: Whether to look where there are more than MOST_PAIRS pairs, too.

    Returns:
        What was found; None if the sets are too large.
    """
    if not whatever_their_number and len(split.y) * len(train.y) > MOST_PAIRS:
        return None
    duplicates = duplicates_between(split.x, train.x, report)
    inside = np.zeros(len(split.y), bool)
    inside[duplicates.first] = True
    pairs = tuple(
        Leak(index=a, file=_file(split, a), training_index=b, training_file=_file(train, b))
        for a, b in zip(duplicates.first[:MOST_LISTED].tolist(), duplicates.second[:MOST_LISTED].tolist(), strict=True)
    )
    rest, gain = without_duplicates(correct, inside, group)
    return Leaks(n=len(inside), count=int(inside.sum()), without=rest, gain=gain, pairs=pairs)


def without_duplicates(
    correct: NDArray[np.bool_], inside: NDArray[np.bool_], group: NDArray[np.int64] | None
) -> tuple[Estimate | None, Difference | None]:
    """The accuracy without duplicates, and what these add.

    Args:
        correct: Which examples are right, (n,).
        inside: Which of them are duplicates, (n,).
        group: The group of each, (n,) from 0 on; None without groups.

    Returns:
        The accuracy of those outside, None if there are none; and that of all less it, the share inside times how far both
        parts are apart, None where one of both is empty.
    """
    if inside.all():
        return None, None
    rest = share_of(correct[~inside], None if group is None else _numbered(group[~inside]))
    if not inside.any():
        return rest, None
    parts = [share_of(correct[part], None if group is None else _numbered(group[part])) for part in (inside, ~inside)]
    apart, share = independent_difference(*parts), float(inside.mean())
    return rest, Difference(share * apart.value, share * apart.low, share * apart.high, len(correct))


def _numbered(group: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(group, return_inverse=True)[1]


def _file(split: Split, k: int) -> str:
    return str(split.metadata[FILE][k]) if FILE in split.metadata else ""


def leaks_notes(found: Leaks | None, unit: str, split: str) -> Sequence[str]:
    """What there is to say where a duplicate was found.

    Args:
        found: What was found; None if nothing was looked for.
        unit: What an example is called.
        split: The set.
    """
    if found is None or not found.count:
        return ()
    first = found.pairs[0]
    where = f"{first.file} and {first.training_file}" if first.file else f"{first.index} and {first.training_index}"
    have = "has a near duplicate" if found.count == 1 else "have near duplicates"
    line = f"{count(found.count, f'{split} {unit}')} of {found.n:,} {have} among the training {unit}s, such as {where}"
    if found.without is None or found.gain is None:
        return (f"{line}.",)
    verdict = "established" if found.gain.established else "not established"
    return (f"{line}: without them the accuracy is {percent(found.without, '%')}; they add {points(found.gain)}, {verdict}.",)


def leaks_part(found: Leaks, pictures: NDArray[np.floating], training: NDArray[np.floating], unit: str) -> Gallery:
    """The first examples with a duplicate, on a page.

    Args:
        found: What was found.
        pictures: Those of the first pairs, (m, c, h, w) in [0, 1].
        training: Those of their duplicates.
        unit: What an example is called.
    """
    cards = [
        (
            card_image(mine, alt=f"The {unit} {_name(one.file, one.index)}", line=_name(one.file, one.index)),
            card_image(
                duplicate, alt="Its duplicate in training", line=f"training: {_name(one.training_file, one.training_index)}"
            ),
        )
        for mine, duplicate, one in zip(pictures, training, found.pairs, strict=False)
    ]
    return Gallery(f"{unit}s with near duplicates among the training {unit}s, each beside its duplicate".capitalize(), cards)


def _name(file: str, index: int) -> str:
    return Path(file).name if file else f"number {index}"
