"""Vectors of texts and joins of dense vectors: agreement, then speed."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.text.search.neighbours import sampled_recall, similar_pairs
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors.encoders import sentence

from .rows import Row, at_most, holds, measured, not_measured
from .sentence_model import MINILM, TINY, write_model
from .setup import Setup, why_missing
from .timing import median_seconds

Floats = NDArray[np.float32]

COSINE = 0.85
TOKENS = 1 << 14
_NEEDS = ("sentence_transformers", "transformers", "tokenizers")


@contextmanager
def _model(setup: Setup) -> Iterator[tuple[str, list[str]]]:
    """The folder of a model whose vocabulary is that of the bundled questions, and their keys."""
    table = open_table(SAMPLE)
    keys = sorted(set(fold_all([row[1] for row in table.rows])))
    words = sorted({word for key in keys for word in key.split()})
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model", words, setup.size(TINY, MINILM))
        yield str(Path(folder) / "model"), keys


def sentences_agree(setup: Setup) -> Iterator[Row]:
    """Cosines of the vectors that `dedupe` compares, in float32 on the device and on the CPU."""
    name = "cosines of sentence vectors, float32"
    if why := why_missing(*_NEEDS):
        yield not_measured(name, why)
        return
    with _model(setup) as (folder, keys):
        ours = sentence.vectors(keys, folder, device=str(setup.device))
        # On a CPU the texts are encoded one at a time, so that it is not compared with the same sums.
        theirs = sentence.vectors(keys, folder, device="cpu", batch=1 if setup.on_cpu else sentence.BATCH)
    distinct = float(np.abs(ours @ ours.T - 1).max()) > 0.1
    error = float(np.abs(ours @ ours.T - theirs @ theirs.T).max()) if distinct else float("nan")
    yield at_most(name, error, 1e-4, f"{len(keys)} bundled questions, random weights")


def sentence_speed(setup: Setup) -> Iterator[Row]:
    """Texts per second in batches of 64 texts, and in batches of 16,384 tokens."""
    name = "sentence vectors"
    if why := why_missing(*_NEEDS):
        yield not_measured(name, why)
        return
    with _model(setup) as (folder, keys):
        words = sorted({word for key in keys for word in key.split()})
        length, n = 16, setup.size(64, 2048)
        draw = np.random.default_rng(0).integers(len(words), size=(n, length))
        texts = [" ".join(words[k] for k in row) for row in draw]
        sizes = {"64 texts": 64, f"{TOKENS:,} tokens": setup.size(64, TOKENS // (length + 2))}
        runs = {
            what: (lambda batch=batch: sentence.vectors(texts, folder, device=str(setup.device), batch=batch))
            for what, batch in sizes.items()
        }
        for what, seconds in median_seconds(setup, runs).items():
            note = f"{n:,} texts of {length} words, loading included, {'MiniLM' if not setup.small else 'tiny BERT'}"
            yield measured(f"{name}, batches of {what}", n / seconds, "texts/s", note=note)


def _vectors(n: int) -> Floats:
    """Unit rows of which each second is near the one before it, at cosines around COSINE."""
    draw = np.random.default_rng(0)
    base = draw.standard_normal((n // 2, 384), dtype=np.float32)
    noise = draw.standard_normal((n // 2, 384), dtype=np.float32) * draw.uniform(0.3, 0.9, (n // 2, 1)).astype(np.float32)
    rows = np.stack([base, base + noise], 1).reshape(-1, 384)
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def join_agrees(setup: Setup) -> Iterator[Row]:
    """The join on the device finds the pairs, with the cosines, that numpy finds on the CPU."""
    vectors = _vectors(setup.size(1000, 20000))
    ours = similar_pairs(vectors, COSINE, device=setup.device)
    theirs = similar_pairs(vectors, COSINE, exact_rows=len(vectors))
    same = all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in ("first", "second", "score"))
    yield holds("pairs of a dense join", same and len(theirs) > 0, "the same", f"{len(theirs):,} of {len(vectors):,} rows")


def join_speed(setup: Setup) -> Iterator[Row]:
    """The join on the device beside the cells of `dedupe` on the CPU, and the recall of the cells."""
    n = setup.size(2000, 200_000)
    vectors = _vectors(n)
    seconds = median_seconds(setup, {"join": lambda: similar_pairs(vectors, COSINE, device=setup.device)})["join"]
    yield measured("dense join on the device", n / seconds, "rows/s", note=f"{n:,} x 384, copies included")
    started = time.process_time(), time.perf_counter()
    pairs = similar_pairs(vectors, COSINE, exact_rows=0)
    spent = time.process_time() - started[0], time.perf_counter() - started[1]
    note = f"{spent[0]:.1f} CPU s, one run, {torch.get_num_threads()} threads"
    yield measured("dense join by cells on the CPU", n / spent[1], "rows/s", note=note)
    recall = sampled_recall(vectors, pairs, COSINE)
    found, total = recall.found.sum(), recall.total.sum()
    yield measured("recall of the cells", found / total, "", note=f"of {total} pairs of the rows of a sample")


AGREEMENT = (sentences_agree, join_agrees)
SPEED = (join_speed, sentence_speed)
