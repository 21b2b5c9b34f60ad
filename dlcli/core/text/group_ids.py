"""Ids of groups that persist from table to table while groups grow, merge and split."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def group_id(key: str) -> str:
    """The id of a new group whose canonical text has this key; the same in every run and table."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class CarriedIds(NamedTuple):
    """Ids of groups after a table was added.

    `ids` are all ids ever given, the oldest first; `group` (n) is for each text the index of its group's id in `ids`; `log` has
    one record per merge or split: its `event`, the `group` and the id that it went `into`.
    """

    ids: list[str]
    group: NDArray[np.int32]
    log: list[dict[str, str]]


def carry_group_ids(
    ids: Sequence[str], before: NDArray[np.int32], canonical: NDArray[np.integer], keys: Sequence[str]
) -> CarriedIds:
    """Give ids to the groups of n texts so that groups of earlier tables keep theirs.

    An earlier group goes where most of its texts went, and at a tie to the group with the first canonical text. If several
    earlier groups go to one group, it takes the oldest id, and the others are logged as merged. A group to which none goes
    gets a new id; if it has texts of an earlier group, that group is logged as split. No id is given twice.

    Args:
        ids: All ids given so far, the oldest first.
        before: For each text the index in `ids` of the group that it was in, (n); -1 for a new text.
        canonical: For each text the canonical text of its group now, (n).
        keys: The key of each text, from which new ids are made.

    Returns:
        The ids, the group of each text, and the log.
    """
    heirs = _heirs(before, canonical)
    groups, group_of_text = np.unique(canonical, return_inverse=True)
    names, id_of_group, log = list(ids), np.full(len(groups), -1, np.int32), []
    successors = np.searchsorted(groups, list(heirs.values())).tolist()
    for old, group in zip(heirs, successors, strict=True):
        if id_of_group[group] < 0:
            id_of_group[group] = old
        else:
            log.append({"event": "merged", "group": ids[old], "into": ids[id_of_group[group]]})
    given = set(ids)
    for group in np.flatnonzero(id_of_group < 0).tolist():
        id_of_group[group] = len(names)
        names.append(_unused(keys[groups[group]], given))
    now = id_of_group[group_of_text]
    split = {(int(old), int(new)) for old, new in zip(before, now, strict=True) if old >= 0 and new >= len(ids)}
    log += [{"event": "split", "group": ids[old], "into": names[new]} for old, new in sorted(split)]
    return CarriedIds(names, now.astype(np.int32), log)


def _heirs(before: NDArray[np.int32], canonical: NDArray[np.integer]) -> dict[int, int]:
    """For each earlier group, the oldest first, the canonical text of the group now that has most of its texts."""
    known = before >= 0
    links, counts = np.unique(np.stack([before[known], canonical[known]]), axis=1, return_counts=True)
    order = np.lexsort((links[1], -counts, links[0]))
    old, first = np.unique(links[0][order], return_index=True)
    return dict(zip(old.tolist(), links[1][order][first].tolist(), strict=True))


def _unused(key: str, given: set[str]) -> str:
    name, again = group_id(key), 0
    while name in given:
        again += 1
        name = group_id(f"{key}\n{again}")
    given.add(name)
    return name
