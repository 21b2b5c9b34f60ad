"""Whether a video is all there, by what its own container says of its length in bytes.

Times and numbers of frames do not tell: sound may go on after the last frame, rates vary, and an edit list leaves frames out.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_HEAD, _SEGMENT = 0x1A45DFA3, 0x18538067
_PARTS = (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0xEC, 0xBF)
"""What a Matroska segment is made of (RFC 9559, section 5.1), and what may be anywhere (RFC 8794, section 11.3)."""
_INDEX = frozenset((b"moov", b"moof"))
_BOXES = _INDEX | {b"ftyp", b"styp", b"sidx", b"mdat", b"mfra", b"meta", b"free", b"skip", b"wide", b"uuid", b"pnot"}
_BOX = 8
"""The least length of a box, in bytes."""
_SLACK = 8
"""How many bytes a RIFF may lack: some programs count its own head as well."""
_UNKNOWN = -1


def describe_truncation(path: Path) -> str:
    """In words, that a file ends before its container says so; "" if it does not, or if nothing tells.

    Matroska and WebM (RFC 9559), MP4 and QuickTime (ISO/IEC 14496-12, section 4.2) and AVI (RIFF, Microsoft and IBM 1991) say
    how long they are, but for some that were written as a stream, and fragments of MP4 do not say how many follow. Raises
    OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        size, magic = os.fstat(file.fileno()).st_size, file.read(4)
        least = _riff if magic == b"RIFF" else _matroska if magic == _HEAD.to_bytes(4, "big") else _boxes
        wanted = least(file, size)
    return f"is cut off: it has {size:,} bytes of at least {wanted:,}" if wanted > size else ""


def _matroska(file: IO[bytes], size: int) -> int:
    """Where the segment that there must be ends or, if it does not say, the last of its parts; 0: not known."""
    end, key = 0, _HEAD
    while end < size:
        file.seek(end)
        head, length = _number(file), _number(file)
        if head is None or length is None:
            return size + 1
        (key, _), (_, inside) = head, length
        end = file.tell()
        if key == _SEGMENT and inside != _UNKNOWN:
            return end + inside
        if key not in (_HEAD, _SEGMENT, *_PARTS) or (key != _SEGMENT and inside == _UNKNOWN):
            return 0
        end += max(inside, 0)
    return end if key != _HEAD else size + 1


def _number(file: IO[bytes]) -> tuple[int, int] | None:
    """A number of variable length (RFC 8794, section 4), with its marker and without; None: the file ends in it."""
    first = file.read(1)
    more = 8 - first[0].bit_length() if first else 0
    rest = file.read(more)
    if not first or len(rest) < more:
        return None
    number, ones = int.from_bytes(first + rest, "big"), (1 << 7 * (more + 1)) - 1
    return number, _UNKNOWN if number & ones == ones else number & ones


def _boxes(file: IO[bytes], size: int) -> int:
    """Where the last box ends or, while there are none for frames or for their index, at least one more; 0: not known."""
    seen: set[bytes] = set()
    end = 0
    for kind, end in _walked(file, size):
        if kind not in _BOXES and not seen:
            return 0
        if kind not in _BOXES and end > size:  # what stands behind the last box is no box
            end = size
            break
        seen.add(kind)
    return end if not seen or (b"mdat" in seen and seen & _INDEX) else max(end, size + _BOX)


def _walked(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """The kind of each box, and where it ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        length = int.from_bytes(head[8:], "big") if length == 1 else length
        end = end + max(length, _BOX) if length else size
        yield kind, end


def _riff(file: IO[bytes], size: int) -> int:
    """Where the last of the RIFFs that follow each other ends, at least (OpenDML 1996); 0: not known."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF":
            break
        if length in (0, 0xFFFFFFFF):
            return 0
        end += 8 + length + length % 2
    return end - _SLACK
