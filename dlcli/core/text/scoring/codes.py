"""Codes: runs between blanks that are several words, one of them a number, such as model numbers, dates and chemical names.

`LC-40LE830U`, `2024-01-02` and `4-methyl-[1,1-biphenyl]` are split into words, so that `LC 40LE830U` has the same ones. But a
set of words does not tell `2024-01-02` from `2024-02-01`: the words of a code belong together, in this order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from dlcli.core.text.ragged import Ragged, in_alphabetical_order, integer_encode
from dlcli.core.text.scoring.arrays import Floats, Rows
from dlcli.core.text.tokens import IDEOGRAPH

_DATE, _YEAR = 3, 4
"""Words of a date in figures, and digits of its year."""


@dataclass(frozen=True)
class Codes:
    """The codes of texts.

    Attributes:
        sets: Which codes each text has, a matrix of zeros and ones, (texts, codes).
        spelled: The words of each code, each between blanks.
        inner: Which words each code has, a matrix of zeros and ones, (codes, vocabulary).
    """

    sets: sp.csr_array
    spelled: list[str]
    inner: sp.csr_array


def find_codes(runs: Ragged, words: Ragged, vocabulary: Sequence[str]) -> Codes:
    """Find the runs that are codes. Where words are not separated by blanks, as in Chinese, a run is not one.

    Args:
        runs: The runs of each text, as numbers.
        words: The words of each distinct run, as numbers.
        vocabulary: The words.

    Returns:
        The codes of each text.
    """
    digit, ideograph = (np.array([*map(test, vocabulary)], bool) for test in (_has_digit, IDEOGRAPH.match))
    of_run = words.binary_matrix(len(vocabulary))
    is_code = (words.lengths > 1) & (of_run @ digit > 0) & (of_run @ ideograph == 0)
    flat, ends = words.flat.tolist(), words.ends.tolist()
    spelled = {
        run: _between_blanks(vocabulary[word] for word in flat[ends[run] : ends[run + 1]])
        for run in np.flatnonzero(is_code).tolist()
    }
    kept = runs.keep(is_code[runs.flat])
    codes, distinct = in_alphabetical_order(*integer_encode([[*map(spelled.__getitem__, kept.flat.tolist())]]))
    run = dict(zip(spelled.values(), spelled, strict=True))
    inner = sp.csr_array(of_run[[run[code] for code in distinct]])
    return Codes(Ragged(codes.flat, kept.ends).binary_matrix(len(distinct)), distinct, inner)


class MissingCodes(NamedTuple):
    """How many codes of each text another one has not, (pairs,), and the sum of the rarities of their words."""

    number: Floats
    rarity: Floats


def missing_codes(
    codes: Codes, words: Ragged, vocabulary: Sequence[str], rarity: Floats, texts: Rows, others: Rows
) -> MissingCodes:
    """Find the codes of each text that do not occur in another text, whether as one run or as several.

    Args:
        codes: The codes of all texts.
        words: The words of each text in order, as numbers.
        vocabulary: The words.
        rarity: How rare each word is, (vocabulary,).
        texts: Numbers of the texts, (pairs,).
        others: The numbers of the others.

    Returns:
        Their numbers and rarities.
    """
    number, total, weight = np.zeros(len(texts)), np.zeros(len(texts)), codes.inner @ rarity
    some = np.flatnonzero(np.diff(codes.sets.indptr)[texts])  # few texts have codes
    mine = codes.sets[texts[some]]
    left = sp.coo_array(mine - mine.multiply(codes.sets[others[some]]))
    strings: dict[int, str] = {}
    for pair, code, kept in zip(some[left.coords[0]].tolist(), left.coords[1].tolist(), left.data.tolist(), strict=True):
        if kept:
            other = int(others[pair])
            if other not in strings:
                numbers = words.flat[words.ends[other] : words.ends[other + 1]].tolist()
                strings[other] = _between_blanks(vocabulary[number] for number in numbers)
            spellings = codes.spelled[code], _other_order(codes.spelled[code])
            if not any(spelling in strings[other] for spelling in spellings):
                number[pair] += 1
                total[pair] += weight[code]
    return MissingCodes(number, total)


def _other_order(code: str) -> str:
    """A date with its year at the other end, as 2024-01-02 and 02.01.2024; any other code as it is."""
    words = code.split()
    dated = len(words) == _DATE and all(map(str.isdecimal, words)) and _YEAR in (len(words[0]), len(words[-1]))
    return _between_blanks(iter(words[::-1])) if dated else code


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _between_blanks(words: Iterator[str]) -> str:
    return f" {' '.join(words)} "
