"""Which kinds of vectors an accelerator computes or searches, and that nothing else imports torch."""

import subprocess
import sys

import pytest
import torch

from dlcli.core.text.vectors import VECTORS
from dlcli.core.text.vectors.devices import check_device, describe_encoding, device_use, search_device
from dlcli.support.errors import ResourceError, UsageError


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("kind", VECTORS.names())
def test_every_kind_declares_what_an_accelerator_does(kind):
    """Nothing where rows are sparse, and the vectors themselves exactly where `vectors` takes a device."""
    module = VECTORS.module(kind)
    assert device_use(f"{kind}:x") in ("", "search", "vectors")
    takes_one = "device" in module.vectors.__kwdefaults__ if module.vectors.__kwdefaults__ else False
    assert takes_one == (device_use(kind) == "vectors") == hasattr(module, "DTYPE")
    assert (device_use(kind) == "") == ("csr_array" in str(module.vectors.__annotations__["return"]))


@pytest.mark.parametrize(
    ("spec", "device", "expected"),
    [
        *[(spec, "cpu", None) for spec in ("tfidf", "static:x", "sentence:x")],
        *[(spec, "auto", None) for spec in ("tfidf", "word2vec", "static:x", "spacy:x")],
        *[(spec, "cuda:1", "cuda:1") for spec in ("word2vec", "static:x", "spacy:x", "sentence:x")],
        ("sentence:x", "auto", "cuda"),
    ],
)
def test_what_searches(gpu, spec, device, expected):
    found = search_device(spec, device)
    assert found == (None if expected is None else torch.device(expected))


def test_without_an_accelerator_numpy_searches(no_gpu):
    assert search_device("sentence:x", "auto") is None
    with pytest.raises(ResourceError, match="torch finds no cuda device"):
        search_device("static:x", "cuda")


def test_what_vectors_depend_on(gpu):
    assert describe_encoding("sentence:x", "auto") == {"device": "cuda", "dtype": "float32"}
    assert describe_encoding("sentence:x", "cuda:1") == {"device": "cuda", "dtype": "float32"}
    assert describe_encoding("sentence:x", "cpu") == {"device": "cpu", "dtype": "float32"}
    assert not describe_encoding("static:x", "cuda") and not describe_encoding("tfidf", "auto")


def test_an_accelerator_that_is_not_used_or_not_there_is_refused(gpu):
    for device in ("auto", "cpu"):
        check_device(device, False, "rows are compared")
    check_device("cuda:1", True, "rows are compared")
    for device in ("cuda", "mps", "nonsense"):
        with pytest.raises(UsageError, match="`device`: rows are compared on the CPU") as error:
            check_device(device, False, "rows are compared")
        assert error.value.hint == "omit `device`"
    with pytest.raises(ResourceError, match="there is no cuda:2"):
        check_device("cuda:2", True, "rows are compared")
    with pytest.raises(UsageError, match="'nonsense' is not a device"):
        check_device("nonsense", True, "rows are compared")


def test_torch_is_not_imported_to_find_out_that_the_cpu_is_used():
    code = (
        "import sys\n"
        "from dlcli.core.text.vectors.devices import check_device, describe_encoding, search_device\n"
        "for spec in ('tfidf', 'static:x', 'spacy:x', 'word2vec'):\n"
        "    for device in ('auto', 'cpu'):\n"
        "        check_device(device, spec != 'tfidf', ''); assert search_device(spec, device) is None\n"
        "    assert not describe_encoding(spec, 'auto')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
