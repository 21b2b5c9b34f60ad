"""The join in cells gives the pairs and cosines of the join in one piece, bit for bit, whatever the number of blocks."""

import pickle
import random
from collections import Counter
from itertools import combinations_with_replacement
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search import budget
from dlcli.core.text.search.budget import cosine_within, level_within, sample_pairs
from dlcli.core.text.search.cells import BlockFolder, matrix_bytes, write_blocks
from dlcli.core.text.search.neighbours import Pairs, in_row_order, similar_pairs
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.support.errors import ResourceError
from tests.core.text.search.test_neighbours import as_set, brute_force, generated_keys, matrices

_SYLLABLES = "ka lo mi ru ten sar vel dor nik ash bru fen gal hol".split()


def names(n: int) -> list[str]:
    """Short names, many of which differ by a letter."""
    rng = random.Random(1)
    made = {" ".join("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3))) for _ in range(2)) for _ in range(n)}
    return sorted(made | {name[:-1] for name in rng.sample(sorted(made), n // 10)})


def long_texts(n: int) -> list[str]:
    """Texts of some hundred words, some of which are another one with a few words replaced."""
    rng = random.Random(2)
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(4000)]
    texts = [rng.choices(words, k=rng.randint(100, 300)) for _ in range(n)]
    for text in rng.sample(texts, n // 3):
        texts.append([rng.choice(words) if rng.random() < 0.1 else word for word in text])
    return sorted({" ".join(text) for text in texts})


CORPORA = {"questions": lambda: generated_keys(3000), "names": lambda: names(3000), "long": lambda: long_texts(300)}


def in_cells(folder: Path, vectors, threshold: float, count: int, block=None) -> Pairs:
    """The pairs of all cells; the folder is pickled in between, as it is for another process."""
    number = write_blocks(folder, vectors, threshold, count, block=block)
    blocks = pickle.loads(pickle.dumps(BlockFolder(folder, threshold)))
    return in_row_order([blocks.join(*cell) for cell in combinations_with_replacement(range(number), 2)])


def assert_same(found: Pairs, wanted: Pairs) -> None:
    for side in ("first", "second", "score"):
        assert np.array_equal(getattr(found, side), getattr(wanted, side))
        assert getattr(found, side).dtype == getattr(wanted, side).dtype


@pytest.mark.parametrize("corpus", CORPORA)
def test_any_number_of_blocks_gives_the_pairs_and_cosines_of_one_join(tmp_path: Path, corpus: str):
    sparse = tfidf.vectors(CORPORA[corpus]())
    dense = sparse @ np.random.default_rng(0).standard_normal((sparse.shape[1], 24), np.float32)
    dense = np.asarray(dense / np.linalg.norm(dense, axis=1, keepdims=True), np.float32)
    for number, (vectors, threshold) in enumerate([(sparse, 0.75), (sparse, 0.4), (dense, 0.9)]):
        wanted = similar_pairs(vectors, threshold)
        assert len(wanted) > 50
        for count in (1, 2, 5, 7):
            folder = tmp_path / f"{number}-{count}"
            folder.mkdir()
            assert_same(in_cells(folder, vectors, threshold, count), wanted)


@settings(max_examples=60)
@given(matrices(), st.floats(0.05, 1), st.booleans(), st.integers(1, 6), st.booleans(), st.integers(0, 5))
def test_cells_find_what_brute_force_finds(matrix, threshold, sparse, count, within, seed):
    block = np.sort(np.random.default_rng(seed).integers(0, 3, len(matrix))) if within else None
    with TemporaryDirectory() as folder:
        vectors = sp.csr_array(matrix) if sparse else matrix
        found = as_set(in_cells(Path(folder), vectors, threshold, count, block))
    sure, possible = (
        {pair for pair in some if block is None or block[pair[0]] == block[pair[1]]}
        for some in (brute_force(matrix, threshold + 1e-5)[1], brute_force(matrix, threshold - 1e-5)[1])
    )
    assert sure <= found <= possible


def test_blocks_have_about_equal_bytes(tmp_path: Path):
    vectors = tfidf.vectors(long_texts(60) + names(600))
    write_blocks(tmp_path, vectors, 0.75, 4)
    sizes = [sum(file.stat().st_size for file in tmp_path.glob(f"{k}.*.npy")) for k in range(4)]
    assert max(sizes) < 1.5 * min(sizes)
    assert 0.5 < sum(sizes) / matrix_bytes(vectors, 0.75) < 2


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_the_bytes_of_blocks_of_short_texts_are_known_before(tmp_path: Path, threshold: float):
    vectors = tfidf.vectors(names(2000))
    write_blocks(tmp_path, vectors, threshold, 2)
    assert 0.7 < sum(file.stat().st_size for file in tmp_path.iterdir()) / matrix_bytes(vectors, threshold) < 1.4


def test_a_block_that_is_gone_is_named(tmp_path: Path):
    write_blocks(tmp_path, tfidf.vectors(names(50)), 0.75, 2)
    (tmp_path / "1.scale.npy").unlink()
    with pytest.raises(ResourceError, match=r"1\.scale\.npy"):
        BlockFolder(tmp_path, 0.75).join(0, 1)


@settings(max_examples=40)
@given(matrices(), st.floats(0.1, 0.9), st.booleans(), st.booleans())
def test_a_sample_of_all_rows_has_all_pairs_twice(matrix, level, sparse, within):
    block = np.sort(np.arange(len(matrix)) % 2) if within else None
    pairs, times = sample_pairs(sp.csr_array(matrix) if sparse else matrix, level, block=block)
    wanted, near = (brute_force(matrix, level + shift)[1] for shift in (1e-5, -1e-5))
    counts = Counter(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert set(counts) >= {pair for pair in wanted if block is None or block[pair[0]] == block[pair[1]]}
    assert set(counts) <= near and times == 0.5


@pytest.mark.parametrize("budget_of_pairs", [10, 2_000, 30_000])
@pytest.mark.parametrize("ceiling", [0.3, 0.6, 1.0])
def test_the_pairs_seen_when_a_level_is_chosen_are_all_from_it_on_twice(budget_of_pairs, ceiling):
    """All rows of a table of 1,000 are drawn, so each pair is seen from both sides."""
    vectors = tfidf.vectors(names(1000)[:1000])
    level, sample = level_within(vectors, budget_of_pairs, ceiling)
    assert level == cosine_within(vectors, budget_of_pairs, ceiling) <= ceiling
    product = np.triu((vectors @ vectors.T).toarray(), 1)
    assert sample is not None and sample.times == 0.5
    counts = Counter(zip(sample.pairs.first.tolist(), sample.pairs.second.tolist(), strict=True))
    wanted, near = (set(zip(*map(list, np.nonzero(product >= level + shift)), strict=True)) for shift in (1e-5, -1e-5))
    assert wanted <= set(counts) <= near
    assert {counts[pair] for pair in wanted} <= {2}


def test_the_rows_multiplied_at_a_time_make_no_difference(monkeypatch: pytest.MonkeyPatch):
    vectors = tfidf.vectors(names(1000))
    levels = [cosine_within(vectors, number, 1.0) for number in (10, 500, 5000, 100_000)]
    assert len(set(levels)) > 2
    pairs = sample_pairs(vectors, 0.5).pairs
    assert len(pairs) > 100
    monkeypatch.setattr(budget, "_ROWS", 37)
    assert [cosine_within(vectors, number, 1.0) for number in (10, 500, 5000, 100_000)] == levels
    assert_same(in_row_order([sample_pairs(vectors, 0.5).pairs]), in_row_order([pairs]))
