"""Mask what differs from row to row in logs and notices: numbers, ids, times and URLs each count as one word."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from dlcli.core.text.stored_texts import collected
from dlcli.core.text.tokens import fold_all

_DAY = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:\s?[ap]m\b)?"
_ZONE = r"(?:Z\b|\s?(?:UTC|GMT)\b|\s?[+-]\d{2}:?\d{2}\b)?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_PATTERNS = (
    # A mailbox starts where such letters do: else each letter of a long token would be tried, up to its end.
    ("urls", r"(?:https?|ftp)://[^\s<>\"]*[\w/=#]|\bwww\.[^\s<>\"]*[\w/=#]|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    # UUIDs, and addresses of machines, whose parts look like times.
    ("ids", r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    ("ids", r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\b(?:[0-9a-f]{2}:){3,}[0-9a-f]{2}\b"),
    ("times", rf"\b{_DAY}(?:[T\s]{_CLOCK}{_ZONE})?"),
    ("times", rf"\b(?:{_MONTH}\s+\d{{1,2}}|\d{{1,2}}\s+{_MONTH})(?:,?\s+\d{{4}})?\b(?:\s+{_CLOCK}{_ZONE})?"),
    ("times", rf"\b{_CLOCK}{_ZONE}"),
    # Other words that mix letters and digits.
    ("ids", r"\b0x[0-9a-f]+\b|#\w*\d\w*|\b(?=\w*\d)(?=\w*[a-z])\w{6,}\b|\b[a-z]+[-_]\d[\w-]*"),
    ("numbers", r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*"),
)
"""Kinds of parts in the order in which they are masked: the parts of a URL, a time or an id are no numbers."""
_WORDS = {"urls": "url", "times": "time", "ids": "id", "numbers": "number"}
_MASKABLE = re.compile(r"[\d@]|www\.|://")
"""What every part to mask has; most texts of other tables have none, and are not masked in vain."""
_SAMPLED, _FEWEST, _MORE = 2_000, 20, 0.3
"""Texts looked at, the fewest that tell something, and the least fraction of them that masks must make equal."""


def mask_texts(texts: Sequence[str], kinds: Collection[str]) -> Sequence[str]:
    """The texts with each part of one of these kinds replaced by a word in angle quotes, such as ‹number›.

    A time consists of numbers, so it is masked with them: its parts one by one would make unlike texts look alike.

    Args:
        texts: The texts.
        kinds: Some of urls, times, ids and numbers.

    Returns:
        The masked texts.
    """
    kinds = {*kinds, "times"} if "numbers" in kinds else kinds
    masks = [(re.compile(pattern, re.IGNORECASE), f"‹{_WORDS[kind]}›") for kind, pattern in _PATTERNS if kind in kinds]
    return collected(_mask(text, masks) for text in texts)


def _mask(text: str, masks: Sequence[tuple[re.Pattern[str], str]]) -> str:
    for pattern, word in masks:
        text = pattern.sub(word, text)
    return text


class HelpfulMasks(NamedTuple):
    """Kinds of masks, sorted, and the fraction of texts that they make equal to another one."""

    kinds: tuple[str, ...]
    equal: float


def masks_that_help(texts: Sequence[str], duplicates: float) -> HelpfulMasks | None:
    """The masks that would make many more texts equal, as in logs; None if they would not.

    Args:
        texts: Texts that all differ after folding.
        duplicates: Fraction of the rows that are duplicates without masks.

    Returns:
        The kinds that occur in the texts.
    """
    sample = texts[:: max(1, len(texts) // _SAMPLED)]
    if len(sample) < _FEWEST or sum(bool(_MASKABLE.search(text)) for text in sample) < _MORE * len(sample):
        return None
    masked = mask_texts(sample, tuple(_WORDS))
    equal = 1 - len(set(fold_all(masked))) / len(sample)
    if equal < duplicates + _MORE:
        return None
    return HelpfulMasks(tuple(kind for kind in sorted(_WORDS) if any(f"‹{_WORDS[kind]}›" in text for text in masked)), equal)
