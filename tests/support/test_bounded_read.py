"""Small files that unpack to any size, and streams without an end, are refused long before they fill the memory."""

import gzip
import io
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.support import memory
from dlcli.support.bounded_read import read_content, read_whole
from dlcli.support.errors import InputError, ResourceError
from dlcli.support.read_tables import read_bytes, read_table
from dlcli.support.table_format import TableFormat


class Endless:
    """The same bytes for ever."""

    def __init__(self, pattern: bytes) -> None:
        self.pattern, self.given = pattern, 0

    def read(self, size: int) -> bytes:
        self.given += size
        return (self.pattern * (size // len(self.pattern) + 1))[:size]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def packed(start: bytes, block: bytes, times: int) -> bytes:
    """A gzip of `start` and of `times` times `block`, in members of their own."""
    return gzip.compress(start) + gzip.compress(block) * times


@pytest.mark.parametrize("pattern", [b"a", b"\0", b"ab ", "ü".encode()])
@pytest.mark.parametrize("max_cell", [1000, 1_000_000])
def test_a_cell_without_an_end_is_read_no_further(pattern: bytes, max_cell: int):
    stream = Endless(pattern)
    with pytest.raises(InputError, match="a cell of more than"):
        read_whole(stream, "t.csv", max_cell)
    assert stream.given <= 6 * max_cell + (3 << 20)


@pytest.mark.parametrize("pattern", [b"a,b\n", b'"', b"a;", b"~a"])
def test_a_table_without_an_end_is_read_until_memory_would_not_hold_it(monkeypatch: pytest.MonkeyPatch, pattern: bytes):
    monkeypatch.setattr(memory, "available_memory", lambda: 800 << 20)
    stream = Endless(pattern)
    with pytest.raises(ResourceError, match="t.csv"):
        read_whole(stream, "t.csv", 1000, "~" if pattern == b"~a" else None)
    assert stream.given <= (800 << 20) // 4 * 1.3


def test_a_gigabyte_in_a_cell_of_a_small_gzip_takes_little_memory(tmp_path: Path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(packed(b"id,question\n1,a", b"a" * (1 << 24), 64))
    assert path.stat().st_size < 2_000_000
    with memory_below(64 << 20), pytest.raises(InputError, match=r"t\.csv\.gz: a cell of more than 1,000,000 characters"):
        read_table(str(path))


def test_devices_and_pipes_without_an_end_are_refused():
    with memory_below(64 << 20), pytest.raises(InputError, match="/dev/zero"):
        read_table("/dev/zero")


def test_a_table_of_more_rows_than_memory_has_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 20 << 20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(packed(b"id,question\n", b"1,a\n" * (1 << 20), 64))
    with pytest.raises(ResourceError, match=r"a table of 26\d,\d\d\d rows or more needs 26\.\d MB of memory"):
        read_table(str(path))


def test_what_the_disk_has_no_room_for_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 24))
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,question\n" + b"1,a\n" * (1 << 23))
    with pytest.raises(ResourceError, match=r"the rows of a table of 33\.6 MB or more need 33\.6 MB there"):
        read_table(str(path))
    stream = Endless(b"1,a\n")
    with pytest.raises(ResourceError, match=r"t\.csv: the rows of a table"):
        read_content(stream, "t.csv", 100)
    assert stream.given <= 80 << 20


def test_a_file_that_is_read_as_a_whole_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    (tmp_path / "t.csv").write_text("a,b\n" * 10)
    with pytest.raises(ResourceError, match="a table of 40 bytes"):
        read_bytes(str(tmp_path / "t.csv"))


@given(st.lists(st.text("ab\u00fc\U0001f600", max_size=20), min_size=1), st.sampled_from(",;\t|\n~"))
def test_cells_within_the_limit_are_read_as_they_are(cells: list[str], mark: str):
    data = mark.join(cells).encode()
    assert read_whole(io.BytesIO(data), "t", 20 * len(cells) if mark not in data.decode() else 20, mark) == data
    assert read_whole(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data))), "t", 20 * len(cells), mark) == data


def test_a_longer_limit_is_kept(tmp_path: Path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"id,question\n1," + b"a" * 9_000_000 + b"\n"))
    assert len(read_table(str(path), TableFormat(max_cell=10_000_000)).rows[0][1]) == 9_000_000
    with pytest.raises(InputError, match="a cell of"):
        read_table(str(path))
