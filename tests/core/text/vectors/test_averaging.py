"""What the kinds of vectors share: means, folders, missing packages."""

import logging
import sys
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import check_vectors
from dlcli.core.text.vectors.averaging import normalize_rows, weighted_means
from dlcli.core.text.vectors.installed import first_match, model_folders, quiet_loggers
from dlcli.support.errors import MissingExtraError

TABLE = {"a": (1, 0), "b": (0, 2), "c": (3, 3), "aa": (-1, 1), "ab": (0.5, 0)}
some_keys = st.lists(st.text(alphabet="abc ", min_size=1, max_size=9), min_size=1, max_size=7).map(
    lambda texts: sorted({key for key in fold_all(texts) if key}) or ["a"]
)


@given(some_keys)
def test_means_are_those_of_a_sum_over_the_words_of_each_text(keys):
    def look_up(vocabulary):
        assert len(set(vocabulary)) == len(vocabulary)
        return np.array([TABLE.get(word, (0, 0)) for word in vocabulary], np.float32)

    bags = [set(key.split()) for key in keys]
    expected = np.zeros((len(keys), 2))
    for row, bag in zip(expected, bags, strict=True):
        for word in bag & TABLE.keys():
            row += (log((1 + len(bags)) / (1 + sum(word in other for other in bags))) + 1) * np.array(TABLE[word])
    length = np.linalg.norm(expected, axis=1, keepdims=True)
    apart = length[:, 0] > 1e-3  # where vectors cancel out, rounding is all that is left
    np.testing.assert_allclose(weighted_means(keys, look_up)[apart], (expected / np.maximum(length, 1e-9))[apart], atol=1e-4)


def test_unit_rows_keep_their_direction_and_zeros():
    rows = np.array([[3, 4], [0, 0], [-1e-3, 0]], np.float16)
    found = normalize_rows(rows.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [(0.6, 0.8), (0, 0), (-1, 0)], atol=1e-6)


def test_a_package_is_found_by_both_its_names_and_not_imported(tmp_path, monkeypatch):
    package = tmp_path / "some_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # as in a script
    for name in ("some_model", "some-model", "Some-Model", "some.model"):
        assert model_folders(name) == [package]
    assert model_folders(str(package)) == [package]
    for name in ("no_such_model", "__main__", "os", "owner/some-model", "", "a b"):
        assert model_folders(name) == []


def test_the_first_pattern_with_a_match_wins(tmp_path):
    for name in ("b/file", "a/file"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert first_match([tmp_path], "file", "*/file") == tmp_path / "b" / "file"
    (tmp_path / "file").touch()
    assert first_match([tmp_path], "file", "*/file") == tmp_path / "file"
    assert first_match([tmp_path], "other", "*/other") is None


def test_a_logger_is_silent_inside_the_block_only():
    logger = logging.getLogger("dlcli.test.quiet")
    logger.setLevel(logging.INFO)
    with pytest.raises(KeyError), quiet_loggers("dlcli.test.quiet"):
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
        raise KeyError
    assert logger.level == logging.INFO


@pytest.mark.parametrize(
    ("spec", "module", "package"),
    [
        ("word2vec", "gensim", "gensim"),
        ("static:", "tokenizers", "tokenizers"),
        ("sentence:", "sentence_transformers", "sentence-transformers"),
    ],
)
def test_a_missing_package_is_named(spec, module, package, tmp_path, monkeypatch):
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"`vectors={spec.rstrip(':')}` needs the extra '{spec.rstrip(':')}'") as error:
        check_vectors(spec + (str(tmp_path) if spec.endswith(":") else ""))
    declared = error.value.hint.startswith(f"pip install '{package}")
    assert declared or error.value.hint == f"pip install '.[{spec.rstrip(':')}]'"  # installed before the extra was declared
