"""The page that shows groups of images: `dlcli dedupe FOLDER --review`."""

from pathlib import Path

from dlcli.core.image_matching.review_page import GroupMember, ImageReviewPage, thumbnail
from dlcli.engines.dedupe.image_files import ImageFiles
from dlcli.engines.dedupe.image_groups import ImageGroups
from dlcli.support.atomic import write_text
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

MAX_FILES = 2000
"""More thumbnails make a page slow to open."""


def write_image_review(path: Path, source: str, files: ImageFiles, groups: ImageGroups, report: Reporter) -> None:
    """Write a page with the groups to a file, whole or not at all: those with the least certain member first.

    Args:
        path: The file.
        source: Name of the folder, for the title.
        files: The files.
        groups: Their groups.
        report: Shows progress, and notes if there are too many groups for a page.
    """
    members: dict[int, list[int]] = {}
    for k in range(files.own):
        if groups.canonical[k] != k:
            members.setdefault(int(groups.canonical[k]), []).append(k)
    matches = {k: groups.relate(k, int(groups.duplicate_of[k])) for copies in members.values() for k in copies}
    order = sorted(members, key=lambda canonical: (min(matches[k].score for k in members[canonical]), canonical))
    shown: list[list[GroupMember]] = []
    with report.task("thumbnails", total=len(order)) as task:
        for canonical in order:
            if sum(map(len, shown)) + 1 + len(members[canonical]) > MAX_FILES:
                break
            rows = [(canonical, "canonical"), *((k, f"{matches[k].score:.3f} {matches[k].why}") for k in members[canonical])]
            shown.append([_member(files, k, text) for k, text in rows])
            task.advance()
    page = ImageReviewPage(source, shown, dropped=len(order) - len(shown))
    write_text(path, page.html())
    if page.dropped:
        report.note(f"{path}: shows the {count(len(shown), 'least certain group')}, {page.dropped:,} more do not fit")


def _member(files: ImageFiles, k: int, text: str) -> GroupMember:
    image = files.images[k]
    return GroupMember(
        files.names[k], f"{image.width} x {image.height}, {image.bytes:,} bytes", text, thumbnail(files.paths[k])
    )
