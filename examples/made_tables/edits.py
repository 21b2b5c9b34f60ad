"""Changes of a text that leave its meaning as it is, such as typos, case and abbreviations.

Every function that draws takes the random generator first. Tables of a seed depend on the order of the draws.
"""

from collections.abc import Iterable, Sequence
from random import Random

from dlcli.core.text.scoring.slips import LIKELY

from .vocabulary import SPELLINGS

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ANY_LETTER = 0.25
"""Share of the typos that replace a letter by any other one, not by one beside it on the keyboard or of its sound or shape."""


def join_words(*words: str) -> str:
    """The words that are not empty, separated by spaces."""
    return " ".join(filter(None, words))


def capitalize_first(text: str) -> str:
    """The text with its first letter in upper case and the others as they are."""
    return text[0].upper() + text[1:]


def acronym(text: str) -> str:
    """The initials of the capitalised words."""
    return "".join(word[0] for word in text.split() if word[0].isupper())


def respell(text: str, *words: str) -> str:
    """The text with each of the words in its other spelling of `SPELLINGS`, mostly an abbreviation."""
    for word in words:
        text = text.replace(word, SPELLINGS[word])
    return text


def add_typos(rng: Random, text: str, count: int = 1) -> str:
    """The text with this many typos, each at a letter before another one; the first character of the text stays."""
    letters = list(text)
    for _ in range(count):
        places = [i for i in range(1, len(letters) - 1) if letters[i].isalpha() and letters[i + 1].isalpha()]
        if not places:
            break
        _mistype(rng, letters, rng.choice(places))
    return "".join(letters)


def _mistype(rng: Random, letters: list[str], place: int) -> None:
    """Transpose two letters, or delete, double or substitute one, in place (the edits of Damerau 1964)."""
    kind = rng.random()
    if kind < 0.3:
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    elif kind < 0.6:
        del letters[place]
    elif kind < 0.8:
        letters.insert(place, letters[place])
    else:
        letters[place] = _replaced(rng, letters[place])


def _replaced(rng: Random, letter: str) -> str:
    likely = [one for one in _LETTERS if letter.lower() + one in LIKELY]
    return rng.choice(likely if likely and rng.random() >= _ANY_LETTER else _LETTERS)


def change_case(rng: Random, text: str) -> str:
    """The text in upper case, in lower case or, in most cases, as it is."""
    kind = rng.random()
    return text.upper() if kind < 0.12 else text.lower() if kind < 0.35 else text


def change_final_punctuation(rng: Random, text: str) -> str:
    """The text with another punctuation mark at its end, or with none."""
    return text.rstrip("?.!") + rng.choice(("", "?", ".", "!", "??"))


def add_noise(rng: Random, text: str, typo_rate: float) -> str:
    """The text as a careless typist may write it.

    One or two typos are made with probability `typo_rate`; case and final punctuation change at fixed rates.
    """
    if rng.random() < typo_rate:
        text = add_typos(rng, text, rng.choice((1, 1, 2)))
    text = change_case(rng, text)
    return change_final_punctuation(rng, text) if rng.random() < 0.2 else text


def sample_forms(rng: Random, forms: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Forms of one entity without replacement, as many as drawn from `counts`, which repeats the frequent ones."""
    return rng.sample(forms, rng.choice(counts))


def add_noise_to_all(rng: Random, forms: Iterable[str], typo_rate: float) -> list[str]:
    """Each form with its own noise, see `add_noise`."""
    return [add_noise(rng, form, typo_rate) for form in forms]
