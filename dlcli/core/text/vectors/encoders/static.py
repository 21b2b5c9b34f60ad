"""`static:FOLDER`: means of the token vectors of a static model in the format of model2vec and sentence-transformers.

Only data is read, from `model.safetensors` and `tokenizer.json`; no code is loaded.
"""

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import sparse_rows
from dlcli.core.text.vectors.averaging import normalize_rows
from dlcli.core.text.vectors.installed import first_match, model_folders, require
from dlcli.core.text.vectors.weighting import count_pieces
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.plural import count

CANDIDATE_COSINE = 0.9
DEPENDS_ON = "text"
SCORED = False
DEVICE = "search"
_HINT = "name a folder with model.safetensors and tokenizer.json, as model2vec saves it; nothing is downloaded"
_CUT_AT_SPACES = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")
_LETTER_BY_LETTER = ("BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD")


def check(argument: str) -> None:
    """Raise UsageError without a name, InputError if there is no such model, MissingExtraError without tokenizers."""
    _folder(argument)
    require("tokenizers", "static", "static")


def vectors(keys: list[str], argument: str) -> NDArray[np.float32]:
    """Unit rows (texts, dimensions): means of token vectors, weighted if the model has weights.

    All tokens count, whereas model2vec truncates at 512 by default; unknown tokens do not. A text without known tokens gets
    zeros. Raises what `check` raises, and InputError if the files are broken or do not match each other.
    """
    check(argument)
    model = _load(_folder(argument), argument)
    counts = _counts(model, keys)
    used = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]))
    return normalize_rows(sp.csr_array(counts[:, used]) @ model.rows(used))


@dataclass(frozen=True)
class _Model:
    """A tokenizer, its unknown token, a table (rows, dimensions), and for each token its row in the table and its weight."""

    tokenizer: Any
    unknown: int
    table: NDArray[Any]
    row_of: NDArray[np.int64]
    weights: NDArray[np.float32]

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """The weighted vectors (tokens, dimensions)."""
        return self.table[self.row_of[tokens]].astype(np.float32) * self.weights[tokens, None]


def _folder(argument: str) -> Path:
    if not argument:
        raise UsageError("`vectors`: static needs a folder", hint="`vectors=static:FOLDER`")
    roots = model_folders(argument)
    if not roots:
        raise MissingInputError(f"`vectors`: no such folder: '{argument}'", hint=_HINT)
    # sentence-transformers may keep the table one level deeper; a package keeps the whole folder there.
    found = first_match(roots, "model.safetensors", "*/model.safetensors")
    if found is None or not (found.parent / "tokenizer.json").is_file():
        raise InputError(f"`vectors`: '{argument}' has no static model", hint=_HINT)
    return found.parent


def _load(folder: Path, argument: str) -> _Model:
    tensors, tokenizer = _read(folder, argument)
    table = tensors.get("embeddings", tensors.get("embedding.weight"))
    if table is None or table.ndim != 2:
        hint = f"use `vectors=sentence:{argument}`" if (folder / "modules.json").is_file() else _HINT
        raise InputError(f"`vectors`: '{argument}' has no table of token vectors", hint=hint)
    tokens = tokenizer.get_vocab_size()
    row_of = tensors.get("mapping", np.arange(tokens)).astype(np.int64)
    weights = tensors.get("weights", np.ones(tokens)).astype(np.float32)
    if row_of.shape != weights.shape or len(weights) < tokens or row_of.max(initial=-1) >= len(table) or row_of.min() < 0:
        sizes = f"{tokens:,} tokens, {count(len(table), 'vector')}, {len(weights):,} weights"
        raise InputError(f"`vectors`: '{argument}': tokenizer and table do not match: {sizes}", hint=_HINT)
    if not (np.isfinite(table).all() and np.isfinite(weights).all()):
        raise InputError(f"`vectors`: '{argument}' has vectors that are not finite")
    return _Model(tokenizer, _unknown(tokenizer), table, row_of, weights)


def _read(folder: Path, argument: str) -> tuple[dict[str, NDArray[Any]], Any]:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tensors = load_file(folder / "model.safetensors")
    except Exception as error:  # tokenizers raises nothing narrower
        raise InputError(f"`vectors`: '{argument}' is broken: {' '.join(str(error).split())}", hint=_HINT) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tensors, tokenizer


def _unknown(tokenizer: Any) -> int:
    """The id of the unknown token, -1 if the tokenizer has none."""
    model = json.loads(tokenizer.to_str())["model"]
    token = model.get("unk_id")
    if token is None and model.get("unk_token") is not None:
        token = tokenizer.token_to_id(model["unk_token"])
    return -1 if token is None else int(token)


def _counts(model: _Model, keys: list[str]) -> sp.csr_array:
    """Token counts of each text, (texts, tokens), without unknown tokens."""
    if not _cuts_at_spaces(model.tokenizer):
        return _tokens(model, keys)
    occurs, pieces = count_pieces(keys)
    counts = sp.csr_array(occurs @ _tokens(model, pieces))
    counts.sort_indices()
    return counts


def _cuts_at_spaces(tokenizer: Any) -> bool:
    """Whether the tokens of a text are those of its pieces, so that each distinct piece is tokenized only once."""
    parts = json.loads(tokenizer.to_str())
    normalizer, cutter = parts["normalizer"], parts["pre_tokenizer"]
    spaced = any(any(map(str.isspace, token["content"])) for token in parts["added_tokens"])
    known = normalizer is None or normalizer["type"] in _LETTER_BY_LETTER
    return known and not spaced and cutter is not None and cutter["type"] in _CUT_AT_SPACES


def _tokens(model: _Model, texts: list[str]) -> sp.csr_array:
    lists = [encoding.ids for encoding in model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    ends = np.cumsum([0, *map(len, lists)])
    tokens = np.fromiter(chain.from_iterable(lists), np.int64, count=int(ends[-1]))
    counts = sparse_rows((tokens != model.unknown).astype(np.float32), tokens, ends, len(model.weights))
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts
