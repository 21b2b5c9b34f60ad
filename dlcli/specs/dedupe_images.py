"""Result of `dlcli dedupe` for a folder of images."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlcli.specs.result import Result
from dlcli.support.tables import Table

IMAGE_COLUMNS = ("file", "width", "height", "bytes")
IMAGE_PAIR_COLUMNS = ("file_a", "file_b", "score", "match", "why")
IMAGE_OPTIONS = (
    *("table", "keep_rule", "max_group", "against", "keep", "pairs", "review", "fail_on_duplicates", "prefix"),
    *("excel_safe", "output"),
)
"""The options that apply to a folder of images."""


@dataclass(frozen=True, kw_only=True)
class ImageGroup:
    """A group of duplicates, as the summary on a terminal shows it.

    Attributes:
        size: Number of files, with those of the folder of `against`.
        canonical: The canonical file.
        example: The member with the lowest score.
        example_score: That score.
        example_why: How this member differs from the canonical file.
    """

    size: int
    canonical: str
    example: str
    example_score: float
    example_why: str


@dataclass(frozen=True, kw_only=True)
class DedupeImagesResult(Result, command="dedupe"):
    """Result of `dlcli dedupe` for a folder; canonical + exact + pixels + near = read, and files = read + unreadable.

    Attributes:
        source: The folder.
        keep_rule: Rule that chose the canonical files.
        files: Number of image files.
        files_unreadable: Files that cannot be read, which are in no row.
        files_exact: Duplicates with the bytes of the canonical file, or of another file of the group.
        files_pixels: Other duplicates with the pixels of the canonical file.
        files_near: Other duplicates.
        files_canonical: Canonical files.
        groups: Number of groups with a duplicate.
        oversized_groups: Groups of more than `max_group` files.
        candidates: Number of candidate pairs whose pixels were compared.
        pairs: Number of pairs of duplicates, of files with different bytes.
        largest: The largest groups.
        seconds: Wall-clock time.
        table: The output table.
        notes: Remarks on the result.
        failed: Why a requested check failed, "" if none did.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    keep_rule: str
    files: int
    files_unreadable: int
    files_exact: int
    files_pixels: int
    files_near: int
    files_canonical: int
    groups: int
    oversized_groups: int
    candidates: int
    pairs: int
    largest: tuple[ImageGroup, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The largest groups as flat rows."""
        return [vars(group) for group in self.largest]
