"""Slips: the distance by brute force, and which letters are replaced by mistake."""

from functools import cache
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.slips import LIKELY, TWO_SLIPS_FROM, edit_distance, slip_strength

SHORT = st.text("abc", max_size=6)
LONG = st.text(ascii_lowercase, min_size=TWO_SLIPS_FROM, max_size=12)


def brute_force(a: str, b: str) -> int:
    """The restricted distance by its recursion, from the ends."""

    @cache
    def of(i: int, j: int) -> int:
        if min(i, j) == 0:
            return max(i, j)
        ways = [of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (a[i - 1] != b[j - 1])]
        if min(i, j) > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            ways.append(of(i - 2, j - 2) + 1)
        return min(ways)

    return of(len(a), len(b))


@given(SHORT, SHORT, st.integers(0, 7))
def test_the_distance_is_that_of_its_definition(a: str, b: str, most: int):
    assert edit_distance(a, b, most) == min(brute_force(a, b), most + 1)


@given(LONG, st.data())
def test_a_letter_is_replaced_by_one_beside_it_or_alike(word: str, data: st.DataObject):
    place = data.draw(st.integers(1, len(word) - 1))
    letter = data.draw(st.sampled_from(ascii_lowercase.replace(word[place], "")))
    other = word[:place] + letter + word[place + 1 :]
    # Two neighbours may have been swapped by that: `aba` and `aab` have the same letters.
    likely = word[place] + letter in LIKELY
    assert slip_strength(word, other) == slip_strength(other, word) == (0.9 if likely else 0.3)


@pytest.mark.parametrize(
    ("a", "b", "likely"),
    [
        ("station", "statiom", True),  # beside each other on the keyboard
        ("receive", "recieve", True),  # swapped
        ("philippe", "philibbe", True),  # of a like sound, twice
        ("müller", "muller", True),  # an accent
        ("cefixime", "cefepime", False),  # two drugs
        ("institut", "instihut", False),
        ("московск", "московсн", True),  # letters of which nothing is known
        ("address", "adress", True),  # left away
    ],
)
def test_examples(a: str, b: str, *, likely: bool):
    shorter, longer = sorted((a, b), key=lambda word: (len(word), word))
    assert (slip_strength(shorter, longer) > 0.7) is likely


def test_likely_letters_are_symmetric_and_differ():
    assert all(pair[::-1] in LIKELY and pair[0] != pair[1] for pair in LIKELY)
    assert {"as", "ck", "mn", "pb", "ou"} <= LIKELY
    assert not {"ap", "xt", "kr", "ql"} & LIKELY
