"""Questions to a help desk in seven languages."""

from collections.abc import Iterator, Sequence
from random import Random

from .edits import add_noise, capitalize_first
from .vocabulary import LANGUAGES

_WITH_TYPOS = ("en", "de", "fr", "es")
"""Languages in Latin script, the only one that `add_typos` has letters for."""


def questions(rng: Random, n: int, code: str) -> Iterator[list[str]]:
    """Questions about up to n tasks in the language of this code."""
    return _paraphrases(rng, n, code, LANGUAGES[code].questions)


def problems(rng: Random, n: int, code: str) -> Iterator[list[str]]:
    """Reports of problems with up to n tasks, in a language that has templates for them."""
    return _paraphrases(rng, n, code, LANGUAGES[code].problems)


def _paraphrases(rng: Random, n: int, code: str, templates: Sequence[str]) -> Iterator[list[str]]:
    """Each task in up to four templates, with synonyms; a task that is drawn again is skipped."""
    verbs, objects = LANGUAGES[code].verbs, LANGUAGES[code].objects
    typo_rate = 0.15 if code in _WITH_TYPOS else 0
    seen = set()
    for _ in range(n):
        task = rng.randrange(len(verbs)), rng.randrange(len(objects))
        if task in seen:
            continue
        seen.add(task)
        chosen = rng.sample(templates, min(len(templates), rng.choice((1, 1, 2, 3, 4))))
        texts = (_fill(rng, template, verbs[task[0]], objects[task[1]]) for template in chosen)
        yield [add_noise(rng, text, typo_rate) for text in texts]


def _fill(rng: Random, template: str, verbs: list[str], objects: list[str]) -> str:
    """The template with synonyms, the first ones more often, and a capital at the start of most texts."""
    verb = rng.choice(verbs[:2] if rng.random() < 0.7 else verbs)
    noun = rng.choice(objects[:1] if rng.random() < 0.6 else objects)
    text = template.format(v=verb, o=noun)
    return capitalize_first(text) if rng.random() < 0.7 else text
