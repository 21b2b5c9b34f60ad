"""Labelled pairs made by rule, for tests that need some to learn from: same topic and same verb or not."""

import csv
import random
from pathlib import Path

from dlcli.core.pairs.labelled import LabelledPairs, make_labelled_pairs

_TOPICS = "Python Berlin chess SELU gravity ROC piano Linux coffee Mars vitamin karate ramen Kant Java snow".split()
_ASK = ("How do I {} {}?", "What is the best way to {} {}?", "Can anybody tell me how to {} {}?", "how to {} {} quickly")
_VERBS = "learn teach sell find understand explain measure avoid".split()


def synthetic_pairs(n: int = 400, seed: int = 0) -> LabelledPairs:
    """n pairs, about half of them duplicates: the same verb and topic, asked in two ways, and a number of their own."""
    draw, pairs, labels = random.Random(seed), [], []
    for k in range(n):
        same = draw.random() < 0.5
        verb, topic = draw.choice(_VERBS), draw.choice(_TOPICS)
        other = topic if same else draw.choice([t for t in _TOPICS if t != topic])
        first, second = draw.sample(_ASK, 2)
        # The number keeps questions of different pairs apart, so that there are many components.
        pairs.append((first.format(verb, topic) + f" case {k}", second.format(verb, other) + f" case {k}"))
        labels.append(same if draw.random() < 0.95 else not same)
    return make_labelled_pairs(pairs, labels)


def write(pairs: LabelledPairs, path: Path, head: tuple[str, str, str] = ("question1", "question2", "is_duplicate")) -> str:
    """The pairs as a csv; the path as text."""
    rows = zip(pairs.first, pairs.second, pairs.duplicate, strict=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, *([pairs.texts[a], pairs.texts[b], int(y)] for a, b, y in rows)])
    return str(path)
