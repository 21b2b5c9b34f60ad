"""Texts and arrays on disk are those that were given."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text import distinct as distinct_module
from dlcli.core.text import on_disk, stored_texts
from dlcli.core.text.distinct import distinct, spelling_rank
from dlcli.core.text.on_disk import GrowingArray, release, rows_of
from dlcli.core.text.search.cells import cut_rows
from dlcli.core.text.stored_texts import StoredTexts, collected, made_texts, store_texts
from dlcli.core.text.tokens import fold
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.support.in_parts import taken
from tests.core.text.search.test_neighbours import generated_keys

texts = st.lists(st.text(st.characters() | st.characters(categories=["Cs"]), max_size=5) | st.sampled_from(["a b", "A b", "?"]))


@pytest.fixture
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_disk, "_IN_MEMORY", 0)
    monkeypatch.setattr(on_disk, "_ROWS", 3)


@given(texts, st.integers(1, 4), st.data())
def test_texts_on_disk_are_read_as_they_were_given(given_texts: list[str], at_once: int, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_texts, "_IN_MEMORY", 0)
        patch.setattr(stored_texts, "_AT_ONCE", at_once)
        patch.setattr(stored_texts, "_STRETCH", data.draw(st.sampled_from([1, 5, 1 << 16])))
        found = collected(iter(given_texts))
        assert isinstance(found, StoredTexts) or not given_texts
        assert list(found) == given_texts
        start, stop = sorted((data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))))
        assert list(found[start:stop]) == given_texts[start:stop]
        assert list(found[::2]) == given_texts[::2]
        assert [found[k] for k in range(-len(given_texts), 0)] == given_texts
        some = sorted(data.draw(st.sets(st.sampled_from(range(len(given_texts)))))) if given_texts else []
        assert taken(found, some) == taken(given_texts, some) == [given_texts[k] for k in some]
        shouted = made_texts(lambda few: [text + "!" for text in few], found)
        assert taken(shouted, some) == [given_texts[k] + "!" for k in some]


def test_texts_of_a_named_file_are_read_by_every_process(tmp_path: Path):
    written = ["", "ä", "\ud800", "long " * 1000]
    assert list(store_texts(tmp_path / "texts", written)) == written
    kind, arguments = store_texts(tmp_path / "texts", written).__reduce__()
    assert list(kind(*arguments)) == written


@given(texts, st.integers(1, 4), st.booleans(), st.data())
def test_distinct_texts_that_are_sorted_in_parts_are_those_of_a_dictionary(given_texts, at_once, prefer, data):
    priority = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(given_texts), max_size=len(given_texts))), np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct_module, "_SORTED", at_once)
        found = distinct(given_texts, priority if prefer else None)
    keys = [fold(text) for text in given_texts]
    wanted = sorted(set(keys) - {""})
    assert list(found.ids) == wanted
    assert [wanted[k] if k >= 0 else "" for k in found.of_row] == keys
    for key, text, row in zip(wanted, found.texts, found.row.tolist(), strict=True):
        rows = [k for k, other in enumerate(keys) if other == key]
        assert text == min((given_texts[k] for k in rows), key=spelling_rank)
        rank = priority if prefer else [given_texts[k] == text for k in range(len(keys))]
        assert row == max(rows, key=lambda k: (rank[k], -k))


@pytest.mark.usefixtures("_little_memory")
def test_an_array_on_disk_is_read_as_it_was_appended():
    array, parts = GrowingArray(np.int32), [np.arange(k, dtype=np.int32) for k in (0, 3, 5000, 1)]
    for part in parts:
        array.append(part)
    found = array.array()
    release(found)
    np.testing.assert_array_equal(found, np.concatenate(parts))
    assert not found.flags.writeable


@pytest.mark.usefixtures("_little_memory")
def test_vectors_on_disk_and_their_blocks_are_those_in_memory(monkeypatch: pytest.MonkeyPatch):
    keys = generated_keys(300)
    mapped = tfidf.vectors(keys)
    monkeypatch.undo()
    whole = tfidf.vectors(keys)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(whole, name))
    order = np.random.default_rng(0).permutation(300).astype(np.int32)
    parts = [slice(0, 100), slice(100, 101), slice(101, 300)]
    monkeypatch.setattr(on_disk, "_IN_MEMORY", 0)
    for part, found in zip(parts, cut_rows(mapped, order, parts), strict=True):
        assert (found != whole[order[part]]).nnz == 0
        assert found.has_sorted_indices
    assert (rows_of(mapped, order[:7]) != whole[order[:7]]).nnz == 0
    assert rows_of(sp.csr_array((3, 2), dtype=np.float32), np.empty(0, np.int32)).shape == (0, 2)
