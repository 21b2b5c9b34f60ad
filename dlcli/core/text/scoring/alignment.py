"""Match the words that only one text of a pair has with those that only the other has.

Most leftover words of two texts are not alike at all. So the cross product of the leftover words of each pair is first
filtered by what numpy can test on all of it at once, and `similarity` looks only at the rest, each pair of words once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged, integer_encode
from dlcli.core.text.scoring.one_of_few import differ_in_kind, is_one_of_few
from dlcli.core.text.scoring.similar_words import is_skeleton, similarity
from dlcli.core.text.scoring.slips import ONE_SLIP_FROM, TWO_SLIPS_FROM
from dlcli.core.text.scoring.word_lists import NUMBER_WORDS, OPPOSITES, are_opposite

Floats = NDArray[np.float64]
Numbers = NDArray[np.integer]

_MOST = 400
"""Pairs of texts with more pairs of leftover words than this are not aligned: these are long texts, scored by their rates."""
_FAR_RARER = 2.0
"""Difference of two rarities from which one word occurs in a seventh of the texts that the other does, or fewer."""
_TWO_WORDS, _VARIANTS = 0.4, 0.6
"""Cosine up to which two known words that look alike are two words, and from which they are spellings of one: `theatre`."""
_IMPLIED = 0.9
"""Strength of `ibm` for the initials of three words, and of `website` for `web site`."""
_INITIALS = range(3, 7)
_BASE, _MODULUS = 257, (1 << 31) - 1
"""Of the hash of a word; products of two hashes fit in 64 bits."""
_HASH_BITS, _MULTIPLIER = 20, np.uint64(0x9E3779B97F4A7C15)
"""Of the hash by which numbers are ruled out."""


@dataclass(frozen=True)
class WordShapes:
    """What the first filter tests, for each word of a vocabulary, (vocabulary,).

    Attributes:
        vocabulary: The words.
        length: Number of letters.
        start: The first three letters, as a number.
        end: The last four letters, as a number; unique for shorter words.
        skeleton: First and last letter, as a number, of words without a vowel between; unique for others.
        ends: First and last letter, as a number.
        letters: A bit for each letter that occurs, hashed to 32 bits.
        special: Whether the word need not look alike to match or contradict: opposites, numbers, units, colours, signs.
        known: Whether it is a known word of the language.
        meanings: Its vector, (vocabulary, dimensions).
        rarity: How rare it is in English.
    """

    vocabulary: list[str]
    length: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    skeleton: NDArray[np.int64]
    ends: NDArray[np.int64]
    letters: NDArray[np.uint32]
    special: NDArray[np.bool_]
    known: NDArray[np.bool_]
    meanings: NDArray[np.float32]
    rarity: Floats


def word_shapes(vocabulary: list[str], meanings: NDArray[np.float32], rarity: Floats) -> WordShapes:
    """The shapes of the words of a vocabulary.

    Args:
        vocabulary: The words.
        meanings: The vector of each, (vocabulary, dimensions), zeros for a word that is not known.
        rarity: How rare they are in English, (vocabulary,).

    Returns:
        Their shapes.
    """
    letters = _letters(_characters(vocabulary))
    special = np.array([*map(_need_not_look_alike, vocabulary)], bool)
    length = np.array([*map(len, vocabulary)], np.int64)
    start, end = (_numbers(word[part] for word in vocabulary) for part in (slice(3), slice(-4, None)))
    ends = _numbers(word[0] + word[-1] for word in vocabulary)
    # A part that cannot match gets a number of its own.
    own = -1 - np.arange(len(vocabulary))
    consonants = np.array([*map(is_skeleton, vocabulary)], bool)
    end, skeleton = np.where(length >= 4, end, own), np.where(consonants, ends, own)
    known = np.asarray(meanings.any(axis=1))
    return WordShapes(vocabulary, length, start, end, skeleton, ends, letters, special, known, meanings, rarity)


def _need_not_look_alike(word: str) -> bool:
    return word in OPPOSITES or word in NUMBER_WORDS or word[0].isdigit() or is_one_of_few(word)


def _numbers(parts: Iterator[str]) -> NDArray[np.int64]:
    """A number for each string, equal ones for equal strings."""
    return integer_encode([[*parts]]).lists.flat


def _characters(words: list[str]) -> Ragged:
    """The code points of each word."""
    flat = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    return Ragged(flat, np.cumsum([0, *map(len, words)]))


def _letters(characters: Ragged) -> NDArray[np.uint32]:
    """A bit for each letter that occurs in each word."""
    bits = np.uint32(1) << (characters.flat & 31).astype(np.uint32)
    return np.asarray(np.bitwise_or.reduceat(bits, characters.ends[:-1]))


@dataclass(frozen=True)
class Alignment:
    """Leftover words of both sides of a block of pairs, and how well each is matched by a leftover word of the other side.

    Attributes:
        left: For each side, the leftover words of each pair, (pairs, vocabulary); the entries are zeros and ones.
        strength: For each side, the strength of the best match of each entry of `left`, in [0, 1].
        opposite: Whether a leftover word of a pair is the opposite of one of the other side, (pairs,).
        implied: Whether a word of one side is put together from words of the other, (pairs,).
    """

    left: tuple[sp.csr_array, sp.csr_array]
    strength: tuple[Floats, Floats]
    opposite: NDArray[np.bool_]
    implied: NDArray[np.bool_]


def align(
    left: tuple[sp.csr_array, sp.csr_array],
    shapes: WordShapes,
    implied: sp.csr_array,
    words: Ragged,
    rows: tuple[Numbers, Numbers],
) -> Alignment:
    """Align the leftover words of pairs of texts.

    Args:
        left: For each side, the words that only this text of each pair has, (pairs, vocabulary).
        shapes: The shapes of the vocabulary.
        implied: Which words each text puts together from several of its own, (texts, vocabulary), see `implied_words`.
        words: The words of each text, in order.
        rows: For each side, the number of the text of each pair, (pairs,).

    Returns:
        The alignment.
    """
    strength = tuple(np.zeros(side.nnz) for side in left)
    opposite = np.zeros(left[0].shape[0], bool)
    pair, i, j = _cross(left[0].indptr, left[1].indptr)
    a, b = left[0].indices[i], left[1].indices[j]
    near = np.flatnonzero(_may_match(shapes, a, b))
    if len(near):
        a, b, i, j, pair = a[near], b[near], i[near], j[near], pair[near]
        width = len(shapes.vocabulary)
        codes, which = np.unique(np.minimum(a, b).astype(np.int64) * width + np.maximum(a, b), return_inverse=True)
        found = np.array([_judge(shapes, *divmod(code, width)) for code in codes.tolist()])[which]
        np.maximum.at(strength[0], i, found.clip(0))
        np.maximum.at(strength[1], j, found.clip(0))
        opposite[pair[found < 0]] = True
    explained = np.zeros(len(opposite), bool)
    for side in (0, 1):
        _credit_implied(left, strength, implied, words, rows, side, explained, shapes)
    return Alignment(left, (strength[0], strength[1]), opposite, explained)


def _cross(ends_a: Numbers, ends_b: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """All combinations of an entry of side a and one of side b of the same pair: the pair, and the places of both entries."""
    of_a, of_b = np.diff(ends_a).astype(np.int64), np.diff(ends_b).astype(np.int64)
    count = of_a * of_b
    count[count > _MOST] = 0
    pair = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    return pair, ends_a[:-1][pair] + within // np.maximum(of_b[pair], 1), ends_b[:-1][pair] + within % np.maximum(of_b[pair], 1)


def _may_match(shapes: WordShapes, a: Numbers, b: Numbers) -> NDArray[np.bool_]:
    """A necessary condition of `similarity(a, b, ...) > 0` and of being opposites."""
    shorter, gap = np.minimum(shapes.length[a], shapes.length[b]), np.abs(shapes.length[a] - shapes.length[b])
    slips = np.where(shorter >= TWO_SLIPS_FROM, 2, 1)
    # A slip exchanges one letter for another at most, which changes two bits.
    slip = (np.bitwise_count(shapes.letters[a] ^ shapes.letters[b]) <= 2 * slips) & (gap <= slips) & (shorter >= ONE_SLIP_FROM)
    part = (shapes.start[a] == shapes.start[b]) | (shapes.end[a] == shapes.end[b])
    skeleton = (shapes.skeleton[a] == shapes.ends[b]) | (shapes.ends[a] == shapes.skeleton[b])
    return np.asarray(slip | part | skeleton | (shapes.special[a] & shapes.special[b]))


def _judge(shapes: WordShapes, a: int, b: int) -> float:
    """The similarity of two words, -1 for opposites and for two units or signs."""
    first, second = shapes.vocabulary[a], shapes.vocabulary[b]
    if are_opposite(first, second) or differ_in_kind(first, second):
        return -1.0
    return similarity(first, second, _slip_share(shapes, a, b))


def _slip_share(shapes: WordShapes, a: int, b: int) -> float:
    """How much a slip counts: fully but for two known words, of which it does the more the closer their vectors are."""
    # A known word that is far rarer than the other is likely to be a slip for it: `pubic` for `public`.
    far_rarer = abs(shapes.rarity[a] - shapes.rarity[b]) >= _FAR_RARER
    if far_rarer or not (shapes.known[a] and shapes.known[b]):
        return 1.0
    one, other = shapes.meanings[[a, b]].astype(np.float64)
    cosine = float(one @ other) / float(np.sqrt((one @ one) * (other @ other)))
    return round(min(1.0, max(0.0, (cosine - _TWO_WORDS) / (_VARIANTS - _TWO_WORDS))), 2)


def implied_words(words: Ragged, vocabulary: list[str], content: NDArray[np.bool_]) -> sp.csr_array:
    """Which words of the vocabulary each text has in parts: as two neighbours, or as the initials of 3 to 6 content words.

    Args:
        words: The words of each text, in order.
        vocabulary: The words.
        content: Whether each word is a content word, (vocabulary,).

    Returns:
        A matrix of zeros and ones, (texts, vocabulary).
    """
    numbers = {word: k for k, word in enumerate(vocabulary)}
    text = np.repeat(np.arange(len(words.lengths)), words.lengths)
    found = [_joined(words, vocabulary, numbers, text), _initials(words, vocabulary, numbers, text, content)]
    rows, columns = (np.concatenate([part[k] for part in found]) for k in (0, 1))
    matrix = sp.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(words.lengths), len(vocabulary)))
    matrix.data[:] = 1
    return matrix


def _joined(words: Ragged, vocabulary: list[str], numbers: dict[str, int], text: Numbers) -> tuple[Numbers, Numbers]:
    later = np.flatnonzero(~words.is_first())
    width = len(vocabulary)
    first, second = words.flat[later - 1], words.flat[later]
    likely = _places_among(*_hashes_of_joined(vocabulary, first, second))
    later = later[likely]
    codes, which = np.unique(first[likely] * width + second[likely], return_inverse=True)
    whole = np.array(
        [_whole(vocabulary[code // width], vocabulary[code % width], numbers) for code in codes.tolist()], np.int64
    )
    whole = whole[which] if len(codes) else np.empty(0, np.int64)
    return text[later[whole >= 0]], whole[whole >= 0]


def _places_among(values: Numbers, known: Numbers) -> Numbers:
    """Where `values` has one of the numbers that are `known`: most are ruled out by a bit for each hash (Bloom 1970)."""
    bits = np.zeros(1 << _HASH_BITS, bool)
    bits[_hash_bits(known)] = True
    likely = np.flatnonzero(bits[_hash_bits(values)])
    return likely[np.isin(values[likely], known)]


def _hash_bits(values: Numbers) -> Numbers:
    """A number below 2^`_HASH_BITS` for each value: the upper half of a product (Dietzfelbinger et al. 1997)."""
    return (values.astype(np.uint64) * _MULTIPLIER) >> np.uint64(64 - _HASH_BITS)


def _hashes_of_joined(vocabulary: list[str], first: Numbers, second: Numbers) -> tuple[Numbers, Numbers]:
    """A polynomial hash of each first word with its second one behind it, and that of each word of the vocabulary.

    Few pairs of neighbours make a word, and numpy finds those that may (Karp and Rabin 1987).
    """
    characters = _characters(vocabulary)
    lengths = characters.lengths
    powers = [1]
    for _ in range(int(lengths.max(initial=0))):
        powers.append(powers[-1] * _BASE % _MODULUS)
    power = np.array(powers)
    behind = np.repeat(characters.ends[1:] - 1, lengths) - np.arange(len(characters.flat))
    hashes = np.add.reduceat(characters.flat * power[behind] % _MODULUS, characters.ends[:-1]) % _MODULUS
    return (hashes[first] * power[lengths[second]] + hashes[second]) % _MODULUS, hashes


def _whole(first: str, second: str, numbers: dict[str, int]) -> int:
    return numbers.get(first + second, -1) if first.isalpha() and second.isalpha() else -1


def _initials(
    words: Ragged, vocabulary: list[str], numbers: dict[str, int], text: Numbers, content: NDArray[np.bool_]
) -> tuple[Numbers, Numbers]:
    kept = np.flatnonzero(content[words.flat])
    first = np.array([ord(word[0]) for word in vocabulary], np.int64)[words.flat[kept]]
    owner = text[kept]
    wanted = {
        word: k for word, k in numbers.items() if len(word) in _INITIALS and word.isascii() and word.isalpha() and content[k]
    }
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    # The initials of the content words of each text from one on, as a number in base 128.
    begin = np.flatnonzero(first < 128)
    code = first[begin]
    for size in range(2, _INITIALS.stop):
        begin, code = (part[: np.searchsorted(begin, len(first) - size + 1)] for part in (begin, code))
        longer = np.flatnonzero((owner[begin] == owner[begin + size - 1]) & (first[begin + size - 1] < 128))
        begin = begin[longer]
        code = code[longer] * 128 + first[begin + size - 1]
        names = {word: k for word, k in wanted.items() if len(word) == size}
        if not names:
            continue
        known = np.array([sum(ord(char) * 128**p for p, char in enumerate(reversed(word))) for word in names], np.int64)
        hit = _places_among(code, known)
        order = np.argsort(known)
        rows.append(owner[begin[hit]].astype(np.int64))
        columns.append(np.array(list(names.values()), np.int64)[order[np.searchsorted(known[order], code[hit])]])
    return np.concatenate(rows), np.concatenate(columns)


def _credit_implied(
    left: tuple[sp.csr_array, sp.csr_array],
    strength: tuple[Floats, ...],
    implied: sp.csr_array,
    words: Ragged,
    rows: tuple[Numbers, Numbers],
    side: int,
    explained: NDArray[np.bool_],
    shapes: WordShapes,
) -> None:
    """Mark the words of `side` that the other text has in parts as matched, and these parts too."""
    met = sp.coo_array(implied[rows[1 - side]].multiply(left[side]))
    for pair, word in zip(met.coords[0].tolist(), met.coords[1].tolist(), strict=True):
        text = int(rows[1 - side][pair])
        parts = _parts(shapes.vocabulary, words.flat[words.ends[text] : words.ends[text + 1]].tolist(), word)
        explained[pair] = True
        for number, wanted in ((side, {word}), (1 - side, parts)):
            matrix = left[number]
            entries = np.arange(matrix.indptr[pair], matrix.indptr[pair + 1])
            mine = entries[np.isin(matrix.indices[entries], list(wanted))]
            strength[number][mine] = np.maximum(strength[number][mine], _IMPLIED)


def credit_digits(found: Alignment, of_word: NDArray[np.bool_], joined: NDArray[np.bool_]) -> None:
    """Mark the words of digits as matched where those of both texts are the same ones, cut in other places.

    Args:
        found: The alignment, which is changed.
        of_word: Which words are digits only, (vocabulary,).
        joined: The pairs for which this is so, (pairs,).
    """
    for side, strength in zip(found.left, found.strength, strict=True):
        of_pair = np.repeat(joined, np.diff(side.indptr))
        strength[of_pair & of_word[side.indices]] = _IMPLIED
    found.implied[joined] = True


def _parts(vocabulary: list[str], text: list[int], word: int) -> set[int]:
    """The words of a text that `word` is put together from."""
    whole = vocabulary[word]
    for first, second in zip(text, text[1:], strict=False):
        if vocabulary[first] + vocabulary[second] == whole:
            return {first, second}
    return {number for number in text if vocabulary[number][0] in whole}
