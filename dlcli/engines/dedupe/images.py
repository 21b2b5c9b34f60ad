"""Run and plan `dlcli dedupe` on a folder of images."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.data.file_kinds import holds_data
from dlcli.core.image_matching.copies import find_copies
from dlcli.engines.dedupe.image_files import ImageFiles, distinct_images, list_images, read_folders
from dlcli.engines.dedupe.image_groups import ImageGroups, group_images
from dlcli.engines.dedupe.image_tables import grouped_images, image_pairs, largest_image_groups
from dlcli.specs.dedupe import ADDED_COLUMNS, EARLIER_COLUMN, DedupeConfig
from dlcli.specs.dedupe_images import IMAGE_COLUMNS, IMAGE_OPTIONS, IMAGE_PAIR_COLUMNS, DedupeImagesResult
from dlcli.specs.pairs import check_applicable
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

_KEEP_RULES = ("central", "first", "longest")


def dedupe_images(config: DedupeConfig, report: Reporter) -> DedupeImagesResult:
    """Group the images of a folder that are copies of each other: equal bytes, equal pixels, or near duplicates.

    Groups come from star clustering, as those of texts. With `against` every image of the other folder is canonical. Files that
    cannot be read are reported and skipped. Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    _check(config)
    folder = list_images(str(config.table))
    files = read_folders(folder, list_images(config.against) if config.against else None, report)
    distinct = distinct_images(files)
    copies = find_copies([files.images[k] for k in distinct.file], [files.paths[k] for k in distinct.file], report)
    groups = group_images(config.keep_rule, files, distinct, copies)
    result = _result(config, files, groups, _table(config, files, groups), started)
    if config.review is not None:
        from dlcli.engines.dedupe.image_review import write_image_review  # here, since most runs do not need it

        write_image_review(config.review, str(config.table), files, groups, report)
    if result.oversized_groups:
        first = result.largest[0]
        have = "group has" if result.oversized_groups == 1 else "groups have"
        large = f"{result.oversized_groups:,} {have} more than {count(config.max_group, 'file')} (`max_group`)"
        report.warn(f"{config.table}: {large}; the largest: {count(first.size, 'file')} with {first.canonical}")
    return result


def plan_images(config: DedupeConfig) -> list[str]:
    """Describe what `dedupe_images` would do; lists the files, but opens none."""
    _check(config)
    number = len(list_images(str(config.table)).paths)
    other = []
    if config.against:
        other = [f"compare with {count(len(list_images(config.against).paths), 'image')} of {config.against}"]
    columns = [config.prefix + name for name in (*ADDED_COLUMNS, *([EARLIER_COLUMN] if config.against else []))]
    if config.pairs:
        what = f"the pairs with the columns {', '.join(IMAGE_PAIR_COLUMNS)}"
    else:
        rows = "the canonical files" if config.keep else "all files"
        what = f"{rows} with the columns {', '.join((*IMAGE_COLUMNS, *columns))}"
    return [
        f"read {count(number, 'image')} from {config.table}",
        *other,
        f"compare bytes, perceptual hashes and pixels, and group by the rule {config.keep_rule}",
        f"write {what} to {config.output or 'standard output'}",
        *([f"write a page with the groups to {config.review}"] if config.review else []),
    ]


def _check(config: DedupeConfig) -> None:
    check_applicable(config, IMAGE_OPTIONS, "a folder of images")
    if config.keep_rule not in _KEEP_RULES:
        hint = f"use {', '.join(_KEEP_RULES[:-1])} or {_KEEP_RULES[-1]}"
        raise UsageError("`keep_rule=max:COLUMN` does not apply to a folder of images", hint=hint)
    if config.against is not None:
        _check_other(Path(str(config.table)), Path(config.against))


def _check_other(folder: Path, other: Path) -> None:
    """Refuse another folder that has files of the first one, each of which would be a copy of itself."""
    if not other.is_dir():
        raise UsageError(f"`against`: '{other}' is not a folder, but {folder} is")
    for inner, outer in ((folder.resolve(), other.resolve()), (other.resolve(), folder.resolve())):
        if inner.is_relative_to(outer) and all(map(holds_data, inner.relative_to(outer).parts)):
            message = f"`against`: {other} and {folder} have files in common, which would be copies of themselves"
            raise UsageError(message, hint="name a folder beside it, or omit `against` to compare the files with each other")


def _table(config: DedupeConfig, files: ImageFiles, groups: ImageGroups) -> Table:
    if config.pairs:
        table = image_pairs(str(config.table), files, groups)
    else:
        table = grouped_images(config, files, groups)
    return replace(table, excel_safe=config.excel_safe)


def _result(config: DedupeConfig, files: ImageFiles, groups: ImageGroups, table: Table, started: float) -> DedupeImagesResult:
    match = [groups.kind(k) for k in range(files.own)]
    duplicates = files.own - match.count("")
    sizes = groups.sizes[np.unique(groups.content[: files.own][np.array(match) != ""])]
    are = "is a duplicate" if duplicates == 1 else "are duplicates"
    failed = f"{duplicates:,} of the {count(files.own, 'image')} in {config.table} {are}"
    return DedupeImagesResult(
        source=str(config.table),
        keep_rule=config.keep_rule,
        files=files.own + files.unreadable,
        files_unreadable=files.unreadable,
        files_exact=match.count("exact"),
        files_pixels=match.count("pixels"),
        files_near=match.count("near"),
        files_canonical=files.own - duplicates,
        groups=len(sizes),
        oversized_groups=int((sizes > config.max_group).sum()),
        candidates=groups.copies.candidates,
        pairs=len(groups.copies.pairs),
        largest=largest_image_groups(files, groups),
        seconds=time.perf_counter() - started,
        table=table,
        failed=failed if config.fail_on_duplicates and duplicates else "",
    )
