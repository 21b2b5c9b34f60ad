"""Titles of scientific papers."""

from collections.abc import Iterator
from itertools import product
from random import Random

from .edits import add_noise, add_typos, capitalize_first, respell, sample_forms
from .vocabulary import PUBLICATIONS

_COMPOUNDS = [
    "".join(parts)
    for parts in product(PUBLICATIONS.compound_prefixes, PUBLICATIONS.compound_stems, PUBLICATIONS.compound_suffixes)
]


def titles(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n papers on few subjects: in title case, without the subtitle, in American spelling, or misspelt."""
    for _ in range(n):
        title = _draw_title(rng)
        forms = [
            title,
            title.title(),
            f"{title}.",
            title.split(":")[0] if ":" in title and rng.random() < 0.3 else title,
            respell(title, "isation", "Modelling"),
            add_noise(rng, title, typo_rate=1),
            title.replace(":", " -"),
        ]
        yield sample_forms(rng, forms, (1, 1, 1, 1, 1, 2, 3))


def _draw_title(rng: Random) -> str:
    template = rng.choice(PUBLICATIONS.titles)
    first, second = rng.sample(PUBLICATIONS.subjects, 2)
    title = template.format(
        a=first,
        b=second,
        m=rng.choice(PUBLICATIONS.methods),
        c=rng.choice(_COMPOUNDS),
        g=_draw_genome(rng),
        p=rng.choice(PUBLICATIONS.populations),
    )
    return capitalize_first(title)


def _draw_genome(rng: Random) -> str:
    genus, strain = rng.choice(PUBLICATIONS.genera), rng.choice(PUBLICATIONS.strain_words)
    return f"{genus} {strain} {rng.choice('ABCDKM')}{rng.randint(1, 999)}"


def compound_titles(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n papers, most of them of one template around the name of a compound, which alone tells them apart."""
    usual = rng.choice(PUBLICATIONS.compound_titles)
    for _ in range(n):
        compound = _draw_compound(rng)
        template = usual if rng.random() < 0.8 else rng.choice(PUBLICATIONS.compound_titles)
        title = template.format(c=compound, t=rng.choice((100, 150, 293)))
        forms = [title, f"{title}.", title.upper(), add_typos(rng, title)]
        yield sample_forms(rng, forms, (1, 1, 1, 1, 2))


def _draw_compound(rng: Random) -> str:
    """Two to five substituents, each with or without its locant, in the manner of IUPAC names."""
    parts = []
    for _ in range(rng.choice((2, 3, 4, 5))):
        locants = ("", f"{rng.randint(1, 6)}-", f"{rng.randint(1, 4)},{rng.randint(4, 6)}-", "(E)-", "N-")
        locant = rng.choice(locants)
        parts.append(locant + "".join(rng.sample(PUBLICATIONS.compound_fragments, rng.choice((1, 2)))))
    if rng.random() < 0.4:
        return f"{parts[0]}-[{'-'.join(parts[1:])}]"
    return "-".join(parts)
