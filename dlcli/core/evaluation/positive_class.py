"""Which of two classes is the positive one."""

from collections.abc import Collection, Sequence

_PAIRS = (("0", "1"), ("false", "true"), ("no", "yes"), ("negative", "positive"), ("neg", "pos"))
"""Two classes, of which the second is positive whatever their order."""


def known_pair(names: Collection[str]) -> tuple[str, str] | None:
    """The pair that names are of.

    Args:
        names: The names, in any case.

    Returns:
        Both in lower case, the positive one last; None if they are of none.
    """
    return next((pair for pair in _PAIRS if {one.lower() for one in names} <= set(pair)), None)


def positive_of(names: Sequence[str]) -> int:
    """The place of the positive one of two names: that of 0 and 1, no and yes and the like, else the second.

    Args:
        names: The two names.

    Returns:
        0 or 1.
    """
    pair = known_pair(names)
    return 1 if pair is None else next(k for k, one in enumerate(names) if one.lower() == pair[1])
