import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import check_vectors, make_vectors
from dlcli.core.text.vectors.encoders import static
from dlcli.support.errors import InputError, UsageError

VOCABULARY = ["[PAD]", "[UNK]", "play", "##ing", "##er", "cat", "c", "+", "don", "'", "t", "5", "##0", "%", "東", "é"]
KEYS = ["play", "playing cat", "player player cat", "c++", "don't", "50%", "東京 é", "zzz", "cat zzz", "unplay", "cat/c"]
NO_TOKENIZERS = "the package tokenizers (extra static) is not installed; the tests of errors always run"


@pytest.fixture
def tokenizers():
    return pytest.importorskip("tokenizers", reason=NO_TOKENIZERS)


def word_piece(tokenizers):
    """A tokenizer as BERT's and its descendants'."""
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def unigram(tokenizers):
    """A tokenizer as XLM-R's: a token may tell whether a space stood before it."""
    pieces = [("<unk>", 0.0), ("▁play", -1.0), ("ing", -2.0), ("▁c", -2.0), ("a", -3.0), ("t", -3.0), ("▁", -4.0), ("p", -5.0)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    return tokenizer


def save(folder, tokenizer, *, name="embeddings", rows=None, dtype=np.float32, **more):
    draw = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    table = draw.normal(size=(rows or tokenizer.get_vocab_size(), 5)) * 10
    save_file({name: table.astype(dtype), **more}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"normalize": true}')
    return folder


def vectors_by_hand(folder, tokenizer, keys, unknown):
    """One text after the other, one token after the other."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    table = tensors.get("embeddings", tensors.get("embedding.weight")).astype(float)
    found = np.zeros((len(keys), table.shape[1]))
    for row, key in zip(found, keys, strict=True):
        for token in tokenizer.encode(key, add_special_tokens=False).ids:
            if token != unknown:
                row += tensors.get("weights", np.ones(99))[token] * table[tensors.get("mapping", np.arange(99))[token]]
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


@pytest.mark.parametrize("make", [word_piece, unigram])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_vectors_are_means_of_the_tokens(make, dtype, tokenizers, tmp_path):
    tokenizer = make(tokenizers)
    folder = save(tmp_path / "model", tokenizer, dtype=dtype)
    expected = vectors_by_hand(folder, tokenizer, KEYS, unknown=int(make is word_piece))
    found = make_vectors(f"static:{folder}", KEYS)
    assert found.dtype == np.float32
    assert np.count_nonzero(expected.any(axis=1)) >= 7
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_and_a_mapping_of_the_file_are_used(tokenizers, tmp_path):
    tokenizer = word_piece(tokenizers)
    draw = np.random.default_rng(4)
    more = {"weights": draw.uniform(0.1, 2, len(VOCABULARY)), "mapping": draw.integers(0, 6, len(VOCABULARY))}
    folder = save(tmp_path / "model", tokenizer, rows=6, **more)
    expected = vectors_by_hand(folder, tokenizer, KEYS, unknown=1)
    np.testing.assert_allclose(make_vectors(f"static:{folder}", KEYS), expected, atol=1e-5)


def test_the_folders_of_sentence_transformers_are_read(tokenizers, tmp_path):
    folder = save(tmp_path / "model" / "0_StaticEmbedding", word_piece(tokenizers), name="embedding.weight")
    (folder / "config.json").unlink()
    expected = vectors_by_hand(folder, word_piece(tokenizers), KEYS, unknown=1)
    np.testing.assert_allclose(make_vectors(f"static:{tmp_path / 'model'}", KEYS), expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="play ingcat+don't50%東é京Éüß\u0301\u200d\ud800", max_size=15), max_size=6))
def test_cutting_each_piece_once_is_cutting_each_text(tmp_path_factory, texts):
    tokenizers = pytest.importorskip("tokenizers", reason=NO_TOKENIZERS)
    keys = sorted({key for key in fold_all(texts) if key})
    folder = save(tmp_path_factory.getbasetemp() / "static-pieces", word_piece(tokenizers))
    model = static._load(folder, "")
    assert static._cuts_at_spaces(model.tokenizer)
    np.testing.assert_array_equal(static._counts(model, keys).toarray(), static._tokens(model, keys).toarray())


def test_tokens_that_depend_on_more_than_their_piece_are_cut_in_whole_texts(tokenizers):
    assert not static._cuts_at_spaces(unigram(tokenizers))
    spaced = word_piece(tokenizers)
    spaced.add_tokens(["play cat"])
    assert not static._cuts_at_spaces(spaced)
    replacing = word_piece(tokenizers)
    replacing.normalizer = tokenizers.normalizers.Replace(" c", "t")
    assert not static._cuts_at_spaces(replacing)


def test_settings_of_the_tokenizer_that_pad_and_cut_are_not_used(tokenizers, tmp_path):
    plain = make_vectors(f"static:{save(tmp_path / 'plain', word_piece(tokenizers))}", KEYS)
    tokenizer = word_piece(tokenizers)
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(1)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="[PAD] $A", special_tokens=[("[PAD]", 0)])
    np.testing.assert_array_equal(make_vectors(f"static:{save(tmp_path / 'set', tokenizer)}", KEYS), plain)


@pytest.mark.peers
@pytest.mark.parametrize("make", [word_piece, unigram])
@pytest.mark.parametrize("weighted", [False, True])
def test_model2vec_gives_the_same_vectors(make, weighted, tokenizers, tmp_path):
    model2vec = pytest.importorskip("model2vec", reason="install with: pip install model2vec")
    tokenizer = make(tokenizers)
    size = tokenizer.get_vocab_size()
    more = {"weights": np.linspace(0.5, 2, size), "mapping": np.arange(size)[::-1].copy()} if weighted else {}
    folder = save(tmp_path / "model", tokenizer, **more)
    theirs = model2vec.StaticModel.from_pretrained(str(folder)).encode(KEYS)
    np.testing.assert_allclose(make_vectors(f"static:{folder}", KEYS), theirs, atol=1e-5)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match="static needs a folder"):
        check_vectors("static")
    (tmp_path / "file").touch()
    for name in ("no-such/folder", str(tmp_path / "file")):
        with pytest.raises(InputError, match="no such folder"):
            check_vectors(f"static:{name}")
    with pytest.raises(InputError, match="has no static model"):
        check_vectors(f"static:{tmp_path}")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="has no static model"):
        check_vectors(f"static:{tmp_path}")


def test_broken_files_are_refused(tokenizers, tmp_path):
    tokenizer = word_piece(tokenizers)

    def refused(match):
        with pytest.raises(InputError, match=match) as error:
            make_vectors(f"static:{tmp_path}", KEYS)
        assert "\n" not in f"{error.value}{error.value.hint}"
        return error.value

    save(tmp_path, tokenizer)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-9])
    refused("is broken")
    for bad in ("{", json.dumps({"model": {}}), ""):
        save(tmp_path, tokenizer)
        (tmp_path / "tokenizer.json").write_text(bad)
        refused("is broken")
    save(tmp_path, tokenizer, name="other")
    refused("has no table of token vectors")
    (tmp_path / "modules.json").write_text("[]")
    assert refused("has no table of token vectors").hint.startswith("use `vectors=sentence:")
    save(tmp_path, tokenizer, rows=len(VOCABULARY) - 1)
    refused("tokenizer and table do not match: 16 tokens, 15 vectors")
    save(tmp_path, tokenizer, weights=np.ones(7))
    refused("do not match: 16 tokens, 16 vectors, 7 weights")
    save(tmp_path, tokenizer, mapping=np.full(len(VOCABULARY), -1))
    refused("do not match")
    save(tmp_path, tokenizer, weights=np.full(len(VOCABULARY), np.nan))
    refused("not finite")
