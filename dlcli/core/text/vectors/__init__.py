"""Vectors of texts: the registry of `--vectors` and what the kinds share.

`encoders/` holds one module per kind: `tfidf`, `word2vec[:DIMENSIONS]`, `spacy:PACKAGE`, `static:FOLDER` and
`sentence:PACKAGE`. Beside it: `weighting` (counts and TF-IDF), `averaging` (means of word vectors), `installed` (models and
packages on this machine), `devices` (what runs on an accelerator).

A kind defines:

- `vectors(keys, argument) -> Matrix`: one row per key. Keys are distinct folded texts (see `dlcli.core.text.tokens`), a list
  of them or, where vectors are sparse and there are many, texts in a file. The
  argument is what follows the colon, and each row has L2 norm 1, or 0 if no part of the text is known.
- `check(argument)`: raises what `vectors` would raise for that argument, without computing any vector.
- `CANDIDATE_COSINE`: default cosine from which a pair becomes a candidate. It is set for each kind so that about the same
  share of the pairs called duplicates is correct as with `tfidf` (benchmarks/candidates.py).
- `DEPENDS_ON`: what a vector depends on besides its text. "text": nothing; "table": slightly on the other texts, through
  the IDF weights; "run": vectors of different calls are not comparable.
- `SCORED`: whether the built-in score of a pair in a table uses the cosine, because the vectors tell what texts mean.
- `DEVICE`: what an accelerator can do. "vectors": compute the vectors, with torch (`vectors` then takes a `device`), and search
  among them; "search": only search among them, as they are dense; "": nothing, as they are sparse.
- `DTYPE`, where `DEVICE` is "vectors": the precision of the computation, as torch names it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.text.vectors.weighting import Matrix

__all__ = ["VECTORS", "candidate_cosine", "check_vectors", "make_vectors", "vectors_are_scored", "vectors_depend_on"]

VECTORS = Registry("kind of vectors", "dlcli.core.text.vectors.encoders")


def make_vectors(spec: str, keys: Sequence[str], device: str = "auto") -> "Matrix":
    """Compute the vectors of `keys` with the kind `spec`, NAME or NAME:ARGUMENT, on `device` if the kind uses one.

    Raises UsageError if there is no such kind, and what the kind raises for its argument.
    """
    name, _, argument = spec.partition(":")
    kind = VECTORS.module(name)
    if not kind.DEVICE:
        return kind.vectors(keys, argument)
    texts = list(keys)  # which are short beside their dense vectors
    return kind.vectors(texts, argument, device=device) if kind.DEVICE == "vectors" else kind.vectors(texts, argument)


def check_vectors(spec: str) -> None:
    """Raise what `make_vectors` would raise for this spec, without computing any vector."""
    name, _, argument = spec.partition(":")
    VECTORS.module(name).check(argument)


def candidate_cosine(spec: str) -> float:
    """The default cosine, in (0, 1], from which pairs become candidates; raises UsageError if there is no such kind."""
    cosine: float = VECTORS.module(spec.partition(":")[0]).CANDIDATE_COSINE
    return cosine


def vectors_are_scored(spec: str) -> bool:
    """Whether the built-in score of a pair in a table uses the cosine; raises UsageError if there is no such kind."""
    scored: bool = VECTORS.module(spec.partition(":")[0]).SCORED
    return scored


def vectors_depend_on(spec: str) -> str:
    """What a vector depends on, "text", "table" or "run"; raises UsageError if there is no such kind."""
    scope: str = VECTORS.module(spec.partition(":")[0]).DEPENDS_ON
    return scope
