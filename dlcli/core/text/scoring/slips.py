"""How likely one word is a slip for another: of the keyboard, or of spelling."""

from itertools import combinations

ONE_SLIP_FROM, TWO_SLIPS_FROM = 4, 8
"""Length of the shorter word from which one slip, and two, are taken for such: `cat` and `car` are two words."""
_ONE, _ONE_IN_SHORT, _TWO, _UNLIKELY = 0.9, 0.75, 0.85, 0.3
_SHORT = 5
"""A slip in a word of at most 5 letters often makes another name: Felix, Fenix."""
_ALIKE = "aeiouyàáâäãåèéêëìíîïòóôöõøùúûüýæœ ckqg szcxß bvwfp dt mn gj lr iljt uvw hn cç nñ".split()
"""Letters of a like sound or a like shape."""
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LATIN = frozenset("".join((*_ALIKE, *_KEYS)))


def slip_strength(shorter: str, longer: str) -> float:
    """The strength of the match of two different words, one of which may be a slip for the other, in [0, 1].

    A letter is replaced by one that lies beside it on the keyboard, or that sounds or looks like it. Where it is another one,
    as in `cefixime` and `cefepime`, both are mostly names.

    Args:
        shorter: The shorter word.
        longer: The longer one; of two of one length, either.

    Returns:
        The strength, 0 where there is more to edit than slips.
    """
    most = 2 if len(shorter) >= TWO_SLIPS_FROM else 1
    if len(shorter) < ONE_SLIP_FROM or len(longer) - len(shorter) > most:
        return 0.0
    distance = edit_distance(shorter, longer, most)
    swapped = sorted(shorter) == sorted(longer)
    if distance <= most and not swapped and _unlikely_letters(shorter, longer):
        return _UNLIKELY
    if distance == 1 and (shorter[0] == longer[0] or len(shorter) > ONE_SLIP_FROM):
        return _ONE if len(shorter) > _SHORT or swapped else _ONE_IN_SHORT
    return _TWO if distance <= most and distance == 2 and shorter[0] == longer[0] else 0.0


def edit_distance(a: str, b: str, most: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two words, `most + 1` if there are more.

    The restricted distance of Damerau (1964): no part is edited twice.
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, 1):
        following = [i]
        for j, other in enumerate(b, 1):
            least = min(row[j] + 1, following[-1] + 1, row[j - 1] + (char != other))
            if i > 1 and j > 1 and char == b[j - 2] and a[i - 2] == other:
                least = min(least, before[j - 2] + 1)
            following.append(least)
        if min(following) > most:
            return most + 1
        before, row = row, following
    return min(row[-1], most + 1)


def _unlikely_letters(a: str, b: str) -> bool:
    """Whether, of two words of one length that differ at one or two places, one there has a letter that is no slip."""
    if len(a) != len(b):
        return False
    replaced = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    return len(replaced) <= 2 and any(x in _LATIN and y in _LATIN and x + y not in LIKELY for x, y in replaced)


def _likely_pairs() -> frozenset[str]:
    """Two letters of which one is a likely slip for the other, in both orders."""
    places = {char: (row, column + 0.5 * row) for row, keys in enumerate(_KEYS) for column, char in enumerate(keys)}
    beside = {
        x + y for x, y in combinations(places, 2) if all(abs(p - q) <= 1 for p, q in zip(places[x], places[y], strict=True))
    }
    pairs = beside | {x + y for alike in _ALIKE for x, y in combinations(alike, 2)}
    return frozenset(pairs | {pair[::-1] for pair in pairs})


LIKELY = _likely_pairs()
