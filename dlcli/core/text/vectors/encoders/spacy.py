"""`spacy:PACKAGE_OR_FOLDER`: means of the word vectors of a spaCy package, weighted by TF-IDF.

Only the table of vectors is read from the package; its code is not imported and its pipeline is not run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.vectors.averaging import weighted_means
from dlcli.core.text.vectors.installed import first_match, model_folders
from dlcli.support.errors import InputError, UsageError

CANDIDATE_COSINE = 0.97
DEPENDS_ON = "table"
SCORED = False
DEVICE = "search"
_HINT = "python -m spacy download en_core_web_md"


def check(argument: str) -> None:
    """Raise UsageError without a name, InputError if there is no such package or folder or it has no word vectors."""
    _folder(argument)


def vectors(keys: list[str], argument: str) -> NDArray[np.float32]:
    """Unit rows (texts, dimensions): means of word vectors, weighted by TF-IDF.

    A text without known words gets zeros, so that its cosine with every text is 0. Raises what `check` raises.
    """
    return weighted_means(keys, look_up(argument))


def look_up(argument: str) -> Callable[[list[str]], NDArray[np.float32]]:
    """A function from words to their vectors, (words, dimensions), zeros for unknown words; raises what `check` raises."""
    table = _load(_folder(argument), argument)
    return lambda vocabulary: _look_up(table, vocabulary)


def _folder(argument: str) -> Path:
    """The folder of the vocabulary, in a folder saved by spaCy or one level deeper in an installed package."""
    if not argument:
        raise UsageError("`vectors`: spacy needs the name of a package or folder", hint="try `vectors=spacy:en_core_web_md`")
    roots = model_folders(argument)
    if not roots:
        raise InputError(f"`vectors`: no spaCy package or folder '{argument}' is installed", hint=_HINT)
    found = first_match(roots, "vocab/vectors", "*/vocab/vectors")
    if found is None:
        raise _without(argument)
    return found.parent


def _without(argument: str) -> InputError:
    return InputError(f"`vectors`: '{argument}' has no word vectors", hint=_HINT)


def _load(folder: Path, argument: str) -> Any:
    from spacy.vectors import Vectors

    try:
        table = Vectors().from_disk(folder)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"`vectors`: '{argument}' is broken: {' '.join(str(error).split())}", hint=_HINT) from None
    if not table.data.size or table.mode != "default":
        raise _without(argument)
    return table


def _look_up(table: Any, vocabulary: list[str]) -> NDArray[np.float32]:
    """One row per word (words, dimensions); zeros for a word that is not in the table."""
    from spacy.strings import hash_string  # type: ignore[attr-defined]  # defined in Cython, which mypy cannot read

    found = np.zeros((len(vocabulary), table.shape[1]), np.float32)
    for number, word in enumerate(vocabulary):
        rows = (table.key2row.get(hash_string(form), -1) for form in _forms(word))
        row = next((row for row in rows if row >= 0), -1)
        if row >= 0:
            found[number] = table.data[row]
    return found


def _forms(word: str) -> tuple[str, ...]:
    """The spellings to look up: folding has removed the case, and spaCy splits words at apostrophes."""
    return word, word.capitalize(), word.upper(), word.partition("'")[0]
