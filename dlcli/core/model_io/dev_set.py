"""The dev set that training held out, as a run directory records it: how it was drawn, so that it can be drawn again."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import ImageData, Split
from dlcli.core.data.few_labels import with_few_labels
from dlcli.core.data.resize import limit_examples
from dlcli.core.data.splits import with_dev_set
from dlcli.support.errors import InputError, UsageError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.plural import count
from dlcli.support.schema import number, optional, sha256, text, whole

DEV = "dev"
"""The set, and the entry of `model.json`."""
_AT_A_TIME = 1024
_NEEDED = {
    "share": number(0, 1),
    "seed": whole(0, 2**63),
    "group": optional(text()),
    "limit": optional(whole(1, 10**12)),
    "labels": optional(whole(1, 10**12)),
    "labels_seed": whole(0, 2**63),
    "examples": whole(1, 10**12),
    "examples_sha256": sha256(),
}


@dataclass(frozen=True, kw_only=True)
class SavedDevSet:
    """How a dev set was drawn from the training set of the data.

    Attributes:
        share: Which share of each class was held out.
        seed: Of the choice.
        group: Metadata column of examples that are in the same set; None without one.
        limit: The most examples of a set that were used; None for all.
        labels: About how many examples kept their labels, of which the dev set is a part; None for all.
        labels_seed: Of that draw.
        examples: How many were held out.
        examples_sha256: See `hash_of_set`.
    """

    share: float
    seed: int
    group: str | None
    limit: int | None
    labels: int | None
    labels_seed: int
    examples: int
    examples_sha256: str

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return dict(vars(self))

    @staticmethod
    def from_json(found: Mapping[str, Any], path: Path) -> "SavedDevSet":
        """What `to_json` wrote; raises InputError, naming `path`, for anything else."""
        check_metadata(found if isinstance(found, dict) else {}, path, _NEEDED, hint="dlcli train writes this file")
        return SavedDevSet(**{name: found[name] for name in _NEEDED})

    def drawn_again(self, data: ImageData) -> ImageData:
        """The data with that dev set, and the training set as it was without it; other sets stay whole.

        Raises:
            InputError: If the examples that are drawn are not those that training held out.
        """
        try:
            drawn = self._drawn(data)
        except (InputError, UsageError) as error:
            raise InputError(f"{self._other(data)} ({error})", hint=_HINT) from None
        dev = drawn.splits[DEV]
        if len(dev.y) != self.examples or hash_of_set(dev) != self.examples_sha256:
            raise InputError(self._other(data), hint=_HINT)
        return data.with_splits({**data.splits, "train": drawn.splits["train"], DEV: dev})

    def _drawn(self, data: ImageData) -> ImageData:
        sets = limit_examples(data, self.limit)
        if self.labels is not None:
            sets = with_few_labels(sets, self.labels, self.labels_seed).data
        return with_dev_set(sets, self.share, self.seed, self.group)

    def _other(self, data: ImageData) -> str:
        held_out = f"the {count(self.examples, data.unit)} that training held out as dev set"
        return f"{data.name}: {held_out} cannot be drawn again, because the data or their size have changed"


_HINT = "restore the data and the options that they were read with, or evaluate another `split`"


def hash_of_set(split: Split) -> str:
    """The SHA-256 of examples and their labels, the same whether they are in memory or streamed."""
    found = hashlib.sha256(f"{tuple(split.x.shape)} ".encode())
    for part in split.x.split(_AT_A_TIME):
        found.update(to_float(part).contiguous().numpy().data)
    found.update(split.y.contiguous().numpy().tobytes())
    return found.hexdigest()
