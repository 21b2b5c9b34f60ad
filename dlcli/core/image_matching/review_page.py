"""A page with the thumbnails of groups of images; it fetches nothing and runs nothing."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from dlcli.core.data.image_file import in_mode, opaque, open_image, orientation, transpose
from dlcli.core.html_report.page import frame
from dlcli.support.plural import count

_SIDE = 160
_STYLE = """
.group { display: flex; flex-wrap: wrap; gap: 1rem; border-top: 1px solid #8884; padding: 1rem 0; }
.group figure { margin: 0; width: 10rem; }
.group img { max-width: 10rem; max-height: 10rem; border-radius: 0; }
"""


@dataclass(frozen=True)
class GroupMember:
    """A file of a group: its name, its size, how it relates to the canonical file, and its thumbnail as JPEG."""

    name: str
    size: str
    relation: str
    jpeg: bytes


@dataclass(frozen=True)
class ImageReviewPage:
    """The groups of a folder, each with its canonical file first, and how many more groups are not shown."""

    source: str
    groups: Sequence[Sequence[GroupMember]]
    dropped: int = 0

    def html(self) -> str:
        """The page as HTML; every text is escaped."""
        lead = f"{count(len(self.groups), 'group')}, the least certain first; the canonical file is the first of its group."
        if self.dropped:
            lead += f" {self.dropped:,} more are not shown."
        groups = "\n".join(f'<div class="group">{"".join(map(_figure, group))}</div>' for group in self.groups)
        title = f"Duplicate images in {self.source}"
        return frame(title, f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n{groups}', style=_STYLE)


def thumbnail(path: Path) -> bytes:
    """A small upright copy of an image file as JPEG."""
    with open_image(path) as image:
        turn = orientation(image)
        image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        small = in_mode(opaque(image), "RGB")
    small.thumbnail((_SIDE, _SIDE))
    packed = io.BytesIO()
    transpose(small, turn).save(packed, "JPEG", quality=80)
    return packed.getvalue()


def _figure(member: GroupMember) -> str:
    data = base64.b64encode(member.jpeg).decode("ascii")
    lines = "<br>".join(map(escape, (member.name, member.size, member.relation)))
    image = f'<img alt="{escape(member.name)}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<figcaption>{lines}</figcaption></figure>"
