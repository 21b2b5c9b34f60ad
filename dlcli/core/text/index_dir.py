"""An index of texts on disk: all that a table needs to know of the tables before it.

The folder holds one file, `index.safetensors`: arrays, which are memory-mapped when read, and in its metadata the version of
the format, the settings and the SHA-256 of everything else. No code is stored.

One file, replaced by one rename, because a run may be killed at any moment (an outage, a full disk, a time limit): a reader
then finds either the old index or the new one, never half of each, and needs no journal to tell which. The price is that each
run writes the whole file. The rename does not protect against two runs at once, of which the second would overwrite what the
first added; therefore the engine holds a lock on the folder from reading to writing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from dlcli.core.text.index_checks import check_card, check_ends, check_first_rows, check_index
from dlcli.core.text.index_rows import NO_ROWS, IndexedRows, rows_from_texts
from dlcli.support.atomic import atomic_path, remove_stale
from dlcli.support.errors import InputError
from dlcli.support.json_metadata import decode_json
from dlcli.support.regular_file import check_regular
from dlcli.support.safetensors_head import sort_metadata

FILE, FORMAT, VERSION = "index.safetensors", "dlcli dedupe index", 2
_ENCODING = ("device", "dtype")
"""Settings of vectors that a network computes: vectors of another precision or kind of device have slightly other cosines."""
COLUMN = "column"
"""The setting of the text column. Tables may have others, see `dlcli.engines.dedupe.index_changes`."""
_FRESH = "name another folder to start a new index"
_DTYPES = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F32": np.float32, "F64": np.float64}


@dataclass(frozen=True)
class StoredIndex:
    """All tables so far: n texts in the order of their keys, p candidate pairs, g groups.

    Attributes:
        settings: What scores and groups depend on; a table with other settings is refused.
        tables: Name and SHA-256 of each table, in the order they were added.
        log: Merges and splits of groups, oldest first.
        keys: Id of each text, its key after its block, sorted, (n).
        ids: Ids of groups, the oldest first, (g).
        listed: The rows of all tables.
        unlisted: How many more rows of unknown place each text has, (n); 0 but in an index of version 1, which
            did not store rows.
        group: Index in `ids` of its group's id, (n).
        pairs: All candidates, (p, 2).
        cosine: Cosine of each candidate, (p).
        probability: Score of each candidate, (p).
        vectors: (n, d), or empty, (0, 0), where vectors depend on the other texts and are computed again.
    """

    settings: Mapping[str, Any]
    tables: list[tuple[str, str]]
    log: list[dict[str, str]]
    keys: list[str]
    ids: list[str]
    listed: IndexedRows
    unlisted: NDArray[np.int64]
    group: NDArray[np.int32]
    pairs: NDArray[np.int32]
    cosine: NDArray[np.float32]
    probability: NDArray[np.float64]
    vectors: NDArray[np.float32]

    @cached_property
    def texts(self) -> list[str]:
        """The spelling of each text, (n)."""
        return self.listed.chosen()

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """In how many rows of all tables each text occurs, (n,)."""
        return self.listed.counts(len(self.keys)) + self.unlisted


_ARRAYS = ("unlisted", "group", "pairs", "cosine", "probability", "vectors")
_LISTS = ("keys", "ids")
_ROW_ARRAYS, _ROW_LISTS = ("table", "number", "spelling", "text"), ("keys", "spellings")
_PREFIX = "listed."


def empty_index(settings: Mapping[str, Any]) -> StoredIndex:
    """An index without tables."""
    nothing = np.empty((0, 2), np.int32), np.empty(0, np.float32), np.empty(0), np.empty((0, 0), np.float32)
    return StoredIndex(settings, [], [], [], [], NO_ROWS, np.empty(0, np.int64), np.empty(0, np.int32), *nothing)


def write_index(folder: Path, index: StoredIndex) -> None:
    """Replace the index in `folder`; if that fails or the process dies, the old index remains.

    Only the holder of the folder's lock may call it.
    """
    arrays = {name: np.ascontiguousarray(getattr(index, name)) for name in _ARRAYS}
    arrays |= {_PREFIX + name: np.ascontiguousarray(getattr(index.listed, name)) for name in _ROW_ARRAYS}
    lists = {name: getattr(index, name) for name in _LISTS} | {
        _PREFIX + name: getattr(index.listed, name) for name in _ROW_LISTS
    }
    for name, texts in lists.items():
        arrays[f"{name}.bytes"], arrays[f"{name}.ends"] = _packed(texts)
    card = {"settings": dict(index.settings), "tables": index.tables, "log": index.log}
    text = json.dumps(card, sort_keys=True)
    about = {"format": FORMAT, "version": str(VERSION), "card": text, "sha256": _digest(text, arrays)}
    remove_stale(folder)
    with atomic_path(folder / FILE) as temporary:
        temporary.write_bytes(save(arrays, metadata=about))
        sort_metadata(temporary)


def read_index(folder: Path, settings: Mapping[str, Any]) -> StoredIndex:
    """Read the index in `folder`; returns an empty one if the folder is new or empty.

    Raises InputError if the folder is not an index, or the index is damaged, of another version or made with other `settings`.
    """
    path = folder / FILE
    if not path.exists():
        strange = [item.name for item in folder.iterdir() if not item.name.startswith(".")] if folder.is_dir() else []
        if folder.exists() and (strange or not folder.is_dir()):
            what = f"has '{sorted(strange)[0]}' but no {FILE}" if strange else "not a folder"
            raise InputError(f"`index={folder}`: {what}", hint="name a new folder, or one that `index` made")
        return empty_index(settings)
    about, arrays = _opened(path)
    card = _checked(path, about, arrays)
    _same_settings(folder, card["settings"], settings)
    _same_encoding(folder, card["settings"], settings)
    try:
        parts: dict[str, Any] = {name: _list(path, arrays, name) for name in _LISTS}
        parts |= _rows_of_version_1(path, arrays) if about["version"] == "1" else {"listed": _rows(path, arrays)}
        parts |= {name: arrays[name] for name in _ARRAYS if name not in parts}
    except (KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged, or not an index ({error})", hint=_FRESH) from None
    tables = [(str(name), str(digest)) for name, digest in card["tables"]]
    index = StoredIndex(settings=card["settings"], tables=tables, log=card["log"], **parts)
    check_index(path, index, _FRESH)
    return index


def settings_of(folder: Path) -> Mapping[str, Any]:
    """The settings of the index in `folder`, without a check of the rest; none if there is no index that can be read."""
    try:
        card = decode_json(_opened(folder / FILE).metadata["card"], str(folder / FILE))
        check_card(folder / FILE, card, _FRESH)
    except (InputError, OSError, KeyError):
        return {}
    settings: Mapping[str, Any] = card["settings"]
    return settings


def _list(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> list[str]:
    data, ends = arrays[f"{name}.bytes"], arrays[f"{name}.ends"]
    check_ends(path, name, data, ends, _FRESH)
    return _unpacked(data, ends)


def _rows(path: Path, arrays: Mapping[str, NDArray[Any]]) -> IndexedRows:
    parts: dict[str, Any] = {name: arrays[_PREFIX + name] for name in _ROW_ARRAYS}
    parts |= {name: _list(path, arrays, _PREFIX + name) for name in _ROW_LISTS}
    return IndexedRows(**parts)


def _rows_of_version_1(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The first row of each text, and how many others it has."""
    texts = _list(path, arrays, "texts")
    check_first_rows(path, len(texts), _FRESH, **{name: arrays[name] for name in ("source", "row", "rows")})
    listed = rows_from_texts(texts, arrays["source"], arrays["row"])
    return {"listed": listed, "unlisted": arrays["rows"] - 1}


