"""`spacy:PACKAGE_OR_FOLDER`: means of the word vectors of a spaCy package, weighted by TF-IDF.

Only the table of vectors is read from the package's files; none of its code is imported and none of its pipeline is run.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.tokens import words
from dlcli.core.text.vectors.base import incidence, pieces_of, tf_idf
from dlcli.support.errors import InputError, UsageError

_HINT = "python -m spacy download en_core_web_md"


def check(argument: str) -> None:
    """Raise UsageError without a name, InputError if no such package or folder, or one without vectors, is there."""
    _folder(argument)


def vectors(keys: list[str], argument: str) -> NDArray[np.float32]:
    """Unit vectors (n, dimensions): the mean of a text's word vectors, weighted by TF-IDF, scaled to length 1.

    A text none of whose words has a vector gets zeros, and so is like nothing. Raises as `check`.
    """
    table = _load(_folder(argument), argument)
    occurs, pieces = pieces_of(keys)
    in_piece, vocabulary = incidence(words(piece) for piece in pieces)
    means = tf_idf(occurs @ in_piece) @ _look_up(table, vocabulary)
    length = np.sqrt(np.einsum("ij,ij->i", means, means))
    return means / np.where(length > 0, length, 1)[:, None]


def _folder(argument: str) -> Path:
    """The folder of the vocabulary: in a folder saved by spaCy, or in an installed package, which keeps it a level deeper."""
    if not argument:
        raise UsageError("--vectors: spacy needs the name of a package or folder", hint="--vectors spacy:en_core_web_md")
    spec = None if Path(argument).is_dir() or not argument.isidentifier() else find_spec(argument)
    roots = [Path(argument)] if Path(argument).is_dir() else [Path(p) for p in (spec and spec.submodule_search_locations) or ()]
    if not roots:
        raise InputError(f"--vectors: no spaCy package or folder '{argument}' is installed", hint=_HINT)
    found = [path.parent for root in roots for path in sorted([*root.glob("vocab/vectors"), *root.glob("*/vocab/vectors")])]
    if not found:
        raise _without(argument)
    return found[-1]


def _without(argument: str) -> InputError:
    return InputError(f"--vectors: '{argument}' has no word vectors", hint=_HINT)


def _load(folder: Path, argument: str) -> Any:
    from spacy.vectors import Vectors

    try:
        table = Vectors().from_disk(folder)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"--vectors: '{argument}' is broken: {' '.join(str(error).split())}", hint=_HINT) from None
    if not table.data.size or table.mode != "default":
        raise _without(argument)
    return table


def _look_up(table: Any, vocabulary: list[str]) -> NDArray[np.float32]:
    """A row a word (words, dimensions); zeros for a word that the table does not have."""
    from spacy.strings import hash_string

    found = np.zeros((len(vocabulary), table.shape[1]), np.float32)
    for number, word in enumerate(vocabulary):
        rows = (table.key2row.get(hash_string(form), -1) for form in _forms(word))
        row = next((row for row in rows if row >= 0), -1)
        if row >= 0:
            found[number] = table.data[row]
    return found


def _forms(word: str) -> tuple[str, ...]:
    """Folded words have lost their case, and spaCy cuts at apostrophes."""
    return word, word.capitalize(), word.upper(), word.partition("'")[0]
