"""The output tables of `dlcli dedupe` for images: files with their groups, or pairs; and the largest groups."""

from typing import Any

from dlcli.core.text.group_ids import group_id
from dlcli.engines.dedupe.image_files import ImageFiles
from dlcli.engines.dedupe.image_groups import ImageGroups
from dlcli.specs.dedupe import ADDED_COLUMNS, EARLIER_COLUMN, DedupeConfig
from dlcli.specs.dedupe_images import IMAGE_COLUMNS, IMAGE_PAIR_COLUMNS, ImageGroup
from dlcli.support.tables import Table

_SHOWN = 10


def grouped_images(config: DedupeConfig, files: ImageFiles, groups: ImageGroups) -> Table:
    """The files of the folder, each with its group and, for a duplicate, the file that it is a copy of and why."""
    added = (*ADDED_COLUMNS, *([EARLIER_COLUMN] if config.against else []))
    columns = [*IMAGE_COLUMNS, *(config.prefix + name for name in added)]
    rows = []
    for k in range(files.own):
        canonical = int(groups.canonical[k])
        if config.keep and canonical != k:
            continue
        image = files.images[k]
        group = group_id(files.images[int(groups.distinct.file[groups.content[k]])].sha256)
        row: list[Any] = [files.names[k], image.width, image.height, image.bytes, group, int(groups.sizes[groups.content[k]])]
        if canonical == k:
            rows.append([*row, True, *(len(columns) - len(row) - 1) * [None]])
            continue
        of = int(groups.duplicate_of[k])
        folder = [config.against if of >= files.own else str(config.table)] if config.against else []
        rows.append([*row, False, files.names[of], *groups.relate(k, of), *folder])
    return Table(columns, rows, name=str(config.table))


def image_pairs(name: str, files: ImageFiles, groups: ImageGroups) -> Table:
    """Every pair of contents that are copies, and each further file of a content with its first one; the best pairs first."""
    distinct = groups.distinct
    first, second = groups.copies.pairs.first, groups.copies.pairs.second
    pairs = list(zip(distinct.file[first].tolist(), distinct.file[second].tolist(), strict=True))
    pairs += [(int(distinct.file[of]), k) for k, of in enumerate(distinct.of_file.tolist()) if distinct.file[of] != k]
    rows = []
    for a, b in (sorted(pair) for pair in pairs):
        rows.append([files.names[a], files.names[b], *groups.relate(b, a)])
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    return Table(list(IMAGE_PAIR_COLUMNS), rows, name=name)


def largest_image_groups(files: ImageFiles, groups: ImageGroups) -> tuple[ImageGroup, ...]:
    """The largest groups with a duplicate, each with its member of the lowest score."""
    members: dict[int, list[int]] = {}
    for k in range(files.own):
        if groups.canonical[k] != k:
            members.setdefault(int(groups.canonical[k]), []).append(k)
    order = sorted(members, key=lambda canonical: (-groups.sizes[groups.content[canonical]], canonical))
    return tuple(_group(files, groups, canonical, members[canonical]) for canonical in order[:_SHOWN])


def _group(files: ImageFiles, groups: ImageGroups, canonical: int, members: list[int]) -> ImageGroup:
    matches = {k: groups.relate(k, int(groups.duplicate_of[k])) for k in members}
    example = min(members, key=lambda k: (matches[k].score, k))
    return ImageGroup(
        size=int(groups.sizes[groups.content[canonical]]),
        canonical=files.names[canonical],
        example=files.names[example],
        example_score=matches[example].score,
        example_why=matches[example].why,
    )
