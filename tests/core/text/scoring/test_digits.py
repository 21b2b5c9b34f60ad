"""Numbers cut in other places, against all ways to cut them."""

from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.digits import joined_from


def cuts(words: list[str]) -> set[tuple[str, ...]]:
    """All lists that words become where those of five digits or more are cut in any places."""
    found: set[tuple[str, ...]] = {()}
    for word in words:
        found = {(*before, *pieces) for before in found for pieces in ways(word)}
    return found


def ways(word: str) -> list[tuple[str, ...]]:
    """The word, and if it is long, all ways to cut it."""
    if len(word) < 5:
        return [(word,)]
    return [(word,), *((word[:k], *rest) for k in range(1, len(word)) for rest in all_ways(word[k:]))]


def all_ways(word: str) -> list[tuple[str, ...]]:
    return [(word,), *((word[:k], *rest) for k in range(1, len(word)) for rest in all_ways(word[k:]))]


@given(st.text("01", min_size=1, max_size=7), st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)))
def test_numbers_are_the_same_if_long_ones_can_be_cut_into_the_parts(digits: str, at: set[int], places: set[int]):
    whole, parts = (
        [digits[a:b] for a, b in zip([0, *ends], [*ends, len(digits)], strict=True)]
        for ends in (sorted(k for k in some if k < len(digits)) for some in (at, places))
    )
    assert joined_from(parts, whole) == (tuple(parts) in cuts(whole))
