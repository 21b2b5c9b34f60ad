"""Images that come in groups, such as frames of films: figures of a network are by those that it was trained by."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import ImageData
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.data.groups import group_numbers
from dlcli.core.model_io.score_metadata import task_of


@dataclass(frozen=True)
class RunGroups:
    """The groups of the images that a network is measured on.

    Attributes:
        column: The metadata column that names them.
        numbers: The group of each image, (n,) from 0 on.
    """

    column: str
    numbers: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> "RunGroups":
        """Those of the images at `index` (m,)."""
        return replace(self, numbers=_numbered(self.numbers[index]))

    def notes(self, data: ImageData) -> tuple[str, ...]:
        """What intervals are by; the images are of the test set of `data`."""
        return dependence_notes(data.splits["test"], self.numbers, self.column, data.unit)


def groups_of_run(model: str | None, data: ImageData, places: NDArray[np.int64]) -> RunGroups | None:
    """The groups that a run was split by.

    Args:
        model: The option.
        data: The dataset.
        places: Where the images stand in the test set, (n,).

    Returns:
        Those of the images; None of another network, or if these data do not name them.
    """
    column, named = task_of(model).group, data.splits["test"].metadata
    if column is None or column not in named:
        return None
    return RunGroups(column, _numbered(group_numbers(named[column])[places]))


def _numbered(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
