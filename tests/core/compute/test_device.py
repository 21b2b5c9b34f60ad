"""Device choice, with fakes where this machine lacks the device."""

import pytest
import torch

from dlcli.core.compute.device import at_a_time, choose_device, describe_device, fast_dtype, threads
from dlcli.support.errors import ResourceError, UsageError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"NVIDIA {index}")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_the_cpu_without_a_gpu(no_gpu):
    assert choose_device("auto") == torch.device("cpu")


def test_auto_takes_cuda_before_mps(two_gpus, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"


def test_auto_takes_mps_where_there_is_no_cuda(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"


@pytest.mark.parametrize("spec", ["cpu", "cuda", "cuda:0", "cuda:1"])
def test_an_available_device_is_returned(two_gpus, spec):
    assert choose_device(spec) == torch.device(spec)


@pytest.mark.parametrize("spec", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_a_resource_error(no_gpu, spec):
    with pytest.raises(ResourceError, match="finds no"):
        choose_device(spec)


def test_a_gpu_number_too_high_lists_the_available_ones(two_gpus):
    with pytest.raises(ResourceError, match="no cuda:2") as caught:
        choose_device("cuda:2")
    assert "cuda:0 to cuda:1" in caught.value.hint


@pytest.mark.parametrize("spec", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "mps:1", "meta", "AUTO"])
def test_an_unknown_device_is_a_usage_error(two_gpus, spec):
    with pytest.raises(UsageError, match="is not a device"):
        choose_device(spec)


def test_descriptions(two_gpus):
    with threads(1):
        assert describe_device(torch.device("cpu")) == "cpu (1 thread)"
    with threads(2):
        assert describe_device(torch.device("cpu")) == "cpu (2 threads)"
    assert describe_device(torch.device("cuda:0")) == "cuda:0 NVIDIA 0"
    assert describe_device(torch.device("cuda")) == "cuda:1 NVIDIA 1"
    assert describe_device(torch.device("mps")) == "mps"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx2": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_bfloat16_only_on_a_cpu_that_has_it(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert fast_dtype(torch.device("cpu")) == expected


def test_an_older_torch_without_the_list_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fast_dtype(torch.device("cpu")) == torch.float32


def test_emulated_bfloat16_does_not_count(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert fast_dtype(torch.device("cuda:0")) == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert fast_dtype(torch.device("cuda:0")) == torch.bfloat16


def test_mps_computes_in_float32():
    assert fast_dtype(torch.device("mps")) == torch.float32


def test_threads_are_restored_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads(before + 1) as inside:
        assert inside == torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_no_thread_count_changes_nothing():
    with threads(3), threads(None) as inside:
        assert inside == 3


def test_batches_of_large_images_are_smaller_on_a_cpu():
    small, large = torch.zeros(300, 1, 28, 28), torch.zeros(300, 3, 1, 1).expand(300, 3, 224, 224)
    assert at_a_time(256, small, torch.device("cpu")) == 256
    few = at_a_time(256, large, torch.device("cpu"))
    assert few * 4 * 3 * 224 * 224 <= 4 << 20 < (few + 1) * 4 * 3 * 224 * 224
    assert at_a_time(256, large, torch.device("cuda")) == 256
    assert at_a_time(5, large[:0], torch.device("cpu")) == 5
    assert at_a_time(8, torch.zeros(1, 1).expand(2, 3000).reshape(2, 3, 1000).repeat(1, 1, 1000), torch.device("cpu")) == 1
