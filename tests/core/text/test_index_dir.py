"""Whole or as before, whatever happens to the writer; and refused in a line if it is not what it should be."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from dlcli.core.text import index_dir
from dlcli.core.text.index_dir import FILE, StoredIndex, empty_index, read_index, write_index
from dlcli.core.text.index_rows import IndexedRows
from dlcli.support import atomic
from dlcli.support.errors import InputError

SETTINGS = {"vectors": "tfidf", "threshold": 0.7, "model": ""}


def index_of(texts, seed=0):
    texts = sorted(set(texts))
    rng, n = np.random.default_rng(seed), len(texts)
    pairs = rng.integers(0, max(n, 1), (n, 2)).astype(np.int32)
    numbers = np.sort(rng.integers(0, 9, n)).astype(np.int32), np.arange(n), rng.permutation(n).astype(np.int32)
    listed = IndexedRows(*numbers, [f"key {k}" for k in range(n)], texts[::-1], np.arange(n, dtype=np.int32))
    group = rng.integers(0, 2, n).astype(np.int32)
    tables, log = [(f"t{k}.csv", "0" * 64) for k in range(9)], [{"event": "merged", "group": "a", "into": "b"}]
    scores = rng.random(n).astype(np.float32), rng.random(n)
    return StoredIndex(
        SETTINGS, tables, log, texts, ["a", "b"], listed, np.zeros(n, np.int64), group, pairs, *scores, np.ones((n, 3), "f4")
    )


def same_rows(left, right):
    pairs = [(getattr(left, name), getattr(right, name)) for name in IndexedRows.__dataclass_fields__]
    return all(np.array_equal(a, b) and getattr(a, "dtype", None) == getattr(b, "dtype", None) for a, b in pairs)


def same(left, right):
    for name in StoredIndex.__dataclass_fields__:
        a, b = getattr(left, name), getattr(right, name)
        if isinstance(a, IndexedRows):
            assert same_rows(a, b)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype and np.array_equal(a, b), name
        else:
            assert a == b, name
    return True


@given(st.lists(st.text(st.characters(codec=None), max_size=5), max_size=6))
def test_what_was_written_is_read(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("index")
    write_index(folder, index_of(texts))
    assert same(read_index(folder, SETTINGS), index_of(texts))
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_a_new_or_empty_folder_is_an_empty_index(tmp_path):
    assert same(read_index(tmp_path, SETTINGS), empty_index(SETTINGS)) and same(
        read_index(tmp_path / "new", SETTINGS), empty_index(SETTINGS)
    )


def test_arrays_are_mapped_and_not_copied(tmp_path):
    write_index(tmp_path, index_of(["a", "b"]))
    assert not read_index(tmp_path, SETTINGS).vectors.flags.owndata


def test_any_changed_byte_is_noticed(tmp_path):
    write_index(tmp_path, index_of(["one", "two", "three"]))
    path, whole = tmp_path / FILE, (tmp_path / FILE).read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = read_index(tmp_path, SETTINGS)
        except InputError as error:
            assert str(path) in error.message and error.hint and "\n" not in error.message
        else:  # a blank of the padding, which means nothing
            assert same(found, index_of(["one", "two", "three"]))


def test_a_file_that_was_cut_is_noticed(tmp_path):
    write_index(tmp_path, index_of(["one", "two", "three"]))
    path, whole = tmp_path / FILE, (tmp_path / FILE).read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged|not an index"):
            read_index(tmp_path, SETTINGS)


def test_foreign_and_older_files_and_folders_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"has 'notes.txt' but no index\.safetensors"):
        read_index(tmp_path, SETTINGS)
    save_file({"weight": np.ones(2)}, tmp_path / FILE)
    with pytest.raises(InputError, match="not an index of dlcli dedupe"):
        read_index(tmp_path, SETTINGS)
    write_index(tmp_path, empty_index(SETTINGS))
    about = {"format": index_dir.FORMAT, "version": "0", "card": "{}", "sha256": ""}
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, metadata=about)
    with pytest.raises(InputError, match="version 0, but this dlcli reads version 2"):
        read_index(tmp_path, SETTINGS)


@pytest.mark.parametrize(
    ("other", "hint"),
    [
        ({"vectors": "spacy:x"}, "use `vectors=tfidf`"),
        ({"threshold": 0.8}, "use `threshold=0.7`"),
        ({"model": "ab"}, "omit `model`"),
    ],
)
def test_other_settings_are_refused_with_what_to_type(tmp_path, other, hint):
    write_index(tmp_path, empty_index(SETTINGS))
    with pytest.raises(InputError, match=f"was made with {next(iter(other))} ") as caught:
        read_index(tmp_path, SETTINGS | other)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("call", ["replace", "chmod", "fsync", "write"])
def test_a_failing_call_leaves_the_old_index(tmp_path, monkeypatch, call):
    write_index(tmp_path, index_of(["old"]))

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"write": (index_dir, "save")}.get(call, (atomic.os, call)), fails)
    with pytest.raises(OSError, match="No space"):
        write_index(tmp_path, index_of(["new", "and", "newer"]))
    assert same(read_index(tmp_path, SETTINGS), index_of(["old"])) and [path.name for path in tmp_path.iterdir()] == [FILE]


WRITER = """
import sys, pathlib
from tests.core.text.test_index_dir import index_of, write_index
print("ready", flush=True)
for k in range(10_000):
    write_index(pathlib.Path(sys.argv[1]), index_of([str(k)] * 2000, seed=k))
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_is_whole(tmp_path):
    rng = np.random.default_rng(0)
    write_index(tmp_path, empty_index(SETTINGS))
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ) as writer:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.01, 0.1))
            writer.kill()
        found = read_index(tmp_path, SETTINGS)
        if found.keys:
            assert same(found, index_of([found.keys[0]] * 2000, seed=int(found.keys[0])))
    write_index(tmp_path, replace(empty_index(SETTINGS), log=[]))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_same_index_has_the_same_bytes(tmp_path):
    names = [tmp_path / str(k) for k in range(12)]
    for name in names:
        name.mkdir()
        write_index(name, empty_index({"column": "q"}))
    assert len({(name / FILE).read_bytes() for name in names}) == 1
