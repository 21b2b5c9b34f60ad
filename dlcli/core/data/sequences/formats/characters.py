"""Text files as sequences of characters, in a folder per class, or with labels.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlcli.core.data.base import FILE, Steps
from dlcli.core.data.examples import Files
from dlcli.core.data.file_kinds import TEXTS
from dlcli.core.data.sequences.base import MEMORY_HINT, Floats, Found, SequenceOptions
from dlcli.core.data.sequences.folders import holds, listed, sequences_of
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory

DESCRIPTION = "a folder of .txt (a folder per class)"
PRECEDENCE = 2


def claims(spec: str) -> bool:
    """Whether `spec` is a .txt, or a folder with some."""
    return holds(TEXTS, spec)


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the texts: a step per character, a channel per character of the training set."""
    sets = listed(spec, TEXTS, options)
    texts = {key: [_text(Path(str(path))) for path in files.paths] for key, files in sets.items()}
    leading = "train" if "train" in texts else next(iter(texts))
    symbols = options.symbols or tuple(sorted(set().union(*texts[leading])))
    _refuse_unknown(sets, texts, symbols)
    steps = sum(len(text) for found in texts.values() for text in found)
    check_memory(4 * steps * len(symbols), spec, MEMORY_HINT)
    each = {str(path): text for key, files in sets.items() for path, text in zip(files.paths, texts[key], strict=True)}

    def encoded(paths: Sequence[Path]) -> list[Floats]:
        return [one_hot(each[str(path)], symbols) for path in paths]

    return Found(sequences_of(sets, encoded), Steps(symbols=symbols))


def one_hot(text: str, symbols: Sequence[str]) -> Floats:
    """A text (symbols, characters), 1 where a character is the symbol of the row."""
    index = {symbol: k for k, symbol in enumerate(symbols)}
    found = np.zeros((len(symbols), len(text)), dtype=np.float32)
    found[[index[one] for one in text], np.arange(len(text))] = 1
    return found


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8", hint="save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if not text:
        raise InputError(f"{path}: is empty", hint="remove it")
    return text


def _refuse_unknown(sets: Mapping[str, Files], texts: Mapping[str, Sequence[str]], symbols: tuple[str, ...]) -> None:
    known = set(symbols)
    for key, found in texts.items():
        for k, text in enumerate(found):
            place = next((place for place, one in enumerate(text) if one not in known), None)
            if place is not None:
                line = text.count("\n", 0, place) + 1
                name = sets[key].metadata[FILE][k]
                message = f"{name}: line {line}: the character {text[place]!a} is in no text of the training set"
                raise InputError(message, hint="replace it, or add a training text that has it")
