import hashlib
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from dlcli.core.text.vectors import check_vectors, make_vectors
from dlcli.core.text.vectors.encoders import word2vec
from dlcli.support.errors import UsageError

DOES = {"purrs", "sleeps", "growls", "meows"}, {"brakes", "honks", "stalls", "rusts"}
KINDS = ("cat", "kitten"), ("car", "truck")


def corpus(copies):
    """Texts in which cat and kitten, and car and truck, stand beside the same words but never beside each other."""
    draw = random.Random(0)
    lines = set()
    while len(lines) < copies:
        kind = draw.randrange(2)
        does = draw.sample(sorted(DOES[kind]), 2)
        lines.add(f"{draw.choice(KINDS[kind])} {' '.join(does)} {draw.choice(['here', 'there', 'today'])} {draw.randrange(50)}")
    return sorted(lines)


def test_the_argument_is_a_number_of_dimensions():
    for bad in ("1", "1001", "-5", "ten", "3.5", "²"):
        with pytest.raises(UsageError, match=f"2 to 1000 dimensions, not '{bad}'") as error:
            check_vectors(f"word2vec:{bad}")
        assert error.value.hint == "such as `vectors=word2vec:100`"


def test_words_are_compared_less_what_all_have_in_common():
    table = SimpleNamespace(vectors=np.array([(1, 0), (9, 9), (5, 4)], np.float32), key_to_index={"a": 0, "b": 1, "c": 2})
    found = word2vec._look_up(table, ["c", "a"])  # their mean is (3, 2); b was not asked for
    np.testing.assert_allclose(found, np.array([(1, 1), (-1, -1)]) / 2**0.5, atol=1e-6)


def test_words_in_the_same_company_are_alike():
    pytest.importorskip("gensim", reason="the extra word2vec is not installed; the tests above always run")
    keys = [*corpus(300), "cat", "kitten", "car", "truck"]
    found = make_vectors("word2vec:20", keys)
    assert found.shape == (304, 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cat, kitten, car, truck = found[-4:]
    assert min(cat @ kitten, car @ truck) > max(cat @ car, cat @ truck, kitten @ car, kitten @ truck) + 0.3


def test_the_order_of_the_texts_makes_no_difference():
    pytest.importorskip("gensim", reason="the extra word2vec is not installed")
    keys = corpus(60)
    order = random.Random(1).sample(range(len(keys)), len(keys))
    shuffled = make_vectors("word2vec:8", [keys[k] for k in order])
    np.testing.assert_array_equal(shuffled, make_vectors("word2vec:8", keys)[order])


def test_two_runs_give_the_same_bytes():
    pytest.importorskip("gensim", reason="the extra word2vec is not installed")
    code = (
        "import hashlib; from dlcli.core.text.vectors import make_vectors\n"
        "keys = [f'{a} is {b} of {c}' for a in 'abcd' for b in 'efgh' for c in 'ijkl']\n"
        "print(hashlib.sha256(make_vectors('word2vec:16', keys).tobytes()).hexdigest())"
    )
    ours = [f"{a} is {b} of {c}" for a in "abcd" for b in "efgh" for c in "ijkl"]
    expected = hashlib.sha256(make_vectors("word2vec:16", ours).tobytes()).hexdigest()
    for seed, threads in (("1", "1"), ("2", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert (done.stdout.strip(), done.stderr) == (expected, "")


@pytest.mark.parametrize("keys", [["a"], ["a", "a a"], ["a", "b"], ["a b c"], []])
def test_hardly_any_text_gives_unit_vectors_or_zeros(keys):
    pytest.importorskip("gensim", reason="the extra word2vec is not installed")
    found = make_vectors("word2vec", keys)
    assert found.shape == (len(keys), 100)
    length = np.linalg.norm(found, axis=1)
    assert np.all((length == 0) | (abs(length - 1) < 1e-5))
    assert not length.any() or len({word for key in keys for word in key.split()}) > 1
