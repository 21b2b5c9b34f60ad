"""Images in parquet files, as Hugging Face's datasets write them, or as bytes or paths in any other column."""

import json
import mmap
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from dlcli.core.data.column_names import FILE_COLUMNS, known_columns
from dlcli.core.data.memmap import folder, reserve_disk
from dlcli.core.parquet import pyarrow_modules
from dlcli.support.errors import InputError

_BATCH = 128
"""Rows in memory at a time while images are read."""


@dataclass(frozen=True)
class ImageColumn:
    """The column of a parquet file that holds the images.

    Attributes:
        name: Its name.
        data: Path of the column of bytes in the file, `image.bytes` of a struct; empty where it only names files.
        path: Path of the column of names, which may be another one; empty if there is none.
    """

    name: str
    data: str
    path: str


@dataclass
class ParquetShard:
    """A parquet file with images, an `ImageContainer` whose places are rows.

    The images are copied to a temporary file of the cache when the first is read: rows of parquet are read many at a time.

    Attributes:
        path: The file.
        rows: Number of rows.
        image: The column of images.
        cells: The columns of plain values, by name.
        class_names: Columns of indices of classes, with the names of these.
    """

    path: Path
    rows: int
    image: ImageColumn
    cells: dict[str, list[Any]]
    class_names: dict[str, tuple[str, ...]]
    _copy: "_Copy | None" = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def names(self) -> list[str]:
        """The name of each image: its path, or else the file and the row."""
        width = len(str(self.rows))
        paths = self.cells.get(self.image.path) or [None] * self.rows
        return [str(path) if path else f"{self.path.stem}:{row:0{width}}" for row, path in enumerate(paths)]

    def read(self, place: int) -> bytes:
        """The bytes of an image, see `ImageContainer`."""
        with self._lock:
            if self._copy is None:
                self._copy = _copied(self.path, self.image.data)
        data = self._copy.data[self._copy.ends[place] : self._copy.ends[place + 1]]
        if data:
            return bytes(data)
        name = (self.cells.get(self.image.path) or [None] * self.rows)[place]
        if not name:
            raise ValueError("no bytes")
        return (self.path.parent / str(name)).read_bytes()


@dataclass(frozen=True)
class _Copy:
    """The images of a file one after the other, mapped into memory, and where each ends; `ends` begins with 0."""

    data: mmap.mmap | bytes
    ends: Sequence[int]


def open_shard(path: Path) -> ParquetShard:
    """Read the columns of a parquet file but not its images.

    Raises InputError if it is not one or it is not certain which column holds the images, and MissingExtraError without
    pyarrow.
    """
    arrow, parquet = pyarrow_modules("reading parquet")
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            image = _image_column(path, arrow, schema)
            plain = [one.name for one in schema if one.name != image.name and _is_plain(arrow, one.type)]
            table = file.read(columns=[*plain, *([image.path] if image.path and image.path not in plain else [])])
            cells = {name: table.column(name).to_pylist() for name in plain}
            if image.path and image.path not in plain:
                column = table.column(image.name).to_pylist()
                cells[image.path] = [cell and cell["path"] for cell in column] if image.data else column
            return ParquetShard(path, file.metadata.num_rows, image, cells, _class_names(schema))
    except (arrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: is not a parquet file that can be read: {' '.join(str(error).split())[:200]}")


def _image_column(path: Path, arrow: Any, schema: Any) -> ImageColumn:
    """The column of images: of bytes, or else one that names files."""
    found = {one.name: _as_images(arrow, one) for one in schema}
    images = {name: column for name, column in found.items() if column is not None}
    texts = [one.name for one in schema if arrow.types.is_string(one.type) or arrow.types.is_large_string(one.type)]
    naming = known_columns(texts, FILE_COLUMNS)[:1]
    images = images or {name: ImageColumn(name, "", name) for name in naming}
    known = known_columns(list(images), FILE_COLUMNS)
    chosen = known if len(images) > 1 else list(images)
    if not chosen:
        which = f"columns {' and '.join(images)} may" if images else f"none of its columns {', '.join(schema.names)} seems to"
        hint = "call the column of encoded images, or of their paths, image"
        raise InputError(f"{path}: {which} hold images", hint=hint)
    image = images[chosen[0]]
    return image if image.path or not naming else replace(image, path=naming[0])


def _as_images(arrow: Any, column: Any) -> ImageColumn | None:
    """How a column holds images by its type: a struct with bytes, or bytes; None for others."""
    if arrow.types.is_struct(column.type):
        parts = {part.name: part.type for part in column.type}
        if "bytes" not in parts or not _is_binary(arrow, parts["bytes"]):
            return None
        return ImageColumn(column.name, f"{column.name}.bytes", f"{column.name}.path" if "path" in parts else "")
    return ImageColumn(column.name, column.name, "") if _is_binary(arrow, column.type) else None


def _is_binary(arrow: Any, kind: Any) -> bool:
    return any(test(kind) for test in (arrow.types.is_binary, arrow.types.is_large_binary, arrow.types.is_binary_view))


def _is_plain(arrow: Any, kind: Any) -> bool:
    """Whether cells are numbers, text, truth values or times, which can be labels or metadata."""
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    types = arrow.types
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    return types.is_primitive(kind) or types.is_null(kind) or any(test(kind) for test in texts)


def _class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """The names of classes that Hugging Face's datasets keep in the metadata of the schema, by column."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _copied(path: Path, column: str) -> _Copy:
    """Copy all images of a file, so that each can be read; only a batch of rows is in memory at a time."""
    arrow, parquet = pyarrow_modules("reading parquet")
    try:
        with parquet.ParquetFile(path) as source, reserve_disk(_size(source, column)):
            ends = [0]
            with tempfile.TemporaryFile(dir=folder()) as file:  # without a name: the system removes it with the mapping
                for batch in source.iter_batches(_BATCH, columns=[column]):
                    for cell in batch.column(0):
                        value = cell.as_py()
                        data = (value["bytes"] if isinstance(value, dict) else value) or b""
                        file.write(data)
                        ends.append(ends[-1] + len(data))
                file.flush()
                return _Copy(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if ends[-1] else b"", ends)
    except arrow.ArrowException as error:
        raise _damaged(path, error) from None


def _size(source: Any, column: str) -> int:
    """Bytes of a column, uncompressed."""
    groups = (source.metadata.row_group(k) for k in range(source.metadata.num_row_groups))
    parts = (group.column(k) for group in groups for k in range(group.num_columns))
    return sum(part.total_uncompressed_size for part in parts if part.path_in_schema == column)
