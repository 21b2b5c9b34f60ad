"""Device choice, with fakes where this machine lacks the device."""

import pytest
import torch

from dlcli.core.compute.device import (
    at_a_time,
    choose_device,
    describe_device,
    device_key,
    fast_dtype,
    out_of_memory,
    send,
    threads,
)
from dlcli.support.errors import ResourceError, UsageError
from tests.fake_device import fake_device
from tests.synchronisations import Synchronisations


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


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((12, 0), torch.bfloat16)]
)
def test_bfloat16_only_on_a_gpu_that_has_it(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert fast_dtype(torch.device("cuda:0")) == expected


def test_the_gpu_that_is_meant_is_asked_and_not_the_current_one(two_gpus, monkeypatch):
    """The current one is cuda:1 here."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: [(7, 0), (9, 0)][torch.device(device).index])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA {torch.device(device).index}")
    assert [fast_dtype(torch.device(name)) for name in ("cuda:0", "cuda:1")] == [torch.float32, torch.bfloat16]
    assert [device_key(torch.device(name)) for name in ("cuda:0", "cuda:1")] == ["cuda NVIDIA 0 7.0", "cuda NVIDIA 1 9.0"]


def test_every_gpu_of_amd_counts_as_one_with_bfloat16(monkeypatch):
    """As torch says; its numbers of capabilities are others."""
    monkeypatch.setattr(torch.version, "hip", "6.4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert fast_dtype(torch.device("cuda:0")) == torch.bfloat16


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_the_key_of_other_devices_is_their_kind(kind):
    assert device_key(torch.device(kind)) == kind


def failed_allocation() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    return caught.value


OUT_OF_MEMORY = {
    "torch's allocator": torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"
    ),
    "repeated": RuntimeError(
        "Caught OutOfMemoryError in replica 0 on device 0.\nOriginal Traceback: ... CUDA out of memory. Tried"
    ),
    "the driver": torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in"),
    "cuDNN 8": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "cuDNN 9": RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    "cuDNN 9, host": RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "Apple": RuntimeError(
        "MPS backend out of memory (MPS allocated: 7.64 GiB, other allocations: 1.10 GiB, max allowed: 9.07 GiB)"
    ),
    "the CPU": failed_allocation(),
}
OTHERS = (
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    RuntimeError("the replay memory is out of memory slots"),
    ValueError("can't allocate memory of the agent"),
    KeyError("CUDA out of memory"),
    ResourceError("out of memory running the network on 2 images"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_memory_that_ran_out_is_known(error):
    assert out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_other_errors_are_not_taken_for_it(error):
    assert not out_of_memory(error)


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


IMAGES = torch.rand(4, 3, 5, 6)
LAYOUTS = {
    "contiguous": IMAGES,
    "channels last": IMAGES.contiguous(memory_format=torch.channels_last),
    "a slice": IMAGES[1:, :2],
    "expanded": IMAGES[:1].expand(4, -1, -1, -1),
    "none": IMAGES[:0],
}


@pytest.mark.parametrize("x", LAYOUTS.values(), ids=LAYOUTS)
def test_a_tensor_is_sent_without_a_wait(x):
    with fake_device() as device, Synchronisations() as waits:
        there, last = send(x, device), send(x, device, torch.channels_last)
        assert not waits.total and there.device == device and last.is_contiguous(memory_format=torch.channels_last)
        assert send(there, device) is there
        assert torch.equal(there.cpu(), x) and torch.equal(last.cpu(), x) and torch.equal(send(there, torch.device("cpu")), x)


def test_what_is_on_the_cpu_stays_as_it_is():
    assert send(IMAGES, torch.device("cpu")) is IMAGES


@pytest.mark.parametrize("x", LAYOUTS.values(), ids=LAYOUTS)
def test_to_a_gpu_of_nvidia_a_copy_travels_from_pinned_memory(x, monkeypatch):
    """A tensor that changes after it was sent must arrive as it was; pinned memory and the copy to the GPU are imitated."""
    empty_like, sent = torch.empty_like, []

    def pinned(like, *, pin_memory):
        assert pin_memory
        return empty_like(like)

    monkeypatch.setattr(torch, "empty_like", pinned)
    monkeypatch.setattr(torch.Tensor, "to", lambda *arguments, **options: sent.append((arguments, options)))
    send(x, torch.device("cuda"))
    (((copied, device), options),) = sent
    assert device.type == "cuda" and options["non_blocking"] and torch.equal(copied, x)
    assert not len(x) or copied.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    if x is LAYOUTS["channels last"]:
        assert copied.is_contiguous(memory_format=torch.channels_last)
