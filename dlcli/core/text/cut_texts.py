"""The texts of a table in files, cut into runs between blanks once for all steps that take the words of some of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.on_disk import mapped_array, release
from dlcli.core.text.pieces import cut_at_blanks
from dlcli.core.text.ragged import EncodedLists, Ragged, compact_ids
from dlcli.core.text.scoring.word_forms import without_markup
from dlcli.core.text.stored_texts import SomeTexts, TextFile, store_texts
from dlcli.support.in_parts import taken


class CutTextFile(TextFile):
    """The texts that `store_cut_texts` wrote, which every process opens for itself."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._distinct = TextFile(_of_runs(path))
        self._runs = Ragged(*(mapped_array(_array(path, name)) for name in ("numbers", "places")))

    def runs(self, places: NDArray[np.int64]) -> EncodedLists:
        """The runs of the texts at ascending `places`, as `integer_encode` numbers them, but in another order."""
        found = Ragged(places, np.arange(len(places) + 1)).expand(self._runs)
        ids, (numbers,) = compact_ids(len(self._distinct), found.flat)
        release(self._runs.flat)
        return EncodedLists(Ragged(numbers, found.ends), self._distinct.take(ids.tolist()))


class CutTexts(SomeTexts):
    """Some texts of a file, at ascending `places`: what is needed of them is read, and their runs are known."""

    def __init__(self, file: CutTextFile, places: NDArray[np.int64]) -> None:
        self._file, self._places = file, places

    def __len__(self) -> int:
        return len(self._places)

    def some(self, start: int, stop: int) -> list[str]:
        """See `InParts`."""
        return self._file.take(self._places[start:stop].tolist())

    def take(self, places: Sequence[int]) -> list[str]:
        """See `InParts`."""
        return self._file.take(self._places[np.asarray(places, np.int64)].tolist())

    def runs(self) -> EncodedLists:
        """The runs of each."""
        return self._file.runs(self._places)


def store_cut_texts(path: Path, texts: Sequence[str]) -> CutTextFile:
    """Write texts and their runs to files, and open them."""
    store_texts(path, texts)
    pieces = cut_at_blanks(map(without_markup, texts))
    np.save(_array(path, "numbers"), pieces.numbers)
    np.save(_array(path, "places"), np.concatenate([[0], np.cumsum(pieces.lengths, dtype=np.int64)]))
    store_texts(_of_runs(path), pieces.distinct)
    return CutTextFile(path)


def open_texts(path: Path) -> TextFile:
    """The texts in a file, cut if they were stored so."""
    return CutTextFile(path) if _array(path, "numbers").exists() else TextFile(path)


def chosen_texts(texts: Sequence[str], places: NDArray[np.int64]) -> Sequence[str]:
    """The texts at ascending `places`; of a `CutTextFile` with their runs."""
    return CutTexts(texts, places) if isinstance(texts, CutTextFile) else taken(texts, places.tolist())


def _of_runs(path: Path) -> Path:
    return path.with_name(f"{path.name}-runs")


def _array(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}-runs-{name}.npy")
