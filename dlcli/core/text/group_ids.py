"""Ids of groups that stay from table to table, though groups grow, merge and part."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def group_id(key: str) -> str:
    """The id of a new group whose canonical text has this key: the same in every run and table."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def carry_group_ids(
    ids: Sequence[str], before: NDArray[np.int32], centre: NDArray[np.integer], keys: Sequence[str]
) -> tuple[list[str], NDArray[np.int32], list[dict[str, str]]]:
    """Name the groups of n texts: (all ids ever given, the oldest first; for each text the place of its id; a log).

    `before` (n) is the place in `ids` of the group that a text was in, -1 for a new text; `centre` (n) the canonical text
    of its group now. Each group of before goes where most of its texts went, of equal parts to the first canonical text; a
    group to which several go has the oldest id and the others are logged as merged. One to which none goes has a new id; if
    texts of an older group are in it, that is logged as split. No id is given twice.
    """
    heirs = _heirs(before, centre)
    centres, place = np.unique(centre, return_inverse=True)
    names, group_of, log = list(ids), np.full(len(centres), -1, np.int32), []
    stars = np.searchsorted(centres, list(heirs.values())).tolist()
    for old, star in zip(heirs, stars, strict=True):
        if group_of[star] < 0:
            group_of[star] = old
        else:
            log.append({"event": "merged", "group": ids[old], "into": ids[group_of[star]]})
    given = set(ids)
    for star in np.flatnonzero(group_of < 0).tolist():
        group_of[star] = len(names)
        names.append(_unused(keys[centres[star]], given))
    parted = {(int(old), int(now)) for old, now in zip(before, group_of[place], strict=True) if old >= 0 and now >= len(ids)}
    log += [{"event": "split", "group": ids[old], "into": names[now]} for old, now in sorted(parted)]
    return names, group_of[place].astype(np.int32), log


def _heirs(before: NDArray[np.int32], centre: NDArray[np.integer]) -> dict[int, int]:
    """For each group of before, the oldest first, the canonical text of the group now that most of its texts are in."""
    known = before >= 0
    links, counts = np.unique(np.stack([before[known], centre[known]]), axis=1, return_counts=True)
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
