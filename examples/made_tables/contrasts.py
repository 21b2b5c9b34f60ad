"""Sentences that share almost all words and say something else: the opposite, the negation, the other direction."""

from collections.abc import Callable, Iterator
from random import Random

from .edits import add_noise, capitalize_first
from .vocabulary import CONTRASTS, LANGUAGES, PLACES


def opposites(rng: Random, n: int) -> Iterator[list[str]]:
    """Questions about n/2 tasks and about their opposites."""
    return _contradicting(rng, n, _opposites)


def negations(rng: Random, n: int) -> Iterator[list[str]]:
    """Some n/2 sentences and their negations."""
    return _contradicting(rng, n, _negations)


def directions(rng: Random, n: int) -> Iterator[list[str]]:
    """Some n/2 sentences about two things, and the same with both exchanged."""
    return _contradicting(rng, n, _directions)


def _contradicting(rng: Random, n: int, draw: Callable[[Random], list[list[str]]]) -> Iterator[list[str]]:
    for _ in range(max(1, n // 2)):
        for forms in draw(rng):
            chosen = rng.sample(forms, min(len(forms), rng.choice((1, 1, 2, 3))))
            yield [add_noise(rng, text, typo_rate=0.1) for text in chosen]


def _opposites(rng: Random) -> list[list[str]]:
    """One task and its opposite, each in all templates of questions."""
    noun = rng.choice(LANGUAGES["en"].objects)[0]
    templates = LANGUAGES["en"].questions
    return [
        [capitalize_first(template.format(v=verb, o=noun)) for template in templates]
        for verb in rng.choice(CONTRASTS.opposites)
    ]


def _negations(rng: Random) -> list[list[str]]:
    """A sentence and its negation, each in all of its forms."""
    verb, noun = (rng.choice(words)[0] for words in (LANGUAGES["en"].verbs, LANGUAGES["en"].objects))
    return [[form.format(v=verb, o=noun) for form in forms] for forms in rng.choice(CONTRASTS.negations)]


def _directions(rng: Random) -> list[list[str]]:
    """A sentence about two things, and the same with both exchanged, each in all of its forms."""
    a, b = rng.sample(PLACES.cities if rng.random() < 0.5 else CONTRASTS.things, 2)
    forms = rng.choice(CONTRASTS.directed)
    return [[form.format(a=a, b=b) for form in forms], [form.format(a=b, b=a) for form in forms]]
