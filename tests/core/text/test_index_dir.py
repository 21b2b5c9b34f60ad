"""Whole or as before, whatever happens to the writer; and refused in a line if it is not what it should be."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from dlcli.core.text import index_dir
from dlcli.core.text.index_dir import FILE, StoredIndex, empty_index, read_index, settings_of, write_index
from dlcli.core.text.index_rows import IndexedRows
from dlcli.support import atomic
from dlcli.support.errors import InputError

SETTINGS = {"vectors": "tfidf", "threshold": 0.7, "model": ""}


def index_of(texts, seed=0):
    texts = sorted(set(texts))
    rng, n = np.random.default_rng(seed), len(texts)
    every = np.stack(np.triu_indices(n, 1), axis=1).astype(np.int32)
    pairs = every[np.sort(rng.choice(len(every), min(n, len(every)), replace=False))]
    numbers = np.sort(rng.integers(0, 9, n)).astype(np.int32), np.arange(n), rng.permutation(n).astype(np.int32)
    listed = IndexedRows(*numbers, [f"key {k}" for k in range(n)], texts[::-1], np.arange(n, dtype=np.int32))
    group = rng.integers(0, 2, n).astype(np.int32)
    tables, log = [(f"t{k}.csv", "0" * 64) for k in range(9)], [{"event": "merged", "group": "a", "into": "b"}]
    scores = rng.random(len(pairs)).astype(np.float32), rng.random(len(pairs))
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


def rewritten(folder, change):
    """Change the arrays of an index, with a right SHA-256 in the end; whether that changed anything."""
    about, arrays = index_dir._opened(folder / FILE)
    arrays = {name: np.array(array) for name, array in arrays.items()}
    before = index_dir._digest(about["card"], arrays)
    change(arrays)
    digest = index_dir._digest(about["card"], arrays)
    (folder / FILE).unlink()
    save_file(arrays, folder / FILE, metadata={**about, "sha256": digest})
    return digest != before


def other_kind(array):
    """The same bytes as numbers of another kind."""
    return array.view({"i": "f", "f": "i"}[array.dtype.kind] + str(array.dtype.itemsize))


NUMBERS = {  # what an array holds, and below which number; None where any is right
    "unlisted": None,
    "group": lambda index: len(index.ids),
    "pairs": lambda index: len(index.keys),
    "listed.table": lambda index: len(index.tables),
    "listed.number": None,
    "listed.spelling": lambda index: len(index.listed.spellings),
    "listed.text": lambda index: len(index.keys),
    **{f"{name}.ends": None for name in ("keys", "ids", "listed.keys", "listed.spellings")},
}
SHARES = ("cosine", "probability", "vectors")
SORTED = ("pairs", "listed.number", "keys.ends")  # the last by its texts


def damages(name, index, place):
    """How an array may be damaged, by what is wrong then."""
    yield "shorter", lambda array: array[:-1]
    yield "longer", lambda array: np.concatenate([array, array[-1:]])
    yield "one axis more", lambda array: array[None]
    yield "without axes", lambda array: array.reshape(-1)[0].reshape(())
    yield "another kind", other_kind
    if name in SHARES:
        yield "NaN", lambda array: put(array, place, np.nan)
        yield "infinite", lambda array: put(array, place, np.inf)
        return
    yield "unsigned", lambda array: array.astype(np.uint8)
    yield "negative", lambda array: put(array, place, -1)
    if NUMBERS[name] is not None:
        yield "out of range", lambda array: put(array, place, NUMBERS[name](index))
        yield "far out of range", lambda array: put(array, place, np.iinfo(array.dtype).max)
    if name.endswith(".ends"):
        yield "falling", lambda array: array[::-1]
    if name in ("pairs", "listed.number"):
        yield "not sorted", lambda array: array[::-1]
        yield "all the same", lambda array: np.repeat(array[:1], len(array), 0)
    if name in ("listed.spelling", "listed.text"):
        yield "of one alone", lambda array: np.zeros_like(array)


def put(array, place, value):
    changed = array.copy()
    changed.reshape(-1)[place % changed.size] = value
    return changed


@pytest.mark.parametrize("name", [*NUMBERS, *SHARES])
@settings(max_examples=10, deadline=None)
@given(place=st.integers(0, 50), seed=st.integers(0, 50))
def test_each_damaged_array_is_refused_with_a_right_hash_too(tmp_path_factory, name, place, seed):
    folder, index = tmp_path_factory.mktemp("index"), index_of(["one", "two", "three", "four", "five"], seed)
    index = replace(index, listed=replace(index.listed, table=np.zeros(5, np.int32)))
    for what, damage in damages(name, index, place):
        write_index(folder, index)
        if rewritten(folder, lambda arrays, damage=damage: arrays.__setitem__(name, np.array(damage(arrays[name]), order="C"))):
            with pytest.raises(InputError, match="damaged") as caught:
                read_index(folder, SETTINGS)
                pytest.fail(what)
            assert caught.value.hint


@pytest.mark.parametrize("name", [*NUMBERS, *SHARES])
def test_an_index_without_an_array_is_refused(tmp_path, name):
    write_index(tmp_path, index_of(["one", "two", "three"]))
    assert rewritten(tmp_path, lambda arrays: arrays.pop(name))
    with pytest.raises(InputError, match="damaged"):
        read_index(tmp_path, SETTINGS)


@pytest.mark.parametrize("value", [-7, 7.5, [1], {}, {"a": 1}, True, [["a"]]])
@pytest.mark.parametrize(
    "name", ["column", "vectors", "candidates", "threshold", "model", "mask", "within", "fold", "key", "device"]
)
def test_an_index_with_a_setting_of_another_type_is_refused(tmp_path, name, value):
    index = index_of(["one", "two", "three"])
    write_index(tmp_path, replace(index, settings={**SETTINGS, name: value}))
    with pytest.raises(InputError) as caught:
        read_index(tmp_path, {})
    assert f"'{name}'" in caught.value.message and caught.value.hint
    assert settings_of(tmp_path) == {}


@pytest.mark.parametrize("name", ["vectors", "threshold"])
def test_an_index_without_a_setting_that_every_index_has_is_refused(tmp_path, name):
    kept = {other: value for other, value in SETTINGS.items() if other != name}
    write_index(tmp_path, replace(index_of(["one", "two", "three"]), settings=kept))
    with pytest.raises(InputError, match=f"'{name}'"):
        read_index(tmp_path, {})


def as_version_1(folder, index):
    """Write an index as the first version did: one row of each text, and in how many rows it is."""
    write_index(folder, index)
    about, arrays = index_dir._opened(folder / FILE)
    kept = {name: np.array(array) for name, array in arrays.items() if not name.startswith(("listed.", "unlisted"))}
    kept |= {f"texts.{part}": np.array(arrays[f"keys.{part}"]) for part in ("bytes", "ends")}
    n = len(index.keys)
    kept |= {"source": np.zeros(n, np.int32), "row": np.arange(n)[::-1].copy(), "rows": np.full(n, 2)}
    (folder / FILE).unlink()
    digest = index_dir._digest(about["card"], kept)
    save_file(kept, folder / FILE, metadata={**about, "version": "1", "sha256": digest})


@pytest.mark.parametrize("name", ["source", "row", "rows"])
def test_damaged_rows_of_version_1_are_refused(tmp_path, name):
    index = index_of(["one", "two", "three"])
    as_version_1(tmp_path, index)
    assert read_index(tmp_path, SETTINGS).rows.tolist() == [2, 2, 2]
    for damage in (
        lambda a: a[:-1],
        lambda a: a[None],
        other_kind,
        lambda a: put(a, 1, -1),
        lambda a: put(a.astype(int), 0, 2**32),
    ):
        as_version_1(tmp_path, index)
        assert rewritten(
            tmp_path, lambda arrays, damage=damage: arrays.__setitem__(name, np.array(damage(arrays[name]), order="C"))
        )
        with pytest.raises(InputError, match="damaged"):
            read_index(tmp_path, SETTINGS)


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
