"""Vectors of texts, one module an entry: `tfidf`, `word2vec`, `spacy:PACKAGE`, `static:FOLDER`, `sentence:PACKAGE`.

An entry has `vectors(keys, argument) -> Matrix`: `keys` are distinct folded texts (see `dlcli.core.text.tokens`), the
argument is what stands after the colon, and the matrix has a row a key, each of length 1, or 0 if nothing is known of it.
`check(argument)` raises what `vectors` would, and `CANDIDATE_COSINE` is the cosine from which pairs are worth a closer look,
where about as many of those called duplicates are right as with `tfidf` (benchmarks/candidates.py).
`DEPENDS_ON` says how long a vector stands: "text", it depends on its text alone; "table", on what else is there, a little, as
weights by rarity do; "run", it means nothing beside vectors of another call.
"""

from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.text.vectors.weighting import Matrix

VECTORS = Registry("kind of vectors", "dlcli.core.text.vectors.encoders")


def make_vectors(spec: str, keys: list[str]) -> "Matrix":
    """The vectors of `keys` by `spec`, NAME or NAME:ARGUMENT.

    Raises UsageError if there is no such entry, and what the entry raises for its argument.
    """
    name, _, argument = spec.partition(":")
    return VECTORS.module(name).vectors(keys, argument)


def check_vectors(spec: str) -> None:
    """Raise what `make_vectors` would for a spec that cannot be used, without making any."""
    name, _, argument = spec.partition(":")
    VECTORS.module(name).check(argument)


def candidate_cosine(spec: str) -> float:
    """The cosine from which pairs are worth a closer look, in (0, 1]; raises UsageError if there is no such entry."""
    level: float = VECTORS.module(spec.partition(":")[0]).CANDIDATE_COSINE
    return level


def vectors_depend_on(spec: str) -> str:
    """How long vectors stand: text, table or run; raises UsageError if there is no such entry."""
    how: str = VECTORS.module(spec.partition(":")[0]).DEPENDS_ON
    return how