class _Opened(NamedTuple):
    metadata: dict[str, str]
    arrays: dict[str, NDArray[Any]]


def _opened(path: Path) -> _Opened:
    """Open the file; arrays are views of the mapped file, so that only what is used is read."""
    check_regular(path)
    try:
        data = np.memmap(path, np.uint8, mode="r")
        size = int(data[:8].view("<u8")[0])
        header = decode_json(bytes(data[8 : 8 + size]), str(path), _FRESH)
        about, arrays = header.pop("__metadata__", {}), {}
        for name, entry in header.items():
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            if not 8 + size <= start <= end <= len(data):
                raise ValueError(f"{name} lies outside the file")
            part = np.frombuffer(data, np.uint8, end - start, start) if end > start else np.empty(0, np.uint8)
            arrays[name] = part.view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}: damaged, or not an index ({str(error).splitlines()[0][:80]})", hint=_FRESH) from None
    return _Opened(about, arrays)


def _checked(path: Path, about: dict[str, str], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if about.get("format") != FORMAT:
        raise InputError(f"{path}: not an index of dlcli dedupe", hint=_FRESH)
    if about.get("version") not in ("1", str(VERSION)):
        found = f"an index of version {about.get('version')}, but this dlcli reads version {VERSION}"
        raise InputError(f"{path}: {found}", hint=_FRESH)
    text = about.get("card", "")
    if about.get("sha256") != _digest(text, arrays):
        raise InputError(f"{path}: damaged (its SHA-256 differs)", hint=f"copy it again from a backup, or {_FRESH}")
    card: dict[str, Any] = decode_json(text, str(path), _FRESH)
    check_card(path, card, _FRESH)
    return card


def _same_settings(folder: Path, made: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    for name, value in asked.items():
        if made.get(name) != value and name not in (*_ENCODING, COLUMN):
            was = made.get(name)
            known = f"use `{name}={was}`" if name != "model" else "use `model` with the folder of that scorer"
            hint = known if was else f"omit `{name}`"
            none = "built in" if name == "model" else "none"
            message = f"`index={folder}` was made with {name} {was or none}, not {value or none}"
            raise InputError(message, hint=f"{hint}, or {_FRESH}")


def _same_encoding(folder: Path, made: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    was, now = (tuple(settings.get(name) for name in _ENCODING) for settings in (made, asked))
    # An index that does not say how its vectors were computed is taken, as is one whose vectors no network computes.
    if None in (*was, *now) or was == now:
        return
    message = f"`index={folder}` has {was[1]} vectors computed on {was[0]}, but this run computes them in {now[1]} on {now[0]}"
    raise InputError(message, hint=f"use `device={was[0]}`, or {_FRESH}" if was[1] == now[1] else _FRESH)


def _digest(card: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256(card.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _packed(texts: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends


def _unpacked(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[str]:
    whole, places = data.tobytes(), [0, *ends.tolist()]
    return [whole[a:b].decode("utf-8", "surrogatepass") for a, b in zip(places, places[1:], strict=False)]
