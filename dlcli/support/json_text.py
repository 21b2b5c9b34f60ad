"""The text of a JSON object without some of its members; the others stay as they are written."""

import json
import re
from collections.abc import Collection

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[ \t\r\n]*[:,]?[ \t\r\n]*")
"""What stands between the names, the values and the members of an object."""


def without_members(text: str, names: Collection[str]) -> str:
    """The text of an object without the members of these names; without the last ones, the rest is the same to the blank.

    Args:
        text: The text of a JSON object.
        names: Names of members.

    Returns:
        The text of the object that remains.
    """
    place = begin = _next(text, text.index("{") + 1)
    kept: list[str] = []
    cut, end = False, begin  # whether one was dropped before one that is kept, and the end of the last one that is
    while text[place] != "}":
        start = place
        name, place = _DECODER.raw_decode(text, start)
        place = _DECODER.raw_decode(text, _next(text, place))[1]
        if name not in names:
            cut = cut or start != _next(text, end)
            kept.append(text[start:place])
            end = place
        place = _next(text, place)
    return f"{{{', '.join(kept)}}}" if cut else text[:end].rstrip() + "}"


def _next(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place
