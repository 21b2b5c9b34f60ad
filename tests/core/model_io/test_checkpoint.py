"""Weights in and out of files."""

import os
import stat

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from dlcli.core.model_io.checkpoint import load_weights, read_metadata, save_weights, weights_sha256
from dlcli.support.errors import InputError


class _Tied(nn.Module):
    """Two layers that share one weight, as language models tie input and output."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight


def _network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2).to(torch.bfloat16))


@pytest.mark.parametrize("build", [_network, _Tied])
def test_round_trip(tmp_path, build):
    path, model = tmp_path / "sub" / "w.safetensors", build()
    save_weights(path, model, {"seed": "3"})
    loaded = load_weights(path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype
    assert set(loaded) == set(model.state_dict())
    assert weights_sha256(loaded) == weights_sha256(model)
    assert read_metadata(path) == {"seed": "3"}
    build().load_state_dict(loaded)


def test_safetensors_reads_the_saved_file(tmp_path):
    save_weights(tmp_path / "w.safetensors", model := nn.Linear(2, 2), {})
    assert torch.equal(load_file(tmp_path / "w.safetensors")["weight"], model.weight)


def test_the_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        save_weights(tmp_path / "w.safetensors", nn.Linear(1, 1), {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.safetensors").stat().st_mode) == 0o640


def test_a_failed_save_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlcli.core.model_io.checkpoint.sort_metadata", fail)
    with pytest.raises(OSError, match="No space"):
        save_weights(tmp_path / "w.safetensors", nn.Linear(1, 1), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 5, 60, -1])
def test_the_error_for_a_damaged_file_is_one_line(tmp_path, cut):
    path = tmp_path / "w.safetensors"
    save_weights(path, nn.Linear(4, 4), {})
    path.write_bytes(path.read_bytes()[:cut])
    for read in (load_weights, read_metadata):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_weights(tmp_path / "absent.safetensors")


_STATES = st.dictionaries(st.text(min_size=1, max_size=4), st.lists(st.integers(-3, 3), min_size=1, max_size=4), max_size=3)


@given(one=_STATES, other=_STATES)
def test_different_weights_have_different_digests(one, other):
    digests = [weights_sha256({k: torch.tensor(v) for k, v in s.items()}) for s in (one, dict(reversed(other.items())))]
    assert (digests[0] == digests[1]) == (one == other)


def test_the_digest_covers_type_shape_and_name_but_not_layout():
    base = torch.zeros(2, 3, 4, 5)
    same = {"w": base.to(memory_format=torch.channels_last)}
    others = [{"v": base}, {"w": base.half()}, {"w": base.reshape(3, 2, 4, 5)}, {"w": -base}, {"w": base, "b": torch.tensor(0)}]
    assert weights_sha256(same) == weights_sha256({"w": base})
    assert len({weights_sha256(state) for state in [{"w": base}, *others]}) == 6


def test_a_full_disk_is_an_os_error(tmp_path, monkeypatch):
    """Through the real library: a limit on file size fails in the middle of a write, as a full disk does."""
    import errno
    import resource
    import signal

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError) as caught:
            save_weights(tmp_path / "w.safetensors", nn.Linear(100, 100), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
