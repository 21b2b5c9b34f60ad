"""Titles of scientific papers: many of one frame, parts of series, and notices of corrections and replies."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from .edits import capitalize_first
from .habits import Layout, Source, without_accents


class PaperWords(NamedTuple):
    """Frames of titles and what fills them; notices about a paper {x}; letters and words with another spelling."""

    frames: list[str]
    compound_starts: list[str]
    compound_middles: list[str]
    compound_ends: list[str]
    species: list[str]
    bacteria: list[str]
    diseases: list[str]
    drugs: list[str]
    processes: list[str]
    regions: list[str]
    methods: list[str]
    materials: list[str]
    crops: list[str]
    patients: list[str]
    symbols: list[str]
    series: list[str]
    parts: list[str]
    notices: list[str]
    letters: dict[str, str]
    spellings: dict[str, str]


_WORDS = PaperWords(**tomllib.loads(Path(__file__).with_name("papers.toml").read_text(encoding="utf-8"))["papers"])
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_FEW = (0.01, 0.02, 0.05)
_MANY = (0.1, 0.3, 0.6)
_MOST_WORDS = 12
"""Where a source that truncates titles cuts them."""


def papers(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n papers, of 4 frames or more; half of the tables have hardly any duplicates."""
    return Layout(rng, shares=rng.choice((_FEW, _MANY))).write(_draw_titles(rng, n), _write_title)


def _draw_titles(rng: Random, n: int) -> list[str]:
    frames = rng.sample(_WORDS.frames, max(n // 20, rng.choice((4, 8, 20, len(_WORDS.frames)))))
    serial, noted = rng.choice((0, 0.05, 0.2)), rng.choice((0, 0.03, 0.1))
    found: dict[str, None] = {}
    # Few frames have few titles.
    for _ in range(20 * n):
        if len(found) >= n:
            break
        title = _fill(rng, rng.choice(frames))
        if rng.random() < serial:
            found |= dict.fromkeys(_series(rng))
            continue
        found[title] = None
        if rng.random() < noted:
            found[rng.choice(_WORDS.notices).format(x=title)] = None
    return list(found)[:n]


def _fill(rng: Random, frame: str) -> str:
    drug, second_drug = rng.sample(_WORDS.drugs, 2)
    disease, second_disease = rng.sample(_WORDS.diseases, 2)
    process = rng.choice(_WORDS.processes)
    species = rng.choice(_WORDS.species)
    year = rng.randint(1990, 2015)
    title = frame.format(
        c=_compound(rng),
        g=species,
        g1=species.split()[0],
        b=rng.choice(_WORDS.bacteria),
        s=f"{''.join(rng.choices('ABCDHKLMPSTXZ', k=rng.choice((1, 2, 3))))}{rng.choice(('', '-'))}{rng.randint(1, 2999)}",
        d=disease,
        D=capitalize_first(disease),
        d2=second_disease,
        t=drug,
        T=capitalize_first(drug),
        t2=second_drug,
        p=process,
        P=capitalize_first(process),
        k=rng.choice(_WORDS.regions),
        m=rng.choice(_WORDS.methods),
        z=rng.choice(_WORDS.materials),
        v=rng.choice(_WORDS.crops),
        w=rng.choice(_WORDS.patients),
        x=rng.choice(_WORDS.symbols),
        y=f"{year}-{year + rng.randint(1, 9)}",
    )
    return capitalize_first(title)


def _compound(rng: Random) -> str:
    middle = "".join(rng.sample(_WORDS.compound_middles, rng.choice((1, 1, 2))))
    locant = rng.choice(("", "", f"-{rng.randint(2, 7)}-", f"-{rng.randint(1, 3)}H-", "-N-"))
    return f"{rng.choice(_WORDS.compound_starts)}{middle}{locant}{rng.choice(_WORDS.compound_ends)}"


def _series(rng: Random) -> list[str]:
    """Two to five parts of one series: numbered alone, or with titles of their own."""
    name = _fill(rng, rng.choice(_WORDS.series))
    start, count = rng.randrange(6), rng.randint(2, 5)
    form = rng.choice(("{n}. Part {r}. {t}", "{n}. {r}. {t}", "{n} - Part {r}: {t}", "{n}. {r}", "{n}, part {r}"))
    return [form.format(n=name, r=_ROMAN[start + k], t=rng.choice(_WORDS.parts)) for k in range(count)]


def _write_title(source: Source, title: str) -> str:
    """The title as a bibliography writes it: in title case, with letters spelled out, truncated, or with other marks."""
    if source.does("spells letters", 0.5):
        for letter, name in _WORDS.letters.items():
            title = title.replace(letter, name)
    if source.does("other spelling", 0.4):
        for word, other in _WORDS.spellings.items():
            title = title.replace(word, other)
    if source.does("drops accents", 0.3):
        title = without_accents(title)
    if source.does("title case", 0.3):
        title = " ".join(word if any(map(str.isupper, word[1:])) else capitalize_first(word) for word in title.split())
    title = title.replace(": ", source.pick("colon", (": ", ": ", " - ", ". ", ":")))
    title = title.replace("-", source.pick("hyphen", ("-", "-", "-", "–", " ")))
    words = title.split()
    if len(words) > _MOST_WORDS and source.does("truncates", 0.08):
        return " ".join(words[:_MOST_WORDS]) + source.pick("ellipsis", ("...", " ...", "…", ""))
    return title + source.pick("end", ("", "", "", ".", ".", " [in press]"))
