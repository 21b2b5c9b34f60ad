"""Detect truncated videos by comparing the size of a file with the lengths that its container declares.

Durations and numbers of frames cannot tell: sound may continue after the last frame, frame rates vary, and an edit list skips
frames. Each container is a sequence of elements that start with their length, so following the lengths from one to the next
shows where the file should end. Decoders do not complain about a missing end: they return the frames before it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dlcli.support.regular_file import kind_of

_HEAD, _SEGMENT = 0x1A45DFA3, 0x18538067
_ELEMENTS = (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0xEC, 0xBF)
"""Elements of a Matroska segment (RFC 9559, section 5.1), and those that may be anywhere (RFC 8794, section 11.3)."""
_INDEX = frozenset((b"moov", b"moof"))
_BOXES = _INDEX | {b"ftyp", b"styp", b"sidx", b"mdat", b"mfra", b"meta", b"free", b"skip", b"wide", b"uuid", b"pnot"}
_MIN_BOX = 8
"""Least length of a box, in bytes."""
_SLACK = 8
"""How many bytes a RIFF may lack: some programs include its own header in the declared length."""
_UNKNOWN = -1


def describe_truncation(path: Path) -> str:
    """Describe how much of a video is missing; an empty string if it is complete or its length is unknown.

    Matroska and WebM (RFC 9559), MP4 and QuickTime (ISO/IEC 14496-12, section 4.2) and AVI (RIFF, Microsoft and IBM 1991)
    declare their lengths. Exceptions are files written as a stream, and fragmented MP4, which does not declare how many
    fragments follow. Raises OSError if the file cannot be read.
    """
    if kind := kind_of(path):
        return f"is {kind}, not a file"
    with path.open("rb") as file:
        size, magic = os.fstat(file.fileno()).st_size, file.read(4)
        least = _riff if magic == b"RIFF" else _matroska if magic == _HEAD.to_bytes(4, "big") else _boxes
        wanted = least(file, size)
    return f"is truncated: it has {size:,} bytes of at least {wanted:,}" if wanted > size else ""


def _matroska(file: IO[bytes], size: int) -> int:
    """Where the segment ends or, if its length is unknown, the last of its elements; 0 if unknown."""
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
        if key not in (_HEAD, _SEGMENT, *_ELEMENTS) or (key != _SEGMENT and inside == _UNKNOWN):
            return 0
        end += max(inside, 0)
    return end if key != _HEAD else size + 1


def _number(file: IO[bytes]) -> tuple[int, int] | None:
    """Read an integer of variable length (RFC 8794, section 4), with and without its marker; None at the end of the file."""
    first = file.read(1)
    more = 8 - first[0].bit_length() if first else 0
    rest = file.read(more)
    if not first or len(rest) < more:
        return None
    number, ones = int.from_bytes(first + rest, "big"), (1 << 7 * (more + 1)) - 1
    return number, _UNKNOWN if number & ones == ones else number & ones


def _boxes(file: IO[bytes], size: int) -> int:
    """Where the last box ends, with room for one more while frames or their index are missing; 0 if unknown."""
    seen: set[bytes] = set()
    end = 0
    for kind, end in _each_box(file, size):
        if kind not in _BOXES and not seen:
            return 0
        if kind not in _BOXES and end > size:  # trailing bytes that are not a box
            end = size
            break
        seen.add(kind)
    return end if not seen or (b"mdat" in seen and seen & _INDEX) else max(end, size + _MIN_BOX)


def _each_box(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """Yield the type of each box, and where it ends."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        length = int.from_bytes(head[8:], "big") if length == 1 else length
        end = end + max(length, _MIN_BOX) if length else size
        yield kind, end


def _riff(file: IO[bytes], size: int) -> int:
    """Where the last of consecutive RIFF chunks ends at least (OpenDML 1996); 0 if unknown."""
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
