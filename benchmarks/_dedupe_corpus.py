"""Tables of questions of any length for benchmarks/dedupe.py: real ones, then seeded variations of them.

The distinct questions of the Quora pairs come first, in the order of the file, or those of the embedded sample if there is no
file. Each further row is one of them, drawn at random, with one or two of these changes: two adjacent words swapped, a word
dropped, two letters of a word swapped, a word replaced by a synonym of `SYNONYMS` (or, if it has none, "Please" put in front),
a random word of the questions appended.
"""

import csv
import gzip
import random
from pathlib import Path

from dlcli.core.text.table_input import SAMPLE, open_table

PAIRS = Path(__file__).resolve().parents[2] / "shared" / "data" / "pairs" / "quora_pairs.csv.gz"
SYNONYMS = {
    word: group
    for group in (
        *(("best", "top", "greatest"), ("buy", "purchase", "get"), ("big", "large", "huge"), ("learn", "study", "master")),
        *(
            ("quick", "fast", "rapid"),
            ("start", "begin", "commence"),
            ("job", "work", "position"),
            ("way", "method", "approach"),
        ),
        *(("people", "persons", "humans"), ("difference", "distinction", "contrast"), ("improve", "better", "enhance")),
        *(("money", "cash", "funds"), ("movie", "film", "picture"), ("make", "create", "build"), ("good", "decent", "fine")),
    )
    for word in group
}


def questions(count: int, path: Path, seed: int) -> list[str]:
    """`count` texts; a shorter list is a prefix of a longer one."""
    base = originals(path)
    found = base[:count]
    rng = random.Random(seed)
    while len(found) < count:
        words = rng.choice(base).split()
        for _ in range(rng.choice((1, 2))):
            words = changed(words, base, rng)
        found.append(" ".join(words))
    return found


def originals(path: Path) -> list[str]:
    """The distinct questions of the pairs, or of the embedded sample."""
    if not path.exists():
        table = open_table(SAMPLE)
        return list(dict.fromkeys(row[table.columns.index("question")] for row in table.rows))
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        return list(dict.fromkeys(row[f"question{side}"] for row in rows for side in (1, 2) if row[f"question{side}"].strip()))


def changed(words: list[str], base: list[str], rng: random.Random) -> list[str]:
    """Apply one of the changes that the module describes."""
    kind, words = rng.randrange(5), list(words)
    if kind == 3:
        return reworded(words, rng)
    if kind == 4 or len(words) < 3:
        return [*words, rng.choice(rng.choice(base).split() or ["please"])]
    place = rng.randrange(len(words) - 1)
    if kind == 0:
        words[place : place + 2] = words[place + 1], words[place]
    elif kind == 1:
        del words[place]
    elif len(words[place]) > 1:
        letter, word = rng.randrange(len(words[place]) - 1), words[place]
        words[place] = word[:letter] + word[letter + 1] + word[letter] + word[letter + 2 :]
    return words


def reworded(words: list[str], rng: random.Random) -> list[str]:
    """Replace one word by a synonym, or put "Please" in front."""
    known = [place for place, word in enumerate(words) if word.lower() in SYNONYMS]
    if not known:
        return ["Please", *words]
    place = rng.choice(known)
    words[place] = rng.choice([other for other in SYNONYMS[words[place].lower()] if other != words[place].lower()])
    return words
